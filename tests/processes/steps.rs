//! Operations as a journal has them: small, and with everything in them that the real ones are made of.

use std::sync::Arc;
use std::time::Duration;

use grantor::Timestamp;
use grantor::protocol::client::Client;
use grantor::protocol::grant::{AccessRecord, Grant, Holder, RefreshRecord, Subject};
use grantor::protocol::prompt::PromptId;
use grantor::protocol::secret::{OrderedId, SecretHash};
use grantor::storage::testkit::records;
use grantor::storage::{
    AnyStorage, Approval, Decide, Decided, IssueAccess, Issued, RedeemCode, Redeemed, RevokeAccess, Revoked,
    RotateRefresh, Rotated, Storage as _, StorageError,
};
use serde::{Deserialize, Serialize};

/// How long a code and a repeated answer last.
pub(crate) const SHORT: Duration = Duration::from_secs(60);
/// How long an access token lasts.
pub(crate) const ACCESS: Duration = Duration::from_secs(600);
/// How long a refresh token lasts.
pub(crate) const REFRESH: Duration = Duration::from_secs(1800);
/// How long a decision is remembered.
pub(crate) const MARK: Duration = Duration::from_secs(1200);

/// One operation of one grant.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Op {
    pub(crate) now: Timestamp,
    pub(crate) grant: OrderedId,
    pub(crate) step: Step,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Step {
    Decide { prompt: OrderedId, code: OrderedId },
    Redeem { code: OrderedId, access: OrderedId, refresh: OrderedId },
    Rotate { presented: OrderedId, access: OrderedId, successor: OrderedId },
    Issue { access: OrderedId },
    RevokeAccess { token: OrderedId },
    RevokeGrant,
}

/// What a store said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Heard {
    /// It is done, and nobody had done it before.
    First,
    /// A refresh token that was used before, with its successor.
    Repeated { successor: OrderedId },
    /// It was done before: a prompt decided, a code replayed, a token reused, a grant revoked.
    Again,
    /// What it is about is unknown or over; nothing changed.
    Gone,
    /// An id is taken; nothing changed.
    Collision,
}

/// Random numbers that a seed repeats, and ids that nobody else has: a history would take another grant's token
/// for its own.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: u64,
    lane: u32,
    made: u32,
}

impl Dice {
    /// How many ids a lane has in a millisecond, in bits; the other bits below the time are those of the lane.
    const LANE_BITS: u32 = 14;

