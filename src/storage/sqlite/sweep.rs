//! Clean-up by ranges of keys.
//!
//! Rows lie in the order of time, so the ones that have ended lie together, but for a few that live
//! longer. A step walks over a stretch of one table and removes what has ended in it; the next step goes
//! on from there, and from the table's end to its beginning.

use rusqlite::{Connection, params};

use super::error::Failure;
use super::exchange::execute;
use super::reads::all;
use crate::protocol::prompt::PromptId;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::sql;

/// The tables, in the order in which they are cleaned: what hangs on grants before the grants.
const TABLES: [Walk; 5] = [
    Walk::by_id(
        "SELECT id, expires_at FROM access_token WHERE id > ?1 AND id <= ?3 ORDER BY id LIMIT ?2",
        "DELETE FROM access_token WHERE id > ?1 AND id <= ?2 AND expires_at <= ?3",
    ),
    Walk::by_id(
        "SELECT id, expires_at FROM refresh_token WHERE id > ?1 AND id <= ?3 ORDER BY id LIMIT ?2",
        "DELETE FROM refresh_token WHERE id > ?1 AND id <= ?2 AND expires_at <= ?3",
    ),
    Walk::by_id(
        "SELECT id, expires_at FROM code WHERE id > ?1 AND id <= ?3 ORDER BY id LIMIT ?2",
        "DELETE FROM code WHERE id > ?1 AND id <= ?2 AND expires_at <= ?3",
    ),
    Walk {
        start: Key::Bytes(Vec::new()),
        newest: |time| Key::Bytes(PromptId::last_at(time).as_bytes().to_vec()),
        look: "SELECT prompt, keep_until FROM decision WHERE prompt > ?1 AND prompt <= ?3 ORDER BY prompt LIMIT ?2",
        remove: "DELETE FROM decision WHERE prompt > ?1 AND prompt <= ?2 AND keep_until <= ?3",
    },
    Walk::by_id(
        "SELECT id, expires_at FROM grants WHERE id > ?1 AND id <= ?3 ORDER BY id LIMIT ?2",
        "DELETE FROM grants WHERE id > ?1 AND id <= ?2 AND expires_at <= ?3",
    ),
];

struct Walk {
    start: Key,
    /// The last key of what was made at a time.
    newest: fn(Timestamp) -> Key,
    look: &'static str,
    remove: &'static str,
}

impl Walk {
    const fn by_id(look: &'static str, remove: &'static str) -> Self {
        Self { start: Key::Number(-1), newest: |time| Key::Number(sql::bits(OrderedId::last_at(time))), look, remove }
    }
}

#[derive(Clone, PartialEq, PartialOrd)]
enum Key {
    Number(i64),
    Bytes(Vec<u8>),
}

impl rusqlite::ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
        }
    }
}

impl rusqlite::types::FromSql for Key {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        match value {
            rusqlite::types::ValueRef::Blob(bytes) => Ok(Self::Bytes(bytes.to_vec())),
            number => number.as_i64().map(Self::Number),
        }
    }
}

/// How far a step may go.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Rows that it looks at.
    pub(super) looks: u32,
    /// Rows that it removes.
    pub(super) removes: u32,
    /// How late the rows were made that it looks at. What was made later than a time has not ended by then,
    /// unless clocks differ.
    pub(super) made_by: Timestamp,
}

/// Where the walk through the tables is.
#[derive(Clone, PartialEq, PartialOrd)]
pub(super) struct Position {
    table: usize,
    behind: Key,
}

impl Default for Position {
    fn default() -> Self {
        Self { table: 0, behind: TABLES[0].start.clone() }
    }
}

/// What a step did.
pub(super) struct Swept {
    pub(super) removed: u32,
    /// Whether the walk has come to the end of the last table, and starts again.
    pub(super) ended: bool,
}

impl Position {
    /// Goes one step on, and removes what had ended by `end` on the way.
    pub(super) fn step(&mut self, connection: &Connection, end: Timestamp, step: Step) -> Result<Swept, Failure> {
        let walk = &TABLES[self.table];
        let (seen, last, ended) = self.look(connection, end, step)?;
        let mut removed = 0;
        if ended > 0 {
            let range = params![self.behind, last, sql::millis(end)];
            removed = execute(connection, walk.remove, range)?;
        }
        let at_the_end = seen < step.looks && ended < step.removes;
        if !at_the_end {
            self.behind = last;
            return Ok(Swept { removed: removed as u32, ended: false });
        }
        self.table = (self.table + 1) % TABLES.len();
        self.behind = TABLES[self.table].start.clone();
        Ok(Swept { removed: removed as u32, ended: self.table == 0 })
    }

    /// How many rows a step covers, the last of them, and how many of them have ended.
    fn look(&self, connection: &Connection, end: Timestamp, step: Step) -> Result<(u32, Key, u32), Failure> {
        let walk = &TABLES[self.table];
        let mut statement = connection.prepare_cached(walk.look)?;
        let mut rows = statement.query(params![self.behind, step.looks, (walk.newest)(step.made_by)])?;
        let (mut seen, mut last, mut ended) = (0, self.behind.clone(), 0);
        while ended < step.removes
            && let Some(row) = rows.next()?
        {
            seen += 1;
            last = row.get(0)?;
            ended += u32::from(row.get::<_, i64>(1)? <= sql::millis(end));
        }
        Ok((seen, last, ended))
    }
}

/// Removes claims, and clients that registered themselves with the consent to them, that had ended by `end`. They lie
/// in the order of their ends.
pub(super) fn remove_by_end(connection: &Connection, end: Timestamp, limit: u32) -> Result<u32, Failure> {
    let statement =
        "DELETE FROM claim WHERE key IN (SELECT key FROM claim WHERE keep_until <= ?1 ORDER BY keep_until LIMIT ?2)";
    let claims = execute(connection, statement, params![sql::millis(end), limit])? as u32;
    let left = limit.saturating_sub(claims);
    let ended = "SELECT id FROM client WHERE keep_until <= ?1 ORDER BY keep_until, id LIMIT ?2";
    let ended = all(connection, ended, params![sql::millis(end), left], |row| row.client_id())?;
    for client in &ended {
        execute(connection, "DELETE FROM client WHERE id = ?1", [client.as_str()])?;
        execute(connection, "DELETE FROM consent WHERE client = ?1", [client.as_str()])?;
    }
    Ok(claims + ended.len() as u32)
}

/// Removes sealed answers whose window has ended.
pub(super) fn forget_answers(connection: &Connection, now: Timestamp, limit: u32) -> Result<usize, Failure> {
    let statement = "UPDATE refresh_token SET answer = NULL WHERE id IN (SELECT id FROM refresh_token \
                     WHERE answer IS NOT NULL AND grace_until <= ?1 ORDER BY grace_until LIMIT ?2)";
    execute(connection, statement, params![sql::millis(now), limit])
}
