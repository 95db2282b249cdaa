//! What goes in comes out, byte for byte.

use std::sync::Arc;

use super::records::{self, NOW};
use super::scene::Scene;
use crate::protocol::grant::Subject;
use crate::protocol::resource::ResourceUri;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::{OrderedId, SecretHash};
use crate::protocol::time::Timestamp;
use crate::storage::{Owner, Redeemed, RevokeGrant, Revoked, Storage};

const HOSTILE: [&str; 14] = [
    "",
    " ",
    "'",
    "\"",
    "`; DROP TABLE grants; --",
    "' OR '1'='1",
    "$1 ?1 :id @id %s {} \\x27",
    "\u{1}\u{8}\t\r\n\u{1b}[31m\u{7f}",
    "%_*[a-z]",
    "\u{feff}\u{200b}\u{202e}",
    "🦀 \u{1f3f4}\u{e0067}\u{10ffff}",
    "null",
    "0x00",
    "9223372036854775808",
];

/// Names of different users that a careless comparison takes for one.
const LOOK_ALIKES: [&str; 15] = [
    "user",
    "User",
    "USER",
    "user ",
    " user",
    "user\t",
    "user\n",
    "us\u{e9}r",
    "use\u{301}r",
    "\u{ff55}ser",
    "us\u{435}r",
    "user\u{200b}",
    "1",
    "01",
    "1.0",
];

/// Quotes, control characters, SQL, long and foreign texts change nothing and are not changed.
///
/// # Panics
/// If the invariant is broken.
pub async fn hostile_texts_are_kept_byte_for_byte<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let long = ["x".repeat(2048), "é".repeat(1024), "'".repeat(2048)];
    let scopes = ["", "'", "--", "a:b 'c' %s ;DROP", "$1 ?"];
    for (number, text) in HOSTILE.into_iter().chain(long.iter().map(String::as_str)).enumerate() {
        let mut approval = records::approval(&records::subject(text), &scene.client.id, NOW);
        let grant = Arc::make_mut(&mut approval.grant);
        grant.scopes = ScopeSet::parse(scopes[number % scopes.len()]).expect("scopes");
        grant.resources = ["https://h.example/'/%27?a=';--", "https://h.example/x"]
            .map(|uri| ResourceUri::parse(uri).expect("a resource"))
            .to_vec();
        approval.code.redirect_uri = Arc::from(text);
        approval.code.hash = SecretHash::from_bytes([[0, 0xff][number % 2]; 32]);
        scene.approve(&approval, NOW).await;
        let op = records::redeem(&approval, NOW);
        assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "the code of {text:?}");
        let code = scene.code(approval.code.id).await.expect("the code exists");
        let token = scene.token(op.access.id).await.expect("the token exists");
        let listed = scene.grants(text, NOW).await;
        assert_eq!(*code.code.redirect_uri, *text, "the redirect URI {text:?}");
        assert_eq!(code.code.hash.as_bytes(), approval.code.hash.as_bytes(), "the hash of the code of {text:?}");
        assert_eq!(code.grant, approval.grant, "the grant of {text:?} behind its code");
        assert_eq!(token.grant, approval.grant, "the grant of {text:?} behind its token");
        assert_eq!(token.token.resource, approval.grant.resources[0], "the resource of the token");
        assert_eq!(listed.len(), 1, "the grants of {text:?}");
        assert_eq!(listed[0].grant, approval.grant, "the listed grant of {text:?}");
        let revoked = scene.revoke(records::revoke(&approval.grant, NOW)).await;
        assert_eq!(revoked, Revoked::Now, "{text:?} revokes the grant");
    }
}

/// A token may allow less than its grant, be for another of its resources, and have times of its
/// own; ids may be any of 63 bits.
///
/// # Panics
/// If the invariant is broken.
pub async fn narrowed_tokens_are_kept<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let moments = [0, 1, NOW.as_millis() + 7, (1 << 42) - 1, 1 << 42, i64::MAX as u64].map(Timestamp::from_millis);
    let ids = [0, 1, i64::MAX as u64 - 1, i64::MAX as u64].map(|bits| OrderedId::from_bits(bits).expect("63 bits"));
    for (number, scopes) in ["projects:read", "", "projects:read projects:write", "unheard:of"].into_iter().enumerate()
    {
        for moment in moments {
            let mut approval = records::approval(&records::subject("user"), &scene.client.id, NOW);
            let other = ResourceUri::parse("https://app.example/other").expect("a resource");
            let grant = Arc::make_mut(&mut approval.grant);
            grant.resources.push(other);
            grant.scopes = ScopeSet::parse("projects:read projects:write unheard:of").expect("scopes");
            scene.approve(&approval, NOW).await;
            let mut op = records::redeem(&approval, NOW);
            op.access.scopes = ScopeSet::parse(scopes).expect("scopes");
            op.access.resource = approval.grant.resources[number % 2].clone();
            op.access.issued_at = moment;
            if moment == moments[0] {
                op.access.id = ids[number];
            }
            assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "a narrowed token");
            let token = scene.token(op.access.id).await.expect("the token exists").token;
            assert_eq!(token.id, op.access.id, "the id");
            assert_eq!(token.grant, approval.grant.id, "the grant");
            assert_eq!(token.scopes, op.access.scopes, "the scopes");
            assert_eq!(token.resource, op.access.resource, "the resource");
            assert_eq!(token.issued_at, moment, "when it was issued");
            assert_eq!(token.expires_at, op.access.expires_at, "when it ends");
        }
    }
}

/// Users are told apart by the bytes of their ids: not by case, white space, normal form or number.
///
/// # Panics
/// If the invariant is broken.
pub async fn users_that_look_alike_are_apart<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let mut grants = Vec::new();
    for text in LOOK_ALIKES {
        grants.push(scene.redeemed(text, NOW).await);
    }
    for (text, (mine, _)) in LOOK_ALIKES.iter().zip(&grants) {
        let listed = scene.grants(text, NOW).await;
        assert_eq!(listed.len(), 1, "{text:?} has one grant");
        assert_eq!(listed[0].grant, mine.grant, "{text:?} has the grant of {text:?}");
        for (other, _) in grants.iter().filter(|(other, _)| other.grant.id != mine.grant.id) {
            let op = RevokeGrant { grant: other.grant.id, owner: Owner::User(Subject::new(text)), now: NOW };
            let outcome = scene.revoke(op).await;
            assert_eq!(outcome, Revoked::Unknown, "{text:?} revoked the grant of {}", records::user_of(&other.grant));
        }
    }
    for (approval, token) in &grants {
        scene.assert_live(*token, records::user_of(&approval.grant).as_str()).await;
    }
}