    /// Two that are used at the same time have lanes of their own, below 128.
    pub(crate) const fn new(seed: u64, lane: u32) -> Self {
        Self { state: seed, lane, made: 0 }
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..end`.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) const fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) const fn id(&mut self, now: Timestamp) -> OrderedId {
        self.made = (self.made + 1) % (1 << Self::LANE_BITS);
        OrderedId::new(now, (self.lane << Self::LANE_BITS) | self.made)
    }
}

/// The client of all grants.
pub(crate) fn client() -> Client {
    records::client("client")
}

/// The grant of that id: what it says follows from its id.
fn grant_of(id: OrderedId) -> Grant {
    let now = Timestamp::from_millis(id.to_bits() >> 21);
    let subject = Subject::new(&format!("user {}", id.to_bits() % 64));
    let approval = records::approval(&subject, &client().id, now);
    Grant { id, holder: Holder::User(subject), ..(*approval.grant).clone() }
}

/// The hash of the secret of a token: it follows from the token's id.
pub(crate) fn hash_of(id: OrderedId) -> SecretHash {
    SecretHash::of_text(&format!("the secret of {id}"))
}

/// The sealed answer of the use of a refresh token with that successor.
pub(crate) fn answer_of(successor: OrderedId) -> Arc<[u8]> {
    let answer: Vec<u8> = SecretHash::of_text(&format!("the answer with {successor}")).as_bytes().repeat(8);
    answer.into()
}

fn prompt_of(id: OrderedId) -> PromptId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&id.to_bits().to_be_bytes());
    PromptId::new(Timestamp::from_millis(id.to_bits() >> 21), random)
}

fn access(id: OrderedId, grant: &Grant, now: Timestamp) -> AccessRecord {
    AccessRecord { id, hash: hash_of(id), expires_at: now.after(ACCESS), ..records::access(grant, now) }
}

fn refresh(id: OrderedId, grant: &Grant, now: Timestamp) -> RefreshRecord {
    RefreshRecord { id, hash: hash_of(id), grant: grant.id, expires_at: now.after(REFRESH) }
}

/// Does it, and says what the store said.
///
/// # Errors
/// If the store could not answer.
///
/// # Panics
/// If a repetition hears another answer than the first use gave.
pub(crate) async fn perform(store: &AnyStorage, op: &Op) -> Result<Heard, StorageError> {
    let Op { now, step, .. } = *op;
    let grant = grant_of(op.grant);
    Ok(match step {
        Step::Decide { prompt, code } => decided(store.decide(decide(grant, prompt, code, now)).await?),
        Step::Redeem { code, access: id, refresh: successor } => {
            let refresh = refresh(successor, &grant, now);
            let grant_expires_at = refresh.expires_at;
            let access = access(id, &grant, now);
            redeemed(
                store.redeem_code(RedeemCode { code, access, refresh: Some(refresh), grant_expires_at, now }).await?,
            )
        }
        Step::Rotate { presented, access: id, successor } => {
            let op = rotate(&grant, presented, id, successor, now);
            rotated(store.rotate_refresh(op).await?)
        }
        Step::Issue { access: id } => {
            match store.issue_access(IssueAccess { access: access(id, &grant, now), now }).await? {
                Issued::Now => Heard::First,
                Issued::Gone => Heard::Gone,
                Issued::Collision => Heard::Collision,
            }
        }
        Step::RevokeAccess { token } => revoked(store.revoke_access(RevokeAccess { token, now }).await?),
        Step::RevokeGrant => revoked(store.revoke_grant(records::revoke(&grant, now)).await?),
    })
}

fn decide(grant: Grant, prompt: OrderedId, code: OrderedId, now: Timestamp) -> Decide {
    let template = records::approval(grant.holder.subject().unwrap(), &grant.client, now);
    let mut record = template.code;
    (record.id, record.hash, record.grant, record.expires_at) = (code, hash_of(code), grant.id, now.after(SHORT));
    let approval = Approval {
        grant: Arc::new(grant),
        code: record,
        consent: template.consent,
        needs_consent: false,
        client_until: template.client_until,
    };
    Decide { keep_until: now.after(MARK), ..records::approve(prompt_of(prompt), &client(), &approval, now) }
}

fn rotate(grant: &Grant, presented: OrderedId, id: OrderedId, successor: OrderedId, now: Timestamp) -> RotateRefresh {
    let successor = refresh(successor, grant, now);
    RotateRefresh {
        refresh: presented,
        access: access(id, grant, now),
        answer: answer_of(successor.id),
        grace_until: now.after(SHORT),
        grant_expires_at: successor.expires_at,
        successor,
        now,
    }
}

const fn decided(outcome: Decided) -> Heard {
    match outcome {
        Decided::First => Heard::First,
        Decided::AlreadyDecided { .. } => Heard::Again,
        Decided::ClientChanged | Decided::ConsentGone => Heard::Gone,
        Decided::Collision => Heard::Collision,
    }
}

const fn redeemed(outcome: Redeemed) -> Heard {
    match outcome {
        Redeemed::First => Heard::First,
        Redeemed::Replayed => Heard::Again,
        Redeemed::Gone => Heard::Gone,
        Redeemed::Collision => Heard::Collision,
    }
}

fn rotated(outcome: Rotated) -> Heard {
    match outcome {
        Rotated::First => Heard::First,
        Rotated::Repeated(rotation) => {
            let answer = rotation.answer.as_deref();
            assert_eq!(answer, Some(&*answer_of(rotation.successor)), "a repetition hears the answer of the first use");
            Heard::Repeated { successor: rotation.successor }
        }
        Rotated::Reused => Heard::Again,
        Rotated::Gone => Heard::Gone,
        Rotated::Collision => Heard::Collision,
    }
}

const fn revoked(outcome: Revoked) -> Heard {
    match outcome {
        Revoked::Now => Heard::First,
        Revoked::Already => Heard::Again,
        Revoked::Unknown => Heard::Gone,
    }
}
