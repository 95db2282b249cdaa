//! The rules, as functions over rows that were read at one moment. Each answers whether the rule is kept,
//! and `true` for rows that it is not about.
//!
//! They may serve as the oracle of a test with a model: [`broken`] judges all rows of a store at rest.

use std::fmt;

use super::report::Violation;
use crate::protocol::grant::{RefreshRecord, Rotation};
use crate::protocol::secret::OrderedId;
use crate::protocol::time::Timestamp;
use crate::storage::{Row, Scanned};

/// What every store keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A walk shows each row of a table once, in the order of ids.
    Order,
    /// [`hangs_on_its_grant`]
    OwnGrant,
    /// [`ends_with_its_grant`]
    End,
    /// [`allows_no_more_than_its_grant`]
    Scopes,
    /// [`is_for_a_granted_resource`]
    Resource,
    /// [`is_the_only_code`]
    OneCode,
    /// [`was_paid_for`]
    RedeemedCode,
    /// [`is_the_only_family`]
    OneFamily,
    /// [`is_the_only_one_to_use`]
    OneToUse,
    /// [`took_its_predecessors_place`]
    Predecessor,
    /// [`is_the_successor_it_remembers`]
    Successor,
    /// [`forgot_its_answer`]
    Answer,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "is shown twice or out of order",
            Self::OwnGrant => "names another grant than the one it is shown with",
            Self::End => "outlives its grant",
            Self::Scopes => "allows more than its grant",
            Self::Resource => "is for no resource of its grant",
            Self::OneCode => "is a second code of its grant",
            Self::RedeemedCode => "exists although the code of its grant was not redeemed",
            Self::OneFamily => "begins a second family of its grant",
            Self::OneToUse => "is a second one of its grant that can be used",
            Self::Predecessor => "is not what took the place of its predecessor",
            Self::Successor => "has a successor that names another predecessor",
            Self::Answer => "keeps its answer although its successor was used",
        })
    }
}

/// A rule about one row.
type OfRow = (Rule, fn(&Scanned) -> bool);
/// A rule about two rows, the first of which breaks it.
type OfTwo = (Rule, fn(&Scanned, &Scanned) -> bool);

const OF_ROW: [OfRow; 4] = [
    (Rule::OwnGrant, hangs_on_its_grant),
    (Rule::End, ends_with_its_grant),
    (Rule::Scopes, allows_no_more_than_its_grant),
    (Rule::Resource, is_for_a_granted_resource),
];

const OF_TWO: [OfTwo; 7] = [
    (Rule::OneCode, is_the_only_code),
    (Rule::RedeemedCode, was_paid_for),
    (Rule::OneFamily, is_the_only_family),
    (Rule::OneToUse, is_the_only_one_to_use),
    (Rule::Predecessor, took_its_predecessors_place),
    (Rule::Successor, is_the_successor_it_remembers),
    (Rule::Answer, forgot_its_answer),
];

/// A code or token names the grant that it is shown with.
#[must_use]
pub fn hangs_on_its_grant(row: &Scanned) -> bool {
    let named = match &row.row {
        Row::Grant => row.grant.id,
        Row::Code { code, .. } => code.grant,
        Row::Access(token) => token.grant,
        Row::Refresh { token, .. } => token.grant,
    };
    named == row.grant.id
}

/// No code and no token outlives its grant: what can still be used can be listed and revoked.
#[must_use]
pub fn ends_with_its_grant(row: &Scanned) -> bool {
    end(row) <= row.grant_expires_at
}

/// An access token allows what its grant allows, or less (RFC 6749 §6).
#[must_use]
pub fn allows_no_more_than_its_grant(row: &Scanned) -> bool {
    match &row.row {
        Row::Access(token) => row.grant.scopes.contains_all(&token.scopes),
        Row::Grant | Row::Code { .. } | Row::Refresh { .. } => true,
    }
}

/// An access token is for one of the resources of its grant, which has at least one (RFC 8707 §2.2).
#[must_use]
pub fn is_for_a_granted_resource(row: &Scanned) -> bool {
    match &row.row {
        Row::Access(token) => row.grant.resources.contains(&token.resource),
        Row::Grant | Row::Code { .. } | Row::Refresh { .. } => !row.grant.resources.is_empty(),
    }
}

/// A grant comes with one code.
#[must_use]
pub fn is_the_only_code(code: &Scanned, other: &Scanned) -> bool {
    let both = matches!((&code.row, &other.row), (Row::Code { .. }, Row::Code { .. }));
    !both || are_one(code, other) || are_apart(code, other)
}

