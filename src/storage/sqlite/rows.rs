//! What the rows say, in the port's words.

use std::sync::Arc;

use rusqlite::Row;

use super::error::Failure;
use crate::protocol::client::{Client, ClientId, Tenure};
use crate::protocol::grant::{AccessRecord, CodeRecord, Grant, Holder, RefreshRecord, Rotation, Subject};
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::sql;

/// The columns of a grant, from `g` in a join; [`Reader::grant`] reads them.
macro_rules! grant_columns {
    () => {
        "g.id, g.expires_at, g.revoked, g.subject, g.client, g.scopes, g.resources, g.created_at"
    };
}
/// The columns of a code; [`Reader::code`] reads them.
macro_rules! code_columns {
    () => {
        "t.id, t.expires_at, t.uses, t.hash, t.challenge, t.redirect_uri"
    };
}
/// The columns of an access token; [`Reader::access`] reads them.
macro_rules! access_columns {
    () => {
        "t.id, t.expires_at, t.issued_at, t.hash, t.scopes, t.resource"
    };
}
/// The columns of a refresh token; [`Reader::refresh`] reads them.
macro_rules! refresh_columns {
    () => {
        "t.id, t.expires_at, t.hash, t.predecessor, t.successor, t.grace_until, t.answer"
    };
}
pub(super) use {access_columns, code_columns, grant_columns, refresh_columns};

/// Reads the columns of a row from the first to the last.
pub(super) struct Reader<'a> {
    row: &'a Row<'a>,
    next: usize,
}

/// A grant and what became of it.
pub(super) struct GrantState {
    pub(super) grant: Arc<Grant>,
    pub(super) expires_at: Timestamp,
    pub(super) revoked: bool,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(row: &'a Row<'a>) -> Self {
        Self { row, next: 0 }
    }

    fn advance(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn number(&mut self) -> Result<i64, Failure> {
        let at = self.advance();
        Ok(self.row.get_ref(at)?.as_i64()?)
    }

    pub(super) fn some_number(&mut self) -> Result<Option<i64>, Failure> {
        let at = self.advance();
        Ok(self.row.get_ref(at)?.as_i64_or_null()?)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Failure> {
        self.number().map(sql::time)
    }

    pub(super) fn id(&mut self) -> Result<OrderedId, Failure> {
        Ok(sql::id(self.number()?)?)
    }

    fn some_id(&mut self) -> Result<Option<OrderedId>, Failure> {
        Ok(self.some_number()?.map(sql::id).transpose()?)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Failure> {
        let at = self.advance();
        Ok(self.row.get_ref(at)?.as_str()?)
    }

    pub(super) fn some_text(&mut self) -> Result<Option<&'a str>, Failure> {
        let at = self.advance();
        Ok(self.row.get_ref(at)?.as_str_or_null()?)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Failure> {
        let at = self.advance();
        Ok(self.row.get_ref(at)?.as_blob()?)
    }

    fn some_bytes(&mut self) -> Result<Option<&'a [u8]>, Failure> {
        let at = self.advance();
        Ok(self.row.get_ref(at)?.as_blob_or_null()?)
    }

    pub(super) fn scopes(&mut self) -> Result<ScopeSet, Failure> {
        self.text().map(ScopeSet::from_canonical)
    }

    pub(super) fn client_id(&mut self) -> Result<ClientId, Failure> {
        Ok(ClientId::parse(self.text()?).map_err(|error| sql::corrupt(error.to_string()))?)
    }

    /// A client, from `data, revision, keep_until, granted`.
    pub(super) fn client(&mut self) -> Result<Client, Failure> {
        let (data, revision) = (self.text()?, self.number()?);
        let (until, granted) = (self.some_number()?, self.number()? != 0);
        let tenure = until.map(|until| Tenure { until: sql::time(until), granted });
        Ok(Client { tenure, ..sql::client(data, revision)? })
    }

    pub(super) fn grant(&mut self) -> Result<GrantState, Failure> {
        let (id, expires_at, revoked) = (self.id()?, self.time()?, self.number()? != 0);
        let holder = self.some_text()?.map_or(Holder::Client, |subject| Holder::User(Subject::new(subject)));
        let (client, scopes) = (self.client_id()?, self.scopes()?);
        let (resources, created_at) = (sql::resources(self.text()?), self.time()?);
        Ok(GrantState {
            grant: Arc::new(Grant { id, holder, client, scopes, resources, created_at }),
            expires_at,
            revoked,
        })
    }

    /// A code, and whether it was redeemed.
    pub(super) fn code(&mut self, grant: OrderedId) -> Result<(CodeRecord, bool), Failure> {
        let (id, expires_at, redeemed) = (self.id()?, self.time()?, self.number()? > 0);
        let (hash, challenge) = (sql::hash(self.bytes()?)?, sql::challenge(self.bytes()?)?);
        let redirect_uri = self.text()?.into();
        Ok((CodeRecord { id, hash, grant, redirect_uri, challenge, expires_at }, redeemed))
    }

    pub(super) fn access(&mut self, grant: &Grant) -> Result<AccessRecord, Failure> {
        let (id, expires_at, issued_at) = (self.id()?, self.time()?, self.time()?);
        let hash = sql::hash(self.bytes()?)?;
        let scopes = self.some_text()?.map_or_else(|| grant.scopes.clone(), ScopeSet::from_canonical);
        let resource = match self.some_text()? {
            Some(own) => sql::resource(own),
            None => grant.resources.first().cloned().ok_or_else(|| sql::corrupt("a grant without resources"))?,
        };
        Ok(AccessRecord { id, hash, grant: grant.id, scopes, resource, issued_at, expires_at })
    }

    /// A refresh token, the token whose place it took, and what became of it.
    pub(super) fn refresh(
        &mut self,
        grant: OrderedId,
    ) -> Result<(RefreshRecord, Option<OrderedId>, Option<Rotation>), Failure> {
        let (id, expires_at, hash) = (self.id()?, self.time()?, sql::hash(self.bytes()?)?);
        let predecessor = self.some_id()?;
        let rotation = self.rotation()?;
        Ok((RefreshRecord { id, hash, grant, expires_at }, predecessor, rotation))
    }

    /// What became of a refresh token, from `successor, grace_until, answer`.
    pub(super) fn rotation(&mut self) -> Result<Option<Rotation>, Failure> {
        let (successor, grace_until, answer) = (self.some_id()?, self.some_number()?, self.some_bytes()?);
        Ok(successor.map(|successor| Rotation {
            successor,
            answer: answer.map(Arc::from),
            grace_until: sql::time(grace_until.unwrap_or_default()),
        }))
    }
}
