//! What a check found.

use std::fmt;

use super::rules::Rule;
use crate::protocol::secret::OrderedId;
use crate::storage::{Row, Scanned, Table};

/// How many violations are kept. All are counted.
const KEPT: usize = 100;

/// Something that should not be in a store. It has ids and no secrets, for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule that is broken.
    pub rule: Rule,
    /// The table of the row that breaks it.
    pub table: Table,
    /// The id of that row.
    pub id: OrderedId,
    /// The id of its grant.
    pub grant: OrderedId,
    /// The id of the row beside which it breaks the rule, if that takes two.
    pub beside: Option<OrderedId>,
}

impl Violation {
    pub(super) fn new(rule: Rule, row: &Scanned, beside: Option<&Scanned>) -> Self {
        let table = table(row);
        Self { rule, table, id: row.id(), grant: row.grant.id, beside: beside.map(Scanned::id) }
    }
}

pub(super) const fn table(row: &Scanned) -> Table {
    match row.row {
        Row::Grant => Table::Grants,
        Row::Code { .. } => Table::Codes,
        Row::Access(_) => Table::AccessTokens,
        Row::Refresh { .. } => Table::RefreshTokens,
    }
}

const fn name(table: Table) -> &'static str {
    match table {
        Table::Grants => "grant",
        Table::Codes => "code",
        Table::AccessTokens => "access token",
        Table::RefreshTokens => "refresh token",
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, table, id, grant, beside } = self;
        write!(f, "{} {id} of grant {grant} {rule}", name(*table))?;
        beside.map_or(Ok(()), |other| write!(f, " (beside {other})"))
    }
}

/// What a check has seen and found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    grants: u64,
    codes: u64,
    access_tokens: u64,
    refresh_tokens: u64,
    violations: Vec<Violation>,
    found: u64,
}

impl Report {
    /// How many rows of a table were seen.
    #[must_use]
    pub const fn rows(&self, table: Table) -> u64 {
        match table {
            Table::Grants => self.grants,
            Table::Codes => self.codes,
            Table::AccessTokens => self.access_tokens,
            Table::RefreshTokens => self.refresh_tokens,
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.found == 0
    }

    /// How many violations were found.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.found
    }

    /// The first hundred of them.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(super) const fn saw(&mut self, table: Table) {
        let rows = match table {
            Table::Grants => &mut self.grants,
            Table::Codes => &mut self.codes,
            Table::AccessTokens => &mut self.access_tokens,
            Table::RefreshTokens => &mut self.refresh_tokens,
        };
        *rows += 1;
    }

    pub(super) fn add(&mut self, violation: Violation) {
        self.found += 1;
        if self.violations.len() < KEPT {
            self.violations.push(violation);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grants, codes, access_tokens, refresh_tokens, violations, found } = self;
        write!(f, "{grants} grants, {codes} codes, {access_tokens} access tokens, {refresh_tokens} refresh tokens: ")?;
        match found {
            0 => f.write_str("nothing is wrong"),
            1 => f.write_str("1 violation"),
            _ => write!(f, "{found} violations"),
        }?;
        for violation in violations {
            write!(f, "\n  {violation}")?;
        }
        let more = found.saturating_sub(violations.len() as u64);
        if more > 0 { write!(f, "\n  and {more} more") } else { Ok(()) }
    }
}
