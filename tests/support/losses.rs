//! A connection to the store that is lost in each step of what clients, browsers and the app do, and what
//! they find when they try again. The functions take any store.

use std::sync::Arc;
use std::time::Duration;

use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::storage::{Row, Scanned, Storage, Table, invariants};
use grantor::{Builder, ConsentPolicy, Keys, NewClient, OrderedId, Subject};
use http::StatusCode;

use super::refreshing::Tokens;
use super::{API, Answer, Browser, CALLBACK, Client, ISSUER, World};

/// A store whose connection can be lost.
pub type Lossy<S> = Arc<Faulty<S>>;

/// What gets lost, with what is expected of it: of a read, it makes no difference.
const BOTH: [Lost; 2] = [Lost::Request, Lost::Answer];

/// An app over that store.
pub fn over<S: Storage>(storage: S) -> World<Lossy<S>> {
    with(Arc::new(Faulty::new(storage)), |builder| builder)
}

fn with<S: Storage>(storage: Lossy<S>, change: impl FnOnce(Builder) -> Builder) -> World<Lossy<S>> {
    World::at(ISSUER, storage, |builder| change(builder.keys(Keys::from_bytes([7; 32]))))
}

/// Loses each call of each endpoint on the way to the store and on the way back, on a new empty store from
/// `fresh` for each endpoint: whoever tries again gets the right answer, and nothing is left half done.
pub async fn lost_connections_harm_nothing<S, F, Fut>(fresh: F)
where
    S: Storage,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    macro_rules! each_over_a_fresh_store {
        ($($losses:ident,)*) => { $({
            let world = over(fresh().await);
            $losses(&world).await;
            let report = invariants::check(world.storage.inner()).await.unwrap();
            assert!(report.is_clean(), "{}: {report}", stringify!($losses));
        })* };
    }
    each_over_a_fresh_store! {
        registrations,
        clients_of_the_app,
        consent_pages,
        decisions,
        silent_decisions,
        exchanges,
        replays,
        rotations,
        narrowed_repetitions,
        reuses,
        revocations,
        guards,
        calls_of_the_app,
    }
}

/// The caller is told to come again, and nothing else.
fn assert_lost(answer: &Answer, lost: Lost, call: Call) {
    let what = format!("{lost:?} of {call:?}: {}", answer.body());
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{what}");
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    assert!(answer.location().is_none() && answer.header("www-authenticate").is_none(), "{what}");
    assert!(["grc_", "access_token", "made to fail"].iter().all(|text| !answer.body().contains(text)), "{what}");
}

/// The same of an endpoint for clients.
fn assert_temporary(answer: &Answer, lost: Lost, call: Call) {
    assert_lost(answer, lost, call);
    answer.assert_error(503, "temporarily_unavailable");
}

async fn grants_of<S: Storage>(world: &World<Lossy<S>>, name: &str) -> usize {
    world.server.grants(&Subject::new(name), None, 1000).await.unwrap().len()
}

/// Nothing that was ever issued for that person is good for anything, including what nobody has seen.
async fn assert_all_dead<S: Storage>(world: &World<Lossy<S>>, name: &str, why: &str) {
    assert_eq!(grants_of(world, name).await, 0, "{why}");
    for table in [Table::AccessTokens, Table::RefreshTokens] {
        let rows = rows(world, table).await;
        let alive = rows.iter().filter(|row| !row.revoked && subject(row) == name).count();
        assert_eq!(alive, 0, "{why}: {table:?}");
    }
}

async fn rows<S: Storage>(world: &World<Lossy<S>>, table: Table) -> Vec<Scanned> {
    world.storage.inner().scan(table, None, 100_000).await.unwrap()
}

fn subject(row: &Scanned) -> &str {
    row.grant.holder.subject().unwrap().as_str()
}

/// How many tokens that person ever had.
async fn issued<S: Storage>(world: &World<Lossy<S>>, name: &str) -> usize {
    let mut count = 0;
    for table in [Table::AccessTokens, Table::RefreshTokens] {
        count += rows(world, table).await.iter().filter(|row| subject(row) == name).count();
    }
    count
}

