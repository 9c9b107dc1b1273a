//! Chooses the kind of store by its address.

use std::sync::Arc;

use crate::{
    error::StoreError,
    postgres::{Options, Postgres},
    sqlite::Sqlite,
    store::Store,
};

/// Opens the store at an address for reading only: it must be there, and up to date, and no
/// call changes anything.
///
/// Blocks, and fails as [`Postgres::open`] and [`Sqlite::reading`] do.
pub fn reading(address: &str, password: Option<&str>) -> Result<Arc<dyn Store>, StoreError> {
    if !is_database(address) {
        return Ok(Arc::new(Sqlite::reading(address)?));
    }
    let options = Options {
        password: password.map(str::to_owned),
        reading: true,
        ..Options::default()
    };
    Ok(Arc::new(Postgres::open(address, &options)?))
}

/// Opens the store at an address: `postgres://…` or `postgresql://…` is a database, anything
/// else a file's path. The password is for a database that asks for one.
///
/// Blocks, and fails as [`Postgres::open`] and [`Sqlite::open`] do.
pub fn open(address: &str, password: Option<&str>) -> Result<Arc<dyn Store>, StoreError> {
    if !is_database(address) {
        return Ok(Arc::new(Sqlite::open(address)?));
    }
    let options = Options {
        password: password.map(str::to_owned),
        ..Options::default()
    };
    Ok(Arc::new(Postgres::open(address, &options)?))
}

fn is_database(address: &str) -> bool {
    let mut schemes = ["postgres://", "postgresql://"].iter();
    schemes.any(|scheme| address.starts_with(scheme))
}
