//! The walk through all rows.
//!
//! Which rows a page has is found out first, one part of the table after the other. Then each is read by
//! itself while its grant is locked, so that what one operation changes of a row, and of its grant, is
//! shown together, and so that whoever has seen one row of an operation finds the others as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ordered::{Row as Ordered, Rows};
use super::rows::{AccessRow, CodeRow, GrantCell, GrantRow, RefreshRow};
use super::shards::Sharded;
use super::tables::Tables;
use crate::protocol::secret::OrderedId;
use crate::storage::{Row, Scanned, Table};

type Cells = BTreeMap<OrderedId, Arc<GrantCell>>;

impl Tables {
    pub(super) fn scan(&self, table: Table, mut after: Option<OrderedId>, limit: u32) -> Vec<Scanned> {
        let limit = limit as usize;
        loop {
            let cells = match table {
                Table::Grants => lowest(&self.grants, after, limit, GrantRow::cell),
                Table::Codes => lowest(&self.codes, after, limit, CodeRow::cell),
                Table::AccessTokens => lowest(&self.tokens, after, limit, AccessRow::cell),
                Table::RefreshTokens => lowest(&self.refreshes, after, limit, RefreshRow::cell),
            };
            let Some((last, _)) = cells.last_key_value() else { return Vec::new() };
            after = Some(*last);
            let page: Vec<_> = cells.iter().filter_map(|(id, cell)| self.row(table, *id, cell)).collect();
            // An empty page would say that nothing follows.
            if !page.is_empty() {
                return page;
            }
        }
    }

    /// One row with its grant, if both are still there.
    fn row(&self, table: Table, id: OrderedId, cell: &GrantCell) -> Option<Scanned> {
        let seed = id.to_bits();
        match table {
            Table::Grants => with_grant(cell, || Some(Row::Grant)),
            Table::Codes => {
                // The lock of a code comes before that of its grant.
                let codes = self.codes.read(seed);
                let CodeRow { code, redeemed, .. } = codes.get(id)?;
                with_grant(cell, || Some(Row::Code { code: code.clone(), redeemed: *redeemed }))
            }
            Table::AccessTokens => {
                with_grant(cell, || self.tokens.read(seed).get(id)?.stored().map(|stored| Row::Access(stored.token)))
            }
            Table::RefreshTokens => with_grant(cell, || {
                let refreshes = self.refreshes.read(seed);
                let RefreshRow { token, rotation, predecessor, .. } = refreshes.get(id)?;
                Some(Row::Refresh { token: token.clone(), rotation: rotation.clone(), predecessor: *predecessor })
            }),
        }
    }
}

/// The lowest `limit` rows behind `after`, with the cells of their grants.
fn lowest<R: Ordered<Key = OrderedId>>(
    table: &Sharded<Rows<R>>,
    after: Option<OrderedId>,
    limit: usize,
    cell: impl Fn(&R) -> &Arc<GrantCell>,
) -> Cells {
    let mut found = Cells::new();
    for part in table.parts() {
        let part = part();
        for row in part.behind(after).take(limit) {
            if found.len() == limit && found.last_key_value().is_some_and(|(last, _)| *last < row.key()) {
                break;
            }
            found.insert(row.key(), Arc::clone(cell(row)));
            if found.len() > limit {
                found.pop_last();
            }
        }
    }
    found
}

fn with_grant(cell: &GrantCell, row: impl FnOnce() -> Option<Row>) -> Option<Scanned> {
    cell.unchanged(|end, revoked| {
        Some(Scanned { row: row()?, grant: Arc::clone(&cell.grant), grant_expires_at: end, revoked })
    })
}
