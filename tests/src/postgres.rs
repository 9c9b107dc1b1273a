//! A PostgreSQL server for one test, with one database.

use postgres_server::Server;

/// The database that every server has from the beginning.
const DATABASE: &str = "postgres";

/// A running server.
#[derive(Debug)]
pub struct Postgres(Server);

impl Postgres {
    /// Starts one.
    pub fn start() -> Self {
        Self(Server::start("off", &[], &[]))
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        self.0.url(DATABASE)
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port())
    }

    /// Runs a statement, as its owner would by hand; gives back the first value.
    pub fn run(&self, sql: &str) -> String {
        self.0.run(DATABASE, sql)
    }
}
