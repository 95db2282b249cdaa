//! The kinds of events.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{DocumentNews, Reason};
use crate::protocol::client::ClientId;
use crate::protocol::commit::Owner;
use crate::protocol::error::DocumentReason;
use crate::protocol::grant::Subject;
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;

/// What happened. A grant, a token or a client is named by its id, which is no secret; in JSON the ids of grants
/// and tokens are the texts that the log has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A client registered itself.
    ClientRegistered {
        /// The client.
        client: ClientId,
        /// Whether an identical registration was there before and is this one's as well.
        folded: bool,
    },
    /// The metadata document of a client was fetched.
    DocumentFetched {
        /// The client: the document's URL.
        client: ClientId,
        /// What came of it.
        news: DocumentNews,
    },
    /// The metadata document of a client could not be fetched, and what was last read of it was used.
    DocumentKept {
        /// The client: the document's URL.
        client: ClientId,
        /// Why it could not be.
        #[serde(serialize_with = "document_reason")]
        reason: DocumentReason,
    },
    /// The app's own people brought a client.
    ClientCreated {
        /// The client.
        client: ClientId,
    },
    /// A client was changed.
    ClientUpdated {
        /// The client.
        client: ClientId,
    },
    /// A client got a new secret.
    ClientSecretRotated {
        /// The client.
        client: ClientId,
        /// Until when the old one is good as well.
        previous_until: Timestamp,
    },
    /// A client was shut out, and all its access ended.
    ClientBlocked {
        /// The client.
        client: ClientId,
    },
    /// A client was let in again.
    ClientUnblocked {
        /// The client.
        client: ClientId,
    },
    /// A client was removed, and all its access ended.
    ClientRemoved {
        /// The client.
        client: ClientId,
    },
    /// A user gave a client access.
    ConsentGiven {
        /// The user.
        subject: Subject,
        /// The client.
        client: ClientId,
        /// The new grant.
        #[serde(serialize_with = "text")]
        grant: OrderedId,
        /// What was agreed to.
        scopes: ScopeSet,
        /// For what.
        resources: Vec<ResourceUri>,
        /// Whether somebody was asked.
        answered: Answered,
    },
    /// A user denied a client access.
    ConsentDenied {
        /// The user.
        subject: Subject,
        /// The client.
        client: ClientId,
    },
    /// A decision came that was made before; the first one stands.
    DecisionRepeated {
        /// The client.
        client: ClientId,
        /// Whether the first one was to allow.
        approved: bool,
    },
    /// A user took a grant back, and with it what they had agreed to.
    ConsentWithdrawn {
        /// The user.
        subject: Subject,
        /// The grant.
        #[serde(serialize_with = "text")]
        grant: OrderedId,
    },
    /// The app said that this client may not even ask this user. What the client was told follows as a refusal.
    Vetoed {
        /// The user.
        subject: Subject,
        /// The client.
        client: ClientId,
        /// Why, in the app's own words.
        why: String,
    },
    /// A client got tokens.
    TokensIssued {
        /// The user whose access it is; `None` for the client's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Subject>,
        /// The client.
        client: ClientId,
        /// The grant.
        #[serde(serialize_with = "text")]
        grant: OrderedId,
        /// The access token's id.
        #[serde(serialize_with = "text")]
        token: OrderedId,
        /// Whether a refresh token is beside it.
        refreshable: bool,
        /// What the access token allows.
        scopes: ScopeSet,
        /// The resource that it is for.
        resource: ResourceUri,
        /// What it was issued for.
        by: IssuedBy,
    },
    /// A code was redeemed a second time, by its client and with its verifier: the grant is revoked.
    CodeReplayed {
        /// The user whose access it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Subject>,
        /// The client.
        client: ClientId,
        /// The grant.
        #[serde(serialize_with = "text")]
        grant: OrderedId,
    },
    /// A refresh token was used a second time after its window: the grant is revoked.
    RefreshReused {
        /// The user whose access it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Subject>,
        /// The client.
        client: ClientId,
        /// The grant.
        #[serde(serialize_with = "text")]
        grant: OrderedId,
    },
    /// A grant was revoked by its client.
    GrantRevoked {
        /// The client.
        client: ClientId,
        /// The grant.
        #[serde(serialize_with = "text")]
        grant: OrderedId,
    },
    /// An access token was revoked by its client.
    TokenRevoked {
        /// The client.
        client: ClientId,
        /// The grant that it was of, which lives on.
        #[serde(serialize_with = "text")]
        grant: OrderedId,
        /// The token.
        #[serde(serialize_with = "text")]
        token: OrderedId,
    },
    /// All grants of a user or of a client were revoked.
    AllRevoked {
        /// Whose.
        #[serde(flatten, serialize_with = "whose")]
        owner: Owner,
        /// How many there were.
        grants: u32,
    },
    /// A client asked about a token.
    Introspected {
        /// The client that asked.
        client: ClientId,
        /// The id that was shown, right or wrong, if it has the form of one of ours.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text_if_any")]
        token: Option<OrderedId>,
        /// What it was told.
        active: bool,
    },
    /// Somebody was refused.
    Refused {
        /// The client that the request names. It is proven only if the reason is none of authentication.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<ClientId>,
        /// The resource, at a guard.
        #[serde(skip_serializing_if = "Option::is_none")]
        resource: Option<ResourceUri>,
        /// The id of the token that was shown to a guard, right or wrong.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text_if_any")]
        token: Option<OrderedId>,
        /// Why.
        #[serde(flatten)]
        reason: Reason,
    },
}