/// The successor of the only refresh token of that person that was used.
async fn successor_of<S: Storage>(world: &World<Lossy<S>>, name: &str) -> Option<OrderedId> {
    let rows = rows(world, Table::RefreshTokens).await;
    let mut rotations = rows.iter().filter(|row| subject(row) == name).filter_map(|row| match &row.row {
        Row::Refresh { rotation, .. } => rotation.as_ref().map(|rotation| rotation.successor),
        _ => None,
    });
    let successor = rotations.next();
    assert_eq!(rotations.next(), None, "one use");
    successor
}

/// A code of a new grant of that person.
async fn code_of<S: Storage>(world: &World<Lossy<S>>, name: &str, client: &Client) -> String {
    world.browser_of(name).allow(&client.authorize()).await.redirect_parameter("code").unwrap()
}

async fn registrations<S: Storage>(world: &World<Lossy<S>>) {
    for lost in BOTH {
        world.storage.lose(lost, Call::InsertClient, 1);
        let answer = world.register(&serde_json::json!({ "redirect_uris": [CALLBACK] })).await;
        assert_temporary(&answer, lost, Call::InsertClient);
        let client = world.public_client().await;
        world.access_token(&client).await;
    }
}

/// Clients that an administrator adds, and those of the builder.
async fn clients_of_the_app<S: Storage>(world: &World<Lossy<S>>) {
    for (lost, id) in BOTH.into_iter().zip(["shop", "office"]) {
        let new = || NewClient::public("Shop").id(id).redirect_uri(CALLBACK);
        world.storage.lose(lost, Call::InsertClient, 1);
        assert!(world.server.create_client(new()).await.is_err());
        let again = world.server.create_client(new()).await;
        assert_eq!(again.is_err(), lost == Lost::Answer, "a client that was added is taken by itself: {again:?}");
        let id = grantor::ClientId::parse(id).unwrap();
        assert!(world.server.client(&id).await.unwrap().is_some());
    }
    for (lost, id) in BOTH.into_iter().zip(["kiosk", "desk"]) {
        let client = Client { id: id.to_owned(), secret: None, redirect_uri: CALLBACK.to_owned() };
        for (name, write) in [("Kiosk", Call::InsertClient), ("Kiosk 2", Call::UpdateClient)] {
            let new = NewClient::public(name).id(id).redirect_uri(CALLBACK);
            let world = with(world.storage.clone(), |builder| builder.client(new));
            let mut browser = world.browser_of("alice");
            for call in [Call::Client, write] {
                world.storage.lose(lost, call, 1);
                assert_lost(&browser.get(&client.authorize()).await, lost, call);
            }
            let page = browser.get(&client.authorize()).await;
            assert!(page.status() == StatusCode::OK && page.body().contains(name), "{}", page.body());
            world.access_token(&client).await;
        }
    }
}

async fn consent_pages<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.public_client().await;
    let mut browser = world.browser_of("alice");
    for lost in BOTH {
        for call in [Call::Client, Call::Consents] {
            world.storage.lose(lost, call, 1);
            let answer = browser.get(&client.authorize()).await;
            assert_lost(&answer, lost, call);
            answer.assert_page(503);
            let page = browser.prompt(&client.authorize()).await;
            browser.assert_open(&page).await;
        }
    }
}

async fn decisions<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.public_client().await;
    for decision in ["allow", "deny"] {
        for (lost, call) in [(Lost::Request, Call::Client), (Lost::Answer, Call::Client), (Lost::Request, Call::Decide)]
        {
            let name = format!("{decision} {lost:?} {call:?}");
            let mut browser = world.browser_of(&name);
            let page = browser.prompt(&client.authorize()).await;
            world.storage.lose(lost, call, 1);
            let answer = browser.decide(&page, decision).await;
            assert_lost(&answer, lost, call);
            answer.assert_page(503);
            assert_eq!(grants_of(world, &name).await, 0, "nothing was decided");
            let again = browser.decide(&page, decision).await;
            let error = again.redirect_parameter("error");
            match decision {
                "allow" => exchanged(world, &client, &again).await,
                _ => assert_eq!(error.as_deref(), Some("access_denied"), "{:?}", again.location()),
            }
        }
        lost_decision(world, &client, decision).await;
    }
}