/// A grant whose code is still there has tokens only if that was redeemed.
#[must_use]
pub fn was_paid_for(token: &Scanned, code: &Scanned) -> bool {
    let is_token = matches!(token.row, Row::Access(_) | Row::Refresh { .. });
    let is_unspent = matches!(code.row, Row::Code { redeemed: false, .. });
    !is_token || !is_unspent || are_apart(token, code)
}

/// A grant has one family of refresh tokens: one of them at most took no other's place (RFC 9700 §4.14.2).
#[must_use]
pub fn is_the_only_family(token: &Scanned, other: &Scanned) -> bool {
    let (Some(one), Some(two)) = (refresh(token), refresh(other)) else { return true };
    one.predecessor.is_some() || two.predecessor.is_some() || are_one(token, other) || are_apart(token, other)
}

/// A grant has at most one refresh token that was not used.
#[must_use]
pub fn is_the_only_one_to_use(token: &Scanned, other: &Scanned) -> bool {
    let (Some(one), Some(two)) = (refresh(token), refresh(other)) else { return true };
    one.rotation.is_some() || two.rotation.is_some() || are_one(token, other) || are_apart(token, other)
}

/// A refresh token that names a predecessor is the very one that this remembers, in the same grant.
#[must_use]
pub fn took_its_predecessors_place(token: &Scanned, predecessor: &Scanned) -> bool {
    let (Some(one), Some(two)) = (refresh(token), refresh(predecessor)) else { return true };
    let is_remembered = two.rotation.is_some_and(|rotation| rotation.successor == one.token.id);
    let is_named = one.predecessor == Some(two.token.id);
    !is_named || is_remembered && !are_one(token, predecessor) && !are_apart(token, predecessor)
}

/// The successor that a refresh token remembers names it as its predecessor, in the same grant.
#[must_use]
pub fn is_the_successor_it_remembers(token: &Scanned, successor: &Scanned) -> bool {
    let (Some(one), Some(two)) = (refresh(token), refresh(successor)) else { return true };
    let is_remembered = one.rotation.is_some_and(|rotation| rotation.successor == two.token.id);
    let is_named = two.predecessor == Some(one.token.id);
    !is_remembered || is_named && !are_one(token, successor) && !are_apart(token, successor)
}

/// A refresh token keeps its sealed answer only until its successor is used.
#[must_use]
pub fn forgot_its_answer(token: &Scanned, successor: &Scanned) -> bool {
    let (Some(one), Some(two)) = (refresh(token), refresh(successor)) else { return true };
    let keeps = one.rotation.is_some_and(|rotation| rotation.successor == two.token.id && rotation.answer.is_some());
    !keeps || two.rotation.is_none()
}

/// What is wrong with one row by itself.
pub fn broken_by(row: &Scanned) -> impl Iterator<Item = Rule> {
    OF_ROW.into_iter().filter(|(_, keeps)| !keeps(row)).map(|(rule, _)| rule)
}

/// What is wrong with rows that were read at one moment, of one table or of several. It looks at each row
/// beside each other one: it is for tests.
#[must_use]
pub fn broken(rows: &[Scanned]) -> Vec<Violation> {
    let mut found: Vec<_> =
        rows.iter().flat_map(|row| broken_by(row).map(|rule| Violation::new(rule, row, None))).collect();
    for (at, row) in rows.iter().enumerate() {
        for other in &rows[at..] {
            for (rule, keeps) in OF_TWO {
                if !keeps(row, other) {
                    found.push(Violation::new(rule, row, Some(other)));
                } else if !keeps(other, row) {
                    found.push(Violation::new(rule, other, Some(row)));
                }
            }
        }
    }
    found
}

struct Refresh<'a> {
    token: &'a RefreshRecord,
    rotation: Option<&'a Rotation>,
    predecessor: Option<OrderedId>,
}

fn refresh(row: &Scanned) -> Option<Refresh<'_>> {
    match &row.row {
        Row::Refresh { token, rotation, predecessor } => {
            Some(Refresh { token, rotation: rotation.as_ref(), predecessor: *predecessor })
        }
        Row::Grant | Row::Code { .. } | Row::Access(_) => None,
    }
}

fn end(row: &Scanned) -> Timestamp {
    match &row.row {
        Row::Grant => row.grant_expires_at,
        Row::Code { code, .. } => code.expires_at,
        Row::Access(token) => token.expires_at,
        Row::Refresh { token, .. } => token.expires_at,
    }
}

fn are_one(row: &Scanned, other: &Scanned) -> bool {
    row.id() == other.id()
}

fn are_apart(row: &Scanned, other: &Scanned) -> bool {
    row.grant.id != other.grant.id
}
