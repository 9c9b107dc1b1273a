//! Chooses the kind of store by its address.

use std::sync::Arc;

use crate::{
    error::StoreError,
    postgres::{Options, Postgres},
    sqlite::Sqlite,
    store::Store,
};

/// Opens the store at an address: `postgres://…` or `postgresql://…` is a database, anything
/// else a file's path. The password is for a database that asks for one.
///
/// Blocks, and fails as [`Postgres::open`] and [`Sqlite::open`] do.
pub fn open(address: &str, password: Option<&str>) -> Result<Arc<dyn Store>, StoreError> {
    let database = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| address.starts_with(scheme));
    if !database {
        return Ok(Arc::new(Sqlite::open(address)?));
    }
    let options = Options {
        password: password.map(str::to_owned),
        ..Options::default()
    };
    Ok(Arc::new(Postgres::open(address, &options)?))
}
