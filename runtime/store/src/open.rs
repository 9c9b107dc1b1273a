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
    if !is_database(address) {
        return Ok(Arc::new(Sqlite::open(address)?));
    }
    let options = Options {
        password: password.map(str::to_owned),
        ..Options::default()
    };
    Ok(Arc::new(Postgres::open(address, &options)?))
}

/// The store at an address as it is now, to be read: nothing is made where there is none, and
/// nothing of what is there is changed or brought up to date. A store that is not there is an
/// empty one.
///
/// What is changed in a file's store is changed in memory and forgotten; a database refuses it.
pub fn look(address: &str, password: Option<&str>) -> Result<Arc<dyn Store>, StoreError> {
    if !is_database(address) {
        return Ok(Arc::new(Sqlite::look(address)?));
    }
    let options = Options {
        password: password.map(str::to_owned),
        ..Options::default()
    };
    Ok(match Postgres::look(address, &options)? {
        Some(database) => Arc::new(database),
        None => Arc::new(Sqlite::nothing()?),
    })
}

fn is_database(address: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| address.starts_with(scheme))
}
