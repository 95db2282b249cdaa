//! The walk through all rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ordered::{Row as Ordered, Rows};
use super::rows::{AccessRow, CodeRow, GrantCell, GrantRow, RefreshRow};
use super::shards::Sharded;
use super::tables::Tables;
use crate::protocol::secret::OrderedId;
use crate::storage::{Row, Scanned, Table};

/// A row as it is shown, with its grant; `None` if the grant is gone.
trait Shown: Ordered<Key = OrderedId> {
    fn shown(&self) -> Option<Scanned>;
}

fn with_grant(cell: &GrantCell, row: Row) -> Option<Scanned> {
    let (grant_expires_at, revoked) = cell.state()?;
    Some(Scanned { row, grant: Arc::clone(&cell.grant), grant_expires_at, revoked })
}

impl Shown for GrantRow {
    fn shown(&self) -> Option<Scanned> {
        with_grant(&self.cell, Row::Grant)
    }
}

impl Shown for CodeRow {
    fn shown(&self) -> Option<Scanned> {
        with_grant(&self.cell, Row::Code { code: self.code.clone(), redeemed: self.redeemed })
    }
}

impl Shown for AccessRow {
    fn shown(&self) -> Option<Scanned> {
        with_grant(self.cell(), Row::Access(self.stored()?.token))
    }
}

impl Shown for RefreshRow {
    fn shown(&self) -> Option<Scanned> {
        let (token, rotation) = (self.token.clone(), self.rotation.clone());
        with_grant(&self.cell, Row::Refresh { token, rotation, predecessor: self.predecessor })
    }
}

impl Tables {
    pub(super) fn scan(&self, table: Table, after: Option<OrderedId>, limit: u32) -> Vec<Scanned> {
        match table {
            Table::Grants => page(&self.grants, after, limit),
            Table::Codes => page(&self.codes, after, limit),
            Table::AccessTokens => page(&self.tokens, after, limit),
            Table::RefreshTokens => page(&self.refreshes, after, limit),
        }
    }
}

/// The lowest rows behind `after`, from one part of the table after the other.
fn page<R: Shown>(table: &Sharded<Rows<R>>, after: Option<OrderedId>, limit: u32) -> Vec<Scanned> {
    let limit = limit as usize;
    let mut found = BTreeMap::new();
    for part in table.parts() {
        let part = part();
        found.extend(part.behind(after).filter_map(R::shown).take(limit).map(|row| (row.id(), row)));
        while found.len() > limit {
            found.pop_last();
        }
    }
    found.into_values().collect()
}
