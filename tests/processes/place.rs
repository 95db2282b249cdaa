//! Where a store is, so that another process finds it.

use std::path::PathBuf;

use grantor::storage::{AnyStorage, StorageError};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String },
}

impl Place {
    /// Opens the store that is there.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) async fn open(&self) -> Result<AnyStorage, StorageError> {
        match self {
            Self::Sqlite(file) => Ok(AnyStorage::new(grantor::SqliteStorage::open(file).await?)),
            #[cfg(feature = "postgres")]
            Self::Postgres { url, schema } => {
                let options = grantor::storage::PostgresOptions::new().schema(schema);
                Ok(AnyStorage::new(options.connect(url).await?))
            }
            #[cfg(not(feature = "postgres"))]
            Self::Postgres { .. } => panic!("built without the feature `postgres`"),
        }
    }

    pub(crate) const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }
}