async fn exchanged<S: Storage>(world: &World<Lossy<S>>, client: &Client, answer: &Answer) {
    let code = answer.redirect_parameter("code").unwrap_or_else(|| panic!("{:?}", answer.location()));
    let tokens = Tokens::of(&world.exchange(client, &code, &[]).await);
    assert!(world.is_live(&tokens.access).await);
}

/// It was decided, and nobody knows: neither button works again, and the code that nobody has ends.
async fn lost_decision<S: Storage>(world: &World<Lossy<S>>, client: &Client, decision: &str) {
    let name = format!("{decision} without an answer");
    let mut browser = world.browser_of(&name);
    let page = browser.prompt(&client.authorize()).await;
    world.storage.lose(Lost::Answer, Call::Decide, 1);
    assert_lost(&browser.decide(&page, decision).await, Lost::Answer, Call::Decide);
    for again in ["allow", "deny"] {
        browser.decide(&page, again).await.assert_refused(409, "it was decided");
    }
    let expected = usize::from(decision == "allow");
    assert_eq!(grants_of(world, &name).await, expected, "it was decided once");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(grants_of(world, &name).await, 0, "a code that nobody has is no lasting grant");
    let again = browser.allow(&client.authorize()).await;
    exchanged(world, client, &again).await;
}

async fn silent_decisions<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.house_client("house", ConsentPolicy::Remember, &[CALLBACK]).await;
    let mut browser = world.browser_of("alice");
    let first = browser.allow(&client.authorize()).await;
    exchanged(world, &client, &first).await;
    for lost in BOTH {
        for call in [Call::Client, Call::Consents, Call::Decide] {
            let before = grants_of(world, "alice").await;
            world.storage.lose(lost, call, 1);
            let answer = browser.get(&client.authorize()).await;
            assert_lost(&answer, lost, call);
            answer.assert_page(503);
            let again = browser.get(&client.authorize()).await;
            exchanged(world, &client, &again).await;
            world.clock.advance(Duration::from_secs(60));
            assert_eq!(grants_of(world, "alice").await, before + 1, "a code that nobody has is no lasting grant");
        }
    }
}

/// RFC 6749 §4.1.2: a code is used once. Whoever does not hear of its one use has to start again, and what
/// came of it is revoked with the next attempt.
async fn exchanges<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.refreshing_client("client_secret_post").await;
    for (number, (lost, call)) in [
        (Lost::Request, Call::Client),
        (Lost::Answer, Call::Client),
        (Lost::Request, Call::Code),
        (Lost::Answer, Call::Code),
        (Lost::Request, Call::RedeemCode),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user {number}");
        let code = code_of(world, &name, &client).await;
        world.storage.lose(lost, call, 1);
        assert_temporary(&world.exchange(&client, &code, &[]).await, lost, call);
        assert_eq!(issued(world, &name).await, 0, "nothing was issued");
        let tokens = Tokens::of(&world.exchange(&client, &code, &[]).await);
        assert!(world.is_live(&tokens.access).await, "the code was not burned");
        world.refreshed(&client, &tokens.refresh, &[]).await;
    }
    // The attempt that follows may get lost as well.
    for next in [None, Some((Lost::Request, Call::Code)), Some((Lost::Request, Call::RedeemCode))] {
        let name = format!("without an answer {next:?}").replace('.', " ");
        let code = code_of(world, &name, &client).await;
        world.storage.lose(Lost::Answer, Call::RedeemCode, 1);
        assert_temporary(&world.exchange(&client, &code, &[]).await, Lost::Answer, Call::RedeemCode);
        assert_eq!(issued(world, &name).await, 2, "it happened");
        if let Some((lost, call)) = next {
            world.storage.lose(lost, call, 1);
            assert_temporary(&world.exchange(&client, &code, &[]).await, lost, call);
        }
        for _ in 0..2 {
            world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
            assert_all_dead(world, &name, "tokens that nobody has are not left alive").await;
        }
        assert_eq!(issued(world, &name).await, 2, "and no others were issued");
    }
}