/// How a client got its access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answered {
    /// The user pressed the button.
    Asked,
    /// The user had agreed to it before.
    Remembered,
    /// The app's own people said that this client needs no consent.
    Skipped,
}

impl Answered {
    /// Its name in JSON and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Remembered => "remembered",
            Self::Skipped => "skipped",
        }
    }
}

/// What tokens were issued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IssuedBy {
    /// A code.
    Code,
    /// A refresh token.
    Refresh,
    /// A refresh token whose answer was lost: the same tokens as before.
    Repeated,
    /// The client's own credentials.
    ClientCredentials,
}

impl IssuedBy {
    /// Its name in JSON and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::Repeated => "repeated",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

impl EventKind {
    /// Its stable name, as in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ClientRegistered { .. } => "client_registered",
            Self::DocumentFetched { .. } => "document_fetched",
            Self::DocumentKept { .. } => "document_kept",
            Self::ClientCreated { .. } => "client_created",
            Self::ClientUpdated { .. } => "client_updated",
            Self::ClientSecretRotated { .. } => "client_secret_rotated",
            Self::ClientBlocked { .. } => "client_blocked",
            Self::ClientUnblocked { .. } => "client_unblocked",
            Self::ClientRemoved { .. } => "client_removed",
            Self::ConsentGiven { .. } => "consent_given",
            Self::ConsentDenied { .. } => "consent_denied",
            Self::DecisionRepeated { .. } => "decision_repeated",
            Self::ConsentWithdrawn { .. } => "consent_withdrawn",
            Self::Vetoed { .. } => "vetoed",
            Self::TokensIssued { .. } => "tokens_issued",
            Self::CodeReplayed { .. } => "code_replayed",
            Self::RefreshReused { .. } => "refresh_reused",
            Self::GrantRevoked { .. } => "grant_revoked",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::AllRevoked { .. } => "all_revoked",
            Self::Introspected { .. } => "introspected",
            Self::Refused { .. } => "refused",
        }
    }

    /// What tells events of one name apart in metrics: the reason of a refusal, how consent was given, what tokens
    /// were issued for. One of a few dozen words, or none.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::ClientRegistered { folded: true, .. } => "folded",
            Self::ClientRegistered { folded: false, .. } => "new",
            Self::DocumentFetched { news, .. } => news.name(),
            Self::DocumentKept { reason, .. } => Reason::document_name(reason),
            Self::ConsentGiven { answered, .. } => answered.name(),
            Self::TokensIssued { by, .. } => by.name(),
            Self::Introspected { active: true, .. } => "active",
            Self::Introspected { active: false, .. } => "inactive",
            Self::AllRevoked { owner: Owner::User(_), .. } => "of_user",
            Self::AllRevoked { owner: Owner::Client(_), .. } => "of_client",
            Self::DecisionRepeated { approved: true, .. } => "approved",
            Self::DecisionRepeated { approved: false, .. } => "denied",
            Self::Refused { reason, .. } => reason.name(),
            Self::ClientCreated { .. }
            | Self::ClientUpdated { .. }
            | Self::ClientSecretRotated { .. }
            | Self::ClientBlocked { .. }
            | Self::ClientUnblocked { .. }
            | Self::ClientRemoved { .. }
            | Self::ConsentDenied { .. }
            | Self::ConsentWithdrawn { .. }
            | Self::Vetoed { .. }
            | Self::CodeReplayed { .. }
            | Self::RefreshReused { .. }
            | Self::GrantRevoked { .. }
            | Self::TokenRevoked { .. } => "",
        }
    }

    /// The client that it is about, if it is about one.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientId> {
        match self {
            Self::ClientRegistered { client, .. }
            | Self::DocumentFetched { client, .. }
            | Self::DocumentKept { client, .. }
            | Self::ClientCreated { client }
            | Self::ClientUpdated { client }
            | Self::ClientSecretRotated { client, .. }
            | Self::ClientBlocked { client }
            | Self::ClientUnblocked { client }
            | Self::ClientRemoved { client }
            | Self::ConsentGiven { client, .. }
            | Self::ConsentDenied { client, .. }
            | Self::DecisionRepeated { client, .. }
            | Self::Vetoed { client, .. }
            | Self::TokensIssued { client, .. }
            | Self::CodeReplayed { client, .. }
            | Self::RefreshReused { client, .. }
            | Self::GrantRevoked { client, .. }
            | Self::TokenRevoked { client, .. }
            | Self::AllRevoked { owner: Owner::Client(client), .. }
            | Self::Introspected { client, .. } => Some(client),
            Self::Refused { client, .. } => client.as_ref(),
            Self::ConsentWithdrawn { .. } | Self::AllRevoked { owner: Owner::User(_), .. } => None,
        }
    }

    /// The grant that it is about, if it is about one.
    #[must_use]
    pub const fn grant(&self) -> Option<OrderedId> {
        match self {
            Self::ConsentGiven { grant, .. }
            | Self::ConsentWithdrawn { grant, .. }
            | Self::TokensIssued { grant, .. }
            | Self::CodeReplayed { grant, .. }
            | Self::RefreshReused { grant, .. }
            | Self::GrantRevoked { grant, .. }
            | Self::TokenRevoked { grant, .. } => Some(*grant),
            Self::ClientRegistered { .. }
            | Self::DocumentFetched { .. }
            | Self::DocumentKept { .. }
            | Self::ClientCreated { .. }
            | Self::ClientUpdated { .. }
            | Self::ClientSecretRotated { .. }
            | Self::ClientBlocked { .. }
            | Self::ClientUnblocked { .. }
            | Self::ClientRemoved { .. }
            | Self::ConsentDenied { .. }
            | Self::DecisionRepeated { .. }
            | Self::Vetoed { .. }
            | Self::AllRevoked { .. }
            | Self::Introspected { .. }
            | Self::Refused { .. } => None,
        }
    }

    /// Why, if it is a refusal.
    #[must_use]
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            Self::ClientRegistered { .. }
            | Self::DocumentFetched { .. }
            | Self::DocumentKept { .. }
            | Self::ClientCreated { .. }
            | Self::ClientUpdated { .. }
            | Self::ClientSecretRotated { .. }
            | Self::ClientBlocked { .. }
            | Self::ClientUnblocked { .. }
            | Self::ClientRemoved { .. }
            | Self::ConsentGiven { .. }
            | Self::ConsentDenied { .. }
            | Self::DecisionRepeated { .. }
            | Self::ConsentWithdrawn { .. }
            | Self::Vetoed { .. }
            | Self::TokensIssued { .. }
            | Self::CodeReplayed { .. }
            | Self::RefreshReused { .. }
            | Self::GrantRevoked { .. }
            | Self::TokenRevoked { .. }
            | Self::AllRevoked { .. }
            | Self::Introspected { .. } => None,
        }
    }
}

