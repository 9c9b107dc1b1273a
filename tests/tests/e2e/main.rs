//! The whole program, run as its users run it, against real servers and under real traffic.
//! No test asserts on time; what took how long is printed.

mod instruments;