/// A code that comes again ends its grant, if not at the first attempt.
async fn replays<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.refreshing_client("none").await;
    for lost in BOTH {
        for call in [Call::Client, Call::Code, Call::RedeemCode] {
            let name = format!("{lost:?} {call:?}");
            let code = code_of(world, &name, &client).await;
            let tokens = Tokens::of(&world.exchange(&client, &code, &[]).await);
            world.storage.lose(lost, call, 1);
            assert_temporary(&world.exchange(&client, &code, &[]).await, lost, call);
            let happened = (lost, call) == (Lost::Answer, Call::RedeemCode);
            assert_eq!(world.is_live(&tokens.access).await, !happened, "{name}");
            world.exchange(&client, &code, &[]).await.assert_error(400, "invalid_grant");
            assert_all_dead(world, &name, "its code was replayed").await;
        }
    }
}

/// Whoever does not hear of a rotation asks again, and gets the pair that got lost, as often as they ask.
async fn rotations<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.refreshing_client("client_secret_post").await;
    for lost in BOTH {
        for call in [Call::Client, Call::RefreshToken, Call::RotateRefresh] {
            let name = format!("{lost:?} {call:?}");
            let start = world.tokens_of(&name, &client, &[]).await;
            world.storage.lose(lost, call, 1);
            assert_temporary(&world.refresh(&client, &start.refresh, &[]).await, lost, call);
            let happened = (lost, call) == (Lost::Answer, Call::RotateRefresh);
            let successor = successor_of(world, &name).await;
            assert_eq!(successor.is_some(), happened, "{name}: done whole or not at all");

            let pair = world.refreshed(&client, &start.refresh, &[]).await;
            let kept = successor_of(world, &name).await;
            assert!(successor.is_none() || successor == kept, "{name}: the pair that got lost");
            for (lost, call) in [(Lost::Request, Call::Client), (lost, Call::RefreshToken)] {
                world.storage.lose(lost, call, 1);
                assert_temporary(&world.refresh(&client, &start.refresh, &[]).await, lost, call);
                assert_eq!(world.refreshed(&client, &start.refresh, &[]).await, pair, "{name}: the same pair again");
            }
            assert_eq!(issued(world, &name).await, 4, "{name}: two pairs and no more");
            assert!(world.is_live(&start.access).await && world.is_live(&pair.access).await, "{name}");
            world.refreshed(&client, &pair.refresh, &[]).await;
        }
    }
}

/// A repetition that asks for less gets an access token for that beside the same refresh token.
async fn narrowed_repetitions<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.refreshing_client("none").await;
    let less = [("scope", "projects:read")];
    for lost in BOTH {
        let name = format!("{lost:?}");
        let start = world.tokens_of(&name, &client, &[]).await;
        let pair = world.refreshed(&client, &start.refresh, &[]).await;
        world.storage.lose(lost, Call::IssueAccess, 1);
        assert_temporary(&world.refresh(&client, &start.refresh, &less).await, lost, Call::IssueAccess);
        let narrowed = world.refreshed(&client, &start.refresh, &less).await;
        assert!(narrowed.refresh == pair.refresh && narrowed.access != pair.access, "one successor");
        assert_eq!(narrowed.scope, "projects:read");
        assert!(world.is_live(&narrowed.access).await && world.is_live(&pair.access).await);
        let expected = if lost == Lost::Answer { 6 } else { 5 };
        assert_eq!(issued(world, &name).await, expected, "an access token that nobody has seen ends with its grant");
        world.revoked(&client, &pair.refresh).await;
        assert_all_dead(world, &name, "the grant was revoked").await;
    }
}

/// A reuse ends the grant, if not at the first attempt.
async fn reuses<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.refreshing_client("none").await;
    for lost in BOTH {
        for call in [Call::Client, Call::RefreshToken, Call::RotateRefresh] {
            let name = format!("{lost:?} {call:?}");
            let start = world.tokens_of(&name, &client, &[]).await;
            let first = world.refreshed(&client, &start.refresh, &[]).await;
            world.refreshed(&client, &first.refresh, &[]).await;
            world.storage.lose(lost, call, 1);
            assert_temporary(&world.refresh(&client, &start.refresh, &[]).await, lost, call);
            let happened = (lost, call) == (Lost::Answer, Call::RotateRefresh);
            assert_eq!(world.is_live(&first.access).await, !happened, "{name}");
            world.refresh(&client, &start.refresh, &[]).await.assert_error(400, "invalid_grant");
            assert_all_dead(world, &name, "a refresh token was reused").await;
        }
    }
}

