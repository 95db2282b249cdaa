//! What is wrong with a client's assertion. The wire says nothing of it but that authentication failed.

use serde::Serialize;

use super::DocumentReason;

/// Why an assertion does not prove who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionReason {
    /// The client authenticates by assertions, and sent none.
    #[error("the client assertion is missing")]
    #[serde(rename = "assertion_missing")]
    Missing,
    /// The client has registered no keys.
    #[error("a client without keys sent an assertion")]
    #[serde(rename = "assertion_unexpected")]
    Unexpected,
    /// The `client_assertion_type` is missing or not that of a JWT.
    #[error("client_assertion_type is not that of a JWT")]
    #[serde(rename = "assertion_other_assertion_type")]
    OtherAssertionType,
    /// It has more than 8 KiB.
    #[error("the client assertion is too large")]
    #[serde(rename = "assertion_too_large")]
    TooLarge,
    /// It is no signed JWT, or a claim is missing or of the wrong type.
    #[error("the client assertion is malformed")]
    #[serde(rename = "assertion_malformed")]
    Malformed,
    /// The algorithm is `none`, one with a shared secret, or another that is not on the list.
    #[error("the client assertion is not signed by an algorithm that is allowed")]
    #[serde(rename = "assertion_algorithm_not_allowed")]
    AlgorithmNotAllowed,
    /// The header has something that must be understood and is not (RFC 7515 §4.1.11).
    #[error("the client assertion has a critical header")]
    #[serde(rename = "assertion_critical")]
    Critical,
    /// It says that it is something else (RFC 8725 §3.11).
    #[error("the JWT is of another type")]
    #[serde(rename = "assertion_other_type")]
    OtherType,
    /// Issuer and subject are not one (RFC 7523 §3).
    #[error("iss and sub of the client assertion differ")]
    #[serde(rename = "assertion_two_names")]
    TwoNames,
    /// It was made for another server, or for more than this one.
    #[error("the client assertion is not for this server alone")]
    #[serde(rename = "assertion_audience")]
    Audience,
    /// It has ended.
    #[error("the client assertion has expired")]
    #[serde(rename = "assertion_expired")]
    Expired,
    /// It would be good for longer than an hour.
    #[error("the client assertion is good for too long")]
    #[serde(rename = "assertion_too_long")]
    TooLong,
    /// It is not good yet, or was made in the future.
    #[error("the client assertion is not good yet")]
    #[serde(rename = "assertion_too_early")]
    TooEarly,
    /// It has no `jti`, or one that is too long.
    #[error("the client assertion has no jti, or too long a one")]
    #[serde(rename = "assertion_no_id")]
    NoId,
    /// The keys of the client lie at a URL of its own (`jwks_uri`), and were not read there.
    #[error("the keys of the client were not read: {0}")]
    #[serde(rename = "assertion_keys_not_read")]
    KeysNotRead(DocumentReason),
    /// None of the client's keys made the signature.
    #[error("the client assertion is not signed by a key of the client")]
    #[serde(rename = "assertion_signature")]
    Signature,
    /// It was used before.
    #[error("the client assertion was used before")]
    #[serde(rename = "assertion_replayed")]
    Replayed,
}
