//! What goes in comes out, byte for byte.

use std::sync::Arc;

use super::records::{self, NOW};
use super::scene::Scene;
use crate::protocol::grant::Subject;
use crate::protocol::redirect::RedirectUri;
use crate::protocol::resource::ResourceId;
use crate::protocol::scope::ScopeSet;
use crate::protocol::secret::{OrderedId, SecretHash};
use crate::protocol::time::Timestamp;
use crate::storage::{Decided, Owner, Redeemed, RevokeGrant, Revoked, Storage};

const HOSTILE: [&str; 18] = [
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
    "\0",
    "nul\0in between",
    "nul\0in the middle",
    "at the end\0",
];

/// Names of different users that a careless comparison takes for one.
const LOOK_ALIKES: [&str; 17] = [
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
    "user\0",
    "user\0\0",
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
    let scopes = ["", "'", "--", "a:b 'c' %s ;DROP", "$1 ?", r"read\2 write\implied"];
    for (number, text) in HOSTILE.into_iter().chain(long.iter().map(String::as_str)).enumerate() {
        let mut approval = records::approval(&records::subject(text), &scene.client.id, NOW);
        let grant = Arc::make_mut(&mut approval.grant);
        grant.scopes = ScopeSet::from_stored(scopes[number % scopes.len()]).expect("scopes");
        grant.resources = ["https://h.example/'/%27?a=';--", "https://h.example/x"]
            .map(|uri| ResourceId::parse(uri).expect("a resource"))
            .into();
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

/// A text of printable characters that cannot be made shorter, the same for the same seed.
fn incompressible(length: usize, seed: u64) -> String {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33) as u8 % 94)
    };
    (0..length).map(next).collect()
}

/// Texts of any length that is allowed are kept whole, and two that differ at their end alone are apart:
/// client ids and redirect URIs of 2048 bytes that cannot be compressed, and users of a hundred thousand.
///
/// # Panics
/// If the invariant is broken.
pub async fn long_texts_are_kept_byte_for_byte<S: Storage>(store: S) {
    let scene = Scene::new(store).await;
    let base = incompressible(100_000, 1);
    let users = [format!("{base}a"), format!("{base}b"), base];
    let base = incompressible(2047, 2);
    let clients = [format!("{base}a"), format!("{base}b"), base];
    let path: String = incompressible(4000, 3).chars().filter(char::is_ascii_alphanumeric).take(2020).collect();
    let redirects = ["a", "b", ""].map(|end| format!("https://client.example/{path}{end}"));
    let mut all = Vec::new();
    for ((user, client), redirect) in users.iter().zip(&clients).zip(&redirects) {
        let client = Arc::new(records::client(client));
        scene.insert(&client).await;
        let mut approval = records::approval(&records::subject(user), &client.id, NOW);
        approval.code.redirect_uri = Arc::from(redirect.as_str());
        approval.consent.redirect_uri = RedirectUri::parse(redirect).expect("a redirect URI");
        let op = records::approve(records::prompt(NOW), &client, &approval, NOW);
        assert_eq!(scene.decide(op).await, Decided::First, "an approval with long texts");
        let op = records::redeem_with_refresh(&approval, NOW);
        assert_eq!(scene.redeem(op.clone()).await, Redeemed::First, "a code of long texts");
        all.push((client, approval, op));
    }
    for (client, approval, op) in &all {
        let user = records::user_of(&approval.grant);
        let stored = scene.store.client(&client.id).await.expect("client answers").expect("the client is found");
        assert_eq!(stored.id, client.id, "the id of the client");
        let code = scene.code(approval.code.id).await.expect("the code exists");
        assert_eq!(code.code.redirect_uri, approval.code.redirect_uri, "the redirect URI of the code");
        let token = scene.token(op.access.id).await.expect("the token exists");
        assert!(code.grant == approval.grant && token.grant == approval.grant, "the grant of long texts");
        let listed = scene.grants(user.as_str(), NOW).await;
        assert_eq!(listed.len(), 1, "users that differ at their end are apart");
        assert!(listed[0].grant == approval.grant, "the listed grant of long texts");
        let consents = scene.consents(user.as_str(), client.id.as_str()).await;
        assert!(consents == [approval.consent.clone()], "the consent of long texts");
    }
    let (_, approval, op) = &all[0];
    for owner in [&users[1], &users[2]] {
        let stranger = RevokeGrant { owner: Owner::User(Subject::new(owner)), ..records::revoke(&approval.grant, NOW) };
        assert_eq!(scene.revoke(stranger).await, Revoked::Unknown, "a user with a name that is almost the same");
    }
    assert_eq!(scene.revoke(records::revoke(&approval.grant, NOW)).await, Revoked::Now, "its user");
    scene.assert_dead(op.access.id, "its grant was revoked").await;
    for (_, _, other) in &all[1..] {
        scene.assert_live(other.access.id, "the grant of an almost equal name was revoked").await;
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
            let other = ResourceId::parse("https://app.example/other").expect("a resource");
            let grant = Arc::make_mut(&mut approval.grant);
            grant.resources = grant.resources.iter().cloned().chain([other]).collect();
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
