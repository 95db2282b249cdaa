//! Clients that drop the connection at any moment of a token request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grantor::storage::testkit::{Call, Faulty, Lost};
use grantor::storage::{Table, invariants};
use grantor::{Keys, MemoryStorage, Storage as _, Subject};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::front::Front;
use crate::support::{Answer, Client, ISSUER, World, encode, pairs};

type Store = Arc<Faulty<MemoryStorage>>;

/// Where the connection is dropped.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// When the client has sent so much, in hundredths.
    Sent(usize),
    /// When the server has asked the store, or the store has answered.
    InCall(Lost, Call),
    /// When the first byte of the answer has come.
    Answered,
}

const EXCHANGE: [Call; 2] = [Call::Code, Call::RedeemCode];
const REFRESH: [Call; 2] = [Call::RefreshToken, Call::RotateRefresh];

fn moments(calls: [Call; 2]) -> impl Iterator<Item = Moment> {
    let in_calls = calls.into_iter().flat_map(|call| [Lost::Request, Lost::Answer].map(|at| Moment::InCall(at, call)));
    [0, 5, 50, 99, 100].map(Moment::Sent).into_iter().chain(in_calls).chain([Moment::Answered])
}

impl Moment {
    /// Whether the store has done what it was asked for when the client goes.
    fn is_after_the_deed(self) -> bool {
        matches!(self, Self::Answered | Self::InCall(Lost::Answer, Call::RedeemCode | Call::RotateRefresh))
    }
}

async fn fronts() -> Vec<Front<Store>> {
    let world = || {
        let store = Arc::new(Faulty::new(MemoryStorage::new()));
        World::at(ISSUER, store, |builder| builder.keys(Keys::from_bytes([7; 32])))
    };
    Front::sockets(world).await
}

/// Begins a token request and drops its connection.
async fn dropped(front: &Front<Store>, body: &str, moment: Moment) {
    let address = front.origin.as_deref().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /oauth/token HTTP/1.1\r\nhost: app.example\r\ncontent-type: application/x-www-form-urlencoded";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let sent = if let Moment::Sent(hundredths) = moment { request.len() * hundredths / 100 } else { request.len() };
    let held = if let Moment::InCall(at, call) = moment { Some(front.world.storage.hold(at, call, 1)) } else { None };
    stream.write_all(&request.as_bytes()[..sent]).await.unwrap();
    match held {
        Some(mut held) => {
            timeout(Duration::from_secs(20), held.reached()).await.expect("the call is made");
            drop(stream);
            // Time to notice, before the store answers.
            sleep(Duration::from_millis(30)).await;
            drop(held);
        }
        None if matches!(moment, Moment::Answered) => drop(stream.read_u8().await.unwrap()),
        None => drop(stream),
    }
    // Whoever goes on without its client may come to an end.
    sleep(Duration::from_millis(30)).await;
}

async fn token(front: &Front<Store>, body: &str) -> Answer {
    let request = Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
    Answer(front.send(request.body(Bytes::from(body.to_owned())).unwrap()).await)
}

fn refreshing(client: &Client, token: &str) -> String {
    encode(&[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &client.id)])
}

async fn refresh_tokens(world: &World<Store>) -> usize {
    world.storage.inner().scan(Table::RefreshTokens, None, 1000).await.unwrap().len()
}

async fn grants(world: &World<Store>) -> usize {
    world.server.grants(&Subject::new("alice"), None, 1000).await.unwrap().len()
}

async fn assert_clean(front: &Front<Store>, what: &str) {
    let report = invariants::check(front.world.storage.inner()).await.unwrap();
    assert!(report.is_clean(), "{what}: {report}");
}

#[tokio::test]
async fn a_code_whose_exchange_lost_its_client_is_good_for_one_exchange_at_most() {
    for front in fronts().await {
        let client = front.world.public_client().await;
        for moment in moments(EXCHANGE) {
            let what = format!("{} {moment:?}", front.name);
            let code = front.world.code(&client).await;
            let body = encode(&pairs(&client.token_request(&code, &[])));
            dropped(&front, &body, moment).await;
            let mut again = token(&front, &body).await;
            if again.status() == 200 {
                assert!(!moment.is_after_the_deed(), "{what}: two successes");
                again = token(&front, &body).await;
            }
            again.assert_error(400, "invalid_grant");
            // RFC 6749 §4.1.2: whoever presents a code twice ends what it brought.
            assert_eq!(grants(&front.world).await, 0, "{what}");
            assert_clean(&front, &what).await;
        }
    }
}

#[tokio::test]
async fn a_refresh_that_lost_its_client_gives_the_same_pair_when_it_is_repeated() {
    for front in fronts().await {
        let client = front.world.refreshing_client("none").await;
        for moment in moments(REFRESH) {
            let what = format!("{} {moment:?}", front.name);
            let code = front.world.code(&client).await;
            let first = front.world.exchange(&client, &code, &[]).await;
            let old = first.json()["refresh_token"].as_str().unwrap().to_owned();
            let body = refreshing(&client, &old);
            let before = refresh_tokens(&front.world).await;
            dropped(&front, &body, moment).await;
            let issued = refresh_tokens(&front.world).await - before;
            assert!(issued <= 1 && (issued == 1 || !moment.is_after_the_deed()), "{what}: {issued}");
            let [again, thrice] = [token(&front, &body).await, token(&front, &body).await];
            assert_eq!(again.status(), 200, "{what}: {}", again.body());
            assert_eq!(refresh_tokens(&front.world).await - before, 1, "{what}: one successor");
            for part in ["access_token", "refresh_token"] {
                assert_eq!(again.json()[part], thrice.json()[part], "{what}: {part}");
            }
            let next = again.json()["refresh_token"].as_str().unwrap().to_owned();
            assert_eq!(token(&front, &refreshing(&client, &next)).await.status(), 200, "{what}");
            assert_clean(&front, &what).await;
        }
    }
}
