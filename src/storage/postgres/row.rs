//! How rows are read.

use std::sync::Arc;

use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row as _, Type};

use super::failure::failed;
use crate::protocol::client::ClientId;
use crate::protocol::grant::{AccessRecord, CodeRecord, Grant, Holder, RefreshRecord, Rotation, Subject};
use crate::protocol::interaction::Consent;
use crate::protocol::redirect::RedirectUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::StorageError;
use crate::storage::sql::{challenge, corrupt, hash, id, resource, resources, time};

/// The columns of a row, one after the other.
pub(super) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

/// A grant and what is beside it in its row.
pub(super) struct Held {
    pub(super) grant: Arc<Grant>,
    pub(super) expires_at: Timestamp,
    pub(super) revoked: bool,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn next<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, StorageError> {
        let at = self.next;
        self.next += 1;
        self.row.try_get(at).map_err(failed)
    }

    fn id(&mut self) -> Result<OrderedId, StorageError> {
        id(self.next()?)
    }

    fn time(&mut self) -> Result<Timestamp, StorageError> {
        Ok(time(self.next()?))
    }

    /// A text that is kept as its bytes.
    fn text(&mut self) -> Result<&'r str, StorageError> {
        utf8(self.next()?)
    }

    pub(super) fn grant(&mut self) -> Result<Held, StorageError> {
        let (id, revoked, expires_at, created_at) = (self.id()?, self.next()?, self.time()?, self.time()?);
        let holder = match self.next()? {
            Some(subject) => Holder::User(Subject::new(utf8(subject)?)),
            None => Holder::Client,
        };
        let client = ClientId::parse(self.next()?).map_err(|error| corrupt(error.to_string()))?;
        let scopes = ScopeSet::from_canonical(self.next()?);
        let resources = resources(self.next()?);
        let grant = Arc::new(Grant { id, holder, client, scopes, resources, created_at });
        Ok(Held { grant, expires_at, revoked })
    }

    /// A code, and whether it was redeemed.
    pub(super) fn code(&mut self, grant: OrderedId) -> Result<(CodeRecord, bool), StorageError> {
        let (id, expires_at, uses) = (self.id()?, self.time()?, self.next::<i32>()?);
        let (hash, challenge) = (hash(self.next()?)?, challenge(self.next()?)?);
        let redirect_uri = Arc::from(self.text()?);
        Ok((CodeRecord { id, hash, grant, redirect_uri, challenge, expires_at }, uses > 0))
    }

    /// An access token; what it has not of its own it has of its grant.
    pub(super) fn access(&mut self, grant: &Grant) -> Result<AccessRecord, StorageError> {
        let (id, expires_at, issued_at, hash) = (self.id()?, self.time()?, self.time()?, hash(self.next()?)?);
        let scopes = self.next::<Option<&str>>()?.map_or_else(|| grant.scopes.clone(), ScopeSet::from_canonical);
        let resource = match self.next::<Option<&str>>()? {
            Some(own) => resource(own),
            None => grant.resources.first().ok_or_else(|| corrupt("a grant has no resource"))?.clone(),
        };
        Ok(AccessRecord { id, hash, grant: grant.id, scopes, resource, issued_at, expires_at })
    }

    /// A refresh token, what became of it, and what it took the place of.
    pub(super) fn refresh(
        &mut self,
        grant: OrderedId,
    ) -> Result<(RefreshRecord, Option<Rotation>, Option<OrderedId>), StorageError> {
        let token = RefreshRecord { id: self.id()?, expires_at: self.time()?, hash: hash(self.next()?)?, grant };
        let successor = self.next::<Option<i64>>()?.map(id).transpose()?;
        let grace_until = self.next::<Option<i64>>()?.map(time);
        let answer = self.next::<Option<&[u8]>>()?.map(Arc::from);
        let predecessor = self.next::<Option<i64>>()?.map(id).transpose()?;
        let rotation =
            successor.zip(grace_until).map(|(successor, grace_until)| Rotation { successor, answer, grace_until });
        Ok((token, rotation, predecessor))
    }

    pub(super) fn consent(&mut self, subject: &Subject, client: &ClientId) -> Result<Consent, StorageError> {
        Ok(Consent {
            subject: subject.clone(),
            client: client.clone(),
            redirect_uri: RedirectUri::parse(self.text()?).map_err(|error| corrupt(error.to_string()))?,
            resources: resources(self.next()?),
            scopes: ScopeSet::from_canonical(self.next()?),
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, StorageError> {
    str::from_utf8(bytes).map_err(|error| corrupt(error.to_string()))
}