/// What it is called in the log.
impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientRegistered { .. } => "a client registered itself",
            Self::DocumentFetched { .. } => "a metadata document was fetched",
            Self::DocumentKept { .. } => "a metadata document was not fetched: its last copy is used",
            Self::ClientCreated { .. } => "a client was created",
            Self::ClientUpdated { .. } => "a client was changed",
            Self::ClientSecretRotated { .. } => "a client got a new secret",
            Self::ClientBlocked { .. } => "a client was blocked",
            Self::ClientUnblocked { .. } => "a client was unblocked",
            Self::ClientRemoved { .. } => "a client was removed",
            Self::ConsentGiven { .. } => "consent was given",
            Self::ConsentDenied { .. } => "consent was denied",
            Self::DecisionRepeated { .. } => "the prompt was decided before",
            Self::ConsentWithdrawn { .. } => "consent was withdrawn",
            Self::Vetoed { .. } => "the app did not let the client ask",
            Self::TokensIssued { .. } => "tokens were issued",
            Self::CodeReplayed { .. } => "a code was replayed: its grant is revoked",
            Self::RefreshReused { .. } => "a refresh token was reused: its grant is revoked",
            Self::GrantRevoked { .. } => "a grant was revoked by its client",
            Self::TokenRevoked { .. } => "a token was revoked by its client",
            Self::AllRevoked { .. } => "all grants were revoked",
            Self::Introspected { .. } => "a token was introspected",
            Self::Refused { .. } => "refused",
        })
    }
}

fn document_reason<S: Serializer>(reason: &DocumentReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(Reason::document_name(reason))
}

fn text<S: Serializer>(id: &OrderedId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn text_if_any<S: Serializer>(id: &Option<OrderedId>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}

/// `subject` or `client`.
fn whose<S: Serializer>(owner: &Owner, serializer: S) -> Result<S::Ok, S::Error> {
    let (name, value) = match owner {
        Owner::User(subject) => ("subject", subject.as_str()),
        Owner::Client(client) => ("client", client.as_str()),
    };
    serializer.collect_map([(name, value)])
}