/// A revocation is never said to be done before it is; the next attempt finds it done.
async fn revocations<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.refreshing_client("client_secret_post").await;
    for lost in BOTH {
        for (call, of_all) in [
            (Call::Client, true),
            (Call::RefreshToken, true),
            (Call::RevokeGrant, true),
            (Call::Client, false),
            (Call::AccessToken, false),
            (Call::RevokeAccess, false),
        ] {
            let name = format!("{lost:?} {call:?} {of_all}");
            let start = world.tokens_of(&name, &client, &[]).await;
            let token = if of_all { &start.refresh } else { &start.access };
            world.storage.lose(lost, call, 1);
            assert_temporary(&world.revoke(&client, token, &[]).await, lost, call);
            let happened = lost == Lost::Answer && matches!(call, Call::RevokeGrant | Call::RevokeAccess);
            assert_eq!(world.is_live(&start.access).await, !happened, "{name}");
            for _ in 0..2 {
                world.revoked(&client, token).await;
                assert!(!world.is_live(&start.access).await, "{name}: the next attempt finds it done");
            }
            if of_all {
                assert_all_dead(world, &name, "the grant was revoked").await;
            } else {
                world.refreshed(&client, &start.refresh, &[]).await;
            }
        }
    }
}

async fn guards<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.public_client().await;
    let token = world.access_token(&client).await;
    for lost in BOTH {
        world.storage.lose(lost, Call::AccessToken, 1);
        assert_eq!(world.guard(API, "", &token).await, 503, "{lost:?}");
        assert_eq!(world.guard(API, "", &token).await, 200, "{lost:?}");
    }
    world.server.revoke_grant(&Subject::new("alice"), grant_of(world, "alice").await).await.unwrap();
    for lost in BOTH {
        world.storage.lose(lost, Call::AccessToken, 1);
        assert_eq!(world.guard(API, "", &token).await, 503, "{lost:?}");
        assert_eq!(world.guard(API, "", &token).await, 401, "{lost:?}");
    }
}

async fn grant_of<S: Storage>(world: &World<Lossy<S>>, name: &str) -> OrderedId {
    world.server.grants(&Subject::new(name), None, 1).await.unwrap()[0].id
}

/// What the app itself asks of the server.
async fn calls_of_the_app<S: Storage>(world: &World<Lossy<S>>) {
    let client = world.public_client().await;
    for lost in BOTH {
        let name = format!("{lost:?}");
        let subject = Subject::new(&name);
        let mut browser: Browser<_> = world.browser_of(&name);
        let answer = browser.allow(&client.authorize()).await;
        exchanged(world, &client, &answer).await;
        for call in [Call::Grants, Call::Client] {
            world.storage.lose(lost, call, 1);
            assert!(world.server.grants(&subject, None, 10).await.is_err(), "an error is no list: {call:?}");
            assert_eq!(grants_of(world, &name).await, 1, "{call:?}");
        }
        world.storage.lose(lost, Call::Clients, 1);
        assert!(world.server.clients(None, 10).await.is_err(), "an error is no list");
        assert_eq!(world.server.clients(None, 10).await.unwrap().len(), 1);

        let grant = grant_of(world, &name).await;
        world.storage.lose(lost, Call::RevokeGrant, 1);
        assert!(world.server.revoke_grant(&subject, grant).await.is_err(), "it is never called done");
        assert_eq!(grants_of(world, &name).await, usize::from(lost == Lost::Request));
        let is_first = world.server.revoke_grant(&subject, grant).await.unwrap();
        assert_eq!(is_first, lost == Lost::Request, "the next attempt finds it done");
        assert_all_dead(world, &name, "the grant was revoked").await;
    }
    world.clock.advance(Duration::from_secs(400 * 86_400));
    for lost in BOTH {
        world.storage.lose(lost, Call::Purge, 1);
        assert!(world.server.purge(3).await.is_err());
    }
    while world.server.purge(3).await.unwrap() >= 3 {}
    for table in [Table::Grants, Table::Codes, Table::AccessTokens, Table::RefreshTokens] {
        assert!(rows(world, table).await.is_empty(), "{table:?}");
    }
}
