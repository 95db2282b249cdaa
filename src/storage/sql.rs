//! How records are written in SQL tables, the same in every database.

use ring::digest::{Context, SHA256};

use super::{StorageError, StorageErrorKind};
use crate::protocol::client::Client;
use crate::protocol::interaction::Consent;
use crate::protocol::pkce::CodeChallenge;
use crate::protocol::policy_records::PolicyRecords;
use crate::protocol::resource::ResourceId;
use crate::protocol::secret::{OrderedId, SecretHash};
use crate::protocol::time::Timestamp;

/// Signed 64 bits are the most that databases have; no clock comes near their end.
pub(super) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

pub(super) const fn bits(id: OrderedId) -> i64 {
    id.to_bits().cast_signed()
}

pub(super) fn id(bits: i64) -> Result<OrderedId, StorageError> {
    OrderedId::from_bits(bits.cast_unsigned()).ok_or_else(|| corrupt("an id has a 64th bit"))
}

pub(super) fn hash(bytes: &[u8]) -> Result<SecretHash, StorageError> {
    bytes.try_into().map(SecretHash::from_bytes).map_err(|_| corrupt("a hash has not 32 bytes"))
}

pub(super) fn challenge(bytes: &[u8]) -> Result<CodeChallenge, StorageError> {
    bytes.try_into().map(CodeChallenge::from_bytes).map_err(|_| corrupt("a challenge has not 32 bytes"))
}

/// Ids, which have no space, separated by one.
pub(super) fn resources_text(resources: &[ResourceId]) -> String {
    let texts: Vec<_> = resources.iter().map(ResourceId::as_str).collect();
    texts.join(" ")
}

pub(super) fn resources<T: FromIterator<ResourceId>>(text: &str) -> T {
    text.split(' ').filter(|uri| !uri.is_empty()).map(ResourceId::from_canonical).collect()
}

/// One id.
pub(super) fn resource(text: &str) -> ResourceId {
    ResourceId::from_canonical(text)
}

/// A client as JSON. Its revision is a column of its own.
pub(super) fn client_text(client: &Client) -> Result<String, StorageError> {
    serde_json::to_string(client).map_err(|error| StorageError::new(StorageErrorKind::Other, error))
}

pub(super) fn client(text: &str, revision: i64) -> Result<Client, StorageError> {
    let client: Client = serde_json::from_str(text).map_err(|error| corrupt(error.to_string()))?;
    let revision = u32::try_from(revision).map_err(|_| corrupt("a revision has more than 32 bits"))?;
    Ok(Client { revision, ..client })
}

/// What is kept of scopes and resources as JSON. Its revision is a column of its own.
pub(super) fn policy_text(records: &PolicyRecords) -> Result<String, StorageError> {
    serde_json::to_string(records).map_err(|error| StorageError::new(StorageErrorKind::Other, error))
}

pub(super) fn policy(text: &str, revision: u32) -> Result<PolicyRecords, StorageError> {
    let unreadable = |error: serde_json::Error| corrupt(error.to_string());
    // What was written when there were only scopes is a list of those.
    if text.starts_with('[') {
        let scopes = serde_json::from_str(text).map_err(unreadable)?;
        return Ok(PolicyRecords { revision, scopes, resources: Vec::new() });
    }
    let records: PolicyRecords = serde_json::from_str(text).map_err(unreadable)?;
    Ok(PolicyRecords { revision, ..records })
}

/// What a consent is about, in 32 bytes: the texts may be longer than a key of an index can be.
pub(super) fn consent_key(consent: &Consent) -> [u8; 32] {
    let resources = resources_text(&consent.resources);
    let texts = [consent.subject.as_str(), consent.client.as_str(), consent.redirect_uri.as_str(), &resources];
    digest(&texts)
}

/// A hash that no other list of texts has.
pub(super) fn digest(texts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

pub(super) fn corrupt(what: impl Into<String>) -> StorageError {
    StorageError::new(StorageErrorKind::Corrupt, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::resource::ResourceId;
    use crate::storage::testkit::records;

    #[test]
    fn what_was_stored_of_scopes_alone_is_read() {
        let saved = records::save_policy(6, &["a", "b"]).records;
        let text = policy_text(&saved).unwrap();
        assert_eq!(policy(&text, 7).unwrap(), PolicyRecords { revision: 7, ..(*saved).clone() });
        let list = serde_json::to_string(&saved.scopes).unwrap();
        let scopes_alone = PolicyRecords { revision: 7, resources: Vec::new(), ..(*saved).clone() };
        for before in [list.clone(), format!(r#"{{"revision":6,"records":{list}}}"#)] {
            assert_eq!(policy(&before, 7).unwrap(), scopes_alone, "{before}");
        }
        assert!(policy("[]]", 7).is_err() && policy("{}", 7).is_err());
    }

    #[test]
    fn the_ids_of_resources_go_through_text() {
        let ids = ["https://h/a", "https://h/a#2", "https://h/b?c=d#10"].map(|id| ResourceId::parse(id).unwrap());
        assert_eq!(resources::<Vec<_>>(&resources_text(&ids)), ids);
        assert_eq!(resource(ids[1].as_str()), ids[1]);
    }
}
