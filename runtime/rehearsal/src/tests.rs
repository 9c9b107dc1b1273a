//! Runs against the model.
