//! What another instance changes is heard of, and when it may not have been, that is known in time.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use grantor::Timestamp;
use grantor::protocol::client::{Client, ClientId};
use grantor::storage::testkit::records::{self, NOW};
use grantor::storage::{
    Approval, Cached, Change, Decided, Feed, Inserted, Issued, Listener, PostgresOptions, PostgresStorage, Redeemed,
    Removed, Revoked, Rotated, Sharing, Storage, Updated,
};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::server::Server;

/// How old what a feed that calls itself current has not told may be.
const BOUND: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Heard(Mutex<Vec<(Instant, Change)>>);

impl Listener for Heard {
    #[allow(clippy::disallowed_methods, reason = "a test measures time")]
    fn changed(&self, change: &Change) {
        self.0.lock().unwrap().push((Instant::now(), change.clone()));
    }
}

impl Heard {
    fn count(&self, change: &Change) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, heard)| heard == change).count()
    }

    /// Whether a cache knows of a change that was asked for at `asked`.
    fn knows(&self, change: &Change, asked: Instant) -> bool {
        let heard = self.0.lock().unwrap();
        heard.iter().any(|(at, heard)| *at >= asked && (heard == change || *heard == Change::All))
    }

    async fn wait_for(&self, change: &Change, times: usize) {
        wait(&format!("{change:?}"), || self.count(change) >= times).await;
    }
}

#[allow(clippy::disallowed_methods, reason = "a test measures time")]
async fn wait(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "{what} is waited for in vain");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The feed of a store, and what it tells.
async fn follow(store: &PostgresStorage) -> (Arc<dyn Feed>, Arc<Heard>) {
    let Sharing::Heard(feed) = store.sharing() else { panic!("others are heard") };
    let heard = Arc::new(Heard::default());
    let listener: Weak<Heard> = Arc::downgrade(&heard);
    feed.subscribe(listener);
    wait("a feed that is current", || feed.is_current()).await;
    assert!(heard.count(&Change::All) >= 1, "whatever was there before counts as changed");
    (feed, heard)
}

/// A store over a pool whose connections can be told from all others.
async fn marked(schema: &str, url: &str) -> PostgresStorage {
    let options = PgConnectOptions::from_str(url).unwrap().application_name(schema);
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(BOUND).connect_with(options).await.unwrap();
    PostgresOptions::new().schema(schema).with_pool(pool).await.unwrap()
}

async fn approve(store: &PostgresStorage, client: &Client, now: Timestamp) -> Approval {
    let approval = records::approval(&records::subject("user"), &client.id, now);
    let op = records::approve(records::prompt(now), client, &approval, now);
    assert_eq!(store.decide(op).await.unwrap(), Decided::First);
    approval
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn another_instance_hears_of_every_change() {
    let server = Server::new().await;
    let schema = server.schema();
    let (one, other) = (marked(&schema, &server.url).await, marked(&schema, &server.url).await);
    let (feed, heard) = follow(&other).await;
    let apart = server.options().connect(&server.url).await.unwrap();
    let (_, elsewhere) = follow(&apart).await;

    let client = records::client("client");
    let _ = one.insert_client(records::insert(client.clone())).await.unwrap();
    heard.wait_for(&Change::Client(client.id.clone()), 1).await;

    let mut grants = Vec::new();
    for _ in 0..3 {
        let approval = approve(&one, &client, NOW).await;
        let exchange = records::redeem_with_refresh(&approval, NOW);
        assert_eq!(one.redeem_code(exchange.clone()).await.unwrap(), Redeemed::First);
        grants.push((approval, exchange));
    }
    let [(replayed, exchange), (reused, rotating), (withdrawn, _)] = &grants[..] else { panic!("there are three") };
    let issue = records::issue(&withdrawn.grant, NOW);
    assert_eq!(one.issue_access(issue.clone()).await.unwrap(), Issued::Now);
    let refresh = rotating.refresh.as_ref().unwrap().id;
    assert_eq!(one.rotate_refresh(records::rotate(refresh, &reused.grant, NOW)).await.unwrap(), Rotated::First);
    let told = heard.0.lock().unwrap().len();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(heard.0.lock().unwrap().len(), told, "what adds something is not told");

    assert_eq!(one.revoke_access(records::revoke_access(issue.access.id, NOW)).await.unwrap(), Revoked::Now);
    heard.wait_for(&Change::AccessToken(issue.access.id), 1).await;
    assert_eq!(one.revoke_grant(records::revoke(&withdrawn.grant, NOW)).await.unwrap(), Revoked::Now);
    heard.wait_for(&Change::Grant(withdrawn.grant.id), 1).await;
    assert_eq!(one.redeem_code(exchange.clone()).await.unwrap(), Redeemed::Replayed);
    heard.wait_for(&Change::Grant(replayed.grant.id), 1).await;
    let late = NOW.after(Duration::from_secs(3600));
    let reuse = one.rotate_refresh(records::rotate(refresh, &reused.grant, late)).await.unwrap();
    assert_eq!(reuse, Rotated::Reused);
    heard.wait_for(&Change::Grant(reused.grant.id), 1).await;
    assert_eq!(one.update_client(records::update(client.clone())).await.unwrap(), Updated::Now);
    heard.wait_for(&Change::Client(client.id.clone()), 2).await;

    assert!(feed.is_current());
    assert_eq!(heard.count(&Change::All), 1, "no connection was lost");
    let others = elsewhere.0.lock().unwrap().iter().filter(|(_, change)| *change != Change::All).count();
    assert_eq!(others, 0, "another schema is another store");
    drop(other);
    wait("a feed that ends with its store", || !feed.is_current()).await;
    server.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn another_instance_hears_of_what_ends_everything_at_once() {
    let server = Server::new().await;
    let schema = server.schema();
    let (one, other) = (server_store(&server, &schema).await, marked(&schema, &server.url).await);
    let (_feed, heard) = follow(&other).await;
    let client = records::registered("client", None, NOW.after(LONG));
    let changed = Change::Client(client.id.clone());
    assert_eq!(one.insert_client(records::insert(client.clone())).await.unwrap(), Inserted::New);
    heard.wait_for(&changed, 1).await;
    let approval = approve(&one, &client, NOW).await;
    heard.wait_for(&changed, 2).await;
    for until in [LONG, LONG * 100_000, LONG] {
        let _ = one.renew_client(records::renew(&client.id, NOW.after(until), NOW)).await.unwrap();
    }
    heard.wait_for(&changed, 3).await;

    let blocked = Client { blocked: true, ..client.clone() };
    assert_eq!(one.update_client(records::update_and_end(blocked)).await.unwrap(), Updated::Now);
    heard.wait_for(&Change::Grant(approval.grant.id), 1).await;
    assert_eq!(heard.count(&changed), 4, "a renewal that moves nothing is not told");
    let client = Client { revision: client.revision + 1, ..client };
    let (few, many) = (approve(&one, &client, NOW).await, 70);
    assert_eq!(one.revoke_grants(records::revoke_all_of_user("user", NOW)).await.unwrap(), 1);
    heard.wait_for(&Change::Grant(few.grant.id), 1).await;
    assert_eq!(heard.count(&Change::All), 1, "a few grants are told one by one");
    for _ in 0..many {
        approve(&one, &client, NOW).await;
    }
    assert_eq!(one.revoke_grants(records::revoke_all_of_user("user", NOW)).await.unwrap(), many);
    heard.wait_for(&Change::All, 2).await;
    let last = approve(&one, &client, NOW).await;
    let asked = now();
    assert_eq!(one.remove_client(records::remove(&client.id)).await.unwrap(), Removed::Now);
    heard.wait_for(&Change::Grant(last.grant.id), 1).await;
    wait("the removal", || heard.knows(&changed, asked)).await;

    for name in ["evicted", "new"] {
        let registration = records::register(records::registered(name, None, NOW.after(LONG)), 1);
        assert_eq!(one.insert_client(registration).await.unwrap(), Inserted::New);
    }
    heard.wait_for(&Change::Client(ClientId::parse("evicted").unwrap()), 2).await;
    assert_eq!(one.purge(NOW.after(LONG), 10).await.unwrap(), 1);
    heard.wait_for(&Change::Client(ClientId::parse("new").unwrap()), 2).await;
    server.clean_up().await;
}

/// A cache in another process answers no longer than the feed says for what was ended as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_22_a_cache_elsewhere_forgets_what_a_blocked_client_was_given() {
    let server = Server::new().await;
    let schema = server.schema();
    let (one, other) = (server_store(&server, &schema).await, marked(&schema, &server.url).await);
    let (feed, _heard) = follow(&other).await;
    let cached = Cached::new(other);
    let client = records::client("client");
    assert_eq!(one.insert_client(records::insert(client.clone())).await.unwrap(), Inserted::New);
    let approval = approve(&one, &client, NOW).await;
    let exchange = records::redeem(&approval, NOW);
    assert_eq!(one.redeem_code(exchange.clone()).await.unwrap(), Redeemed::First);
    for _ in 0..3 {
        let stored = cached.access_token(exchange.access.id).await.unwrap();
        assert!(stored.is_some_and(|stored| !stored.revoked));
        assert!(!cached.client(&client.id).await.unwrap().unwrap().blocked);
    }
    let blocked = Client { blocked: true, ..client.clone() };
    assert_eq!(one.update_client(records::update_and_end(blocked)).await.unwrap(), Updated::Now);
    let done = now();
    sleep(BOUND).await;
    assert!(feed.is_current(), "{:?} later", done.elapsed());
    assert!(cached.access_token(exchange.access.id).await.unwrap().is_none_or(|stored| stored.revoked));
    assert!(cached.client(&client.id).await.unwrap().unwrap().blocked);
    server.clean_up().await;
}

/// One change after another, each with the time when it was committed at the latest.
async fn change_for(
    store: &PostgresStorage,
    time: Duration,
    mut disturb: impl AsyncFnMut(Duration),
) -> Vec<(Instant, Instant, Change)> {
    let client = records::client("client");
    let _ = store.insert_client(records::insert(client.clone())).await.unwrap();
    let mut changes = Vec::new();
    let started = now();
    while started.elapsed() < time {
        let approval = approve(store, &client, NOW).await;
        let asked = now();
        assert_eq!(store.revoke_grant(records::revoke(&approval.grant, NOW)).await.unwrap(), Revoked::Now);
        changes.push((asked, now(), Change::Grant(approval.grant.id)));
        disturb(started.elapsed()).await;
        sleep(Duration::from_millis(5)).await;
    }
    changes
}

#[allow(clippy::disallowed_methods, reason = "a test measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Samples a feed until told to stop: when it called itself current, and what was known by then.
fn watch_feed(feed: Arc<dyn Feed>) -> (watch::Sender<bool>, tokio::task::JoinHandle<Vec<(Instant, bool)>>) {
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        let mut samples = Vec::new();
        while !*stopped.borrow() {
            // The clock is read first: what came later may be known and may not.
            let at = now();
            samples.push((at, feed.is_current()));
            sleep(Duration::from_millis(2)).await;
        }
        samples
    });
    (stop, task)
}

/// Whenever the feed called itself current, it had told all that was committed two seconds before.
fn assert_bound(samples: &[(Instant, bool)], changes: &[(Instant, Instant, Change)], heard: &Heard) {
    let heard = heard.0.lock().unwrap();
    for (asked, committed, change) in changes {
        let known = heard
            .iter()
            .filter(|(at, heard)| at >= asked && (heard == change || *heard == Change::All))
            .map(|(at, _)| *at)
            .min();
        for (at, is_current) in samples {
            let is_old = at.saturating_duration_since(*committed) > BOUND + Duration::from_millis(20);
            assert!(!is_old || !is_current || known.is_some_and(|known| known <= *at), "{change:?} was not told");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_feed_whose_connection_is_cut_hears_again_and_misses_nothing() {
    let server = Server::new().await;
    let schema = server.schema();
    let (one, other) = (server_store(&server, &schema).await, marked(&schema, &server.url).await);
    let (feed, heard) = follow(&other).await;
    let (stop, samples) = watch_feed(Arc::clone(&feed));
    let admin = server.admin.clone();
    let mut cuts = 0;
    let changes = change_for(&one, Duration::from_secs(6), async |elapsed| {
        if elapsed < Duration::from_secs(1) * (cuts + 1) {
            return;
        }
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = $1 AND query LIKE 'LISTEN%'";
        let row = sqlx::query(cut).bind(&schema).fetch_one(&admin).await.unwrap();
        cuts += u32::from(row.get::<i64, _>(0) == 1);
    })
    .await;
    wait("the last change", || changes.iter().all(|(asked, _, change)| heard.knows(change, *asked))).await;
    stop.send(true).unwrap();
    assert_bound(&samples.await.unwrap(), &changes, &heard);
    assert!(cuts >= 3, "{cuts} cuts");
    heard.wait_for(&Change::All, 1 + cuts as usize).await;
    wait("a feed that is current again", || feed.is_current()).await;
    server.clean_up().await;
}

async fn server_store(server: &Server, schema: &str) -> PostgresStorage {
    PostgresOptions::new().schema(schema).connect(&server.url).await.unwrap()
}

/// A way to the server through which nothing comes while it is closed; connections stay.
async fn gate(url: &str) -> (String, watch::Sender<bool>) {
    let target = PgConnectOptions::from_str(url).unwrap();
    let (host, port) = (target.get_host().to_owned(), target.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gate_port = listener.local_addr().unwrap().port();
    let (open, is_open) = watch::channel(true);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect((host.as_str(), port)).await else { continue };
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(pass(from_client, to_server, is_open.clone()));
            tokio::spawn(pass(from_server, to_client, is_open.clone()));
        }
    });
    let (before, after) = url.rsplit_once(&format!(":{port}")).expect("the URL has a port");
    (format!("{before}:{gate_port}{after}"), open)
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut is_open: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if is_open.wait_for(|is_open| *is_open).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn a_feed_that_hears_nothing_is_not_current_and_says_so_in_time() {
    let server = Server::new().await;
    let schema = server.schema();
    let one = server_store(&server, &schema).await;
    let (url, open) = gate(&server.url).await;
    let other = marked(&schema, &url).await;
    let (feed, heard) = follow(&other).await;
    let (stop, samples) = watch_feed(Arc::clone(&feed));
    // Shorter than a connection is given up, and longer.
    let stalls = [1000..1800, 4000..7000, 9500..13_500];
    let changes = change_for(&one, Duration::from_secs(16), async |elapsed| {
        let is_stalled = stalls.iter().any(|stall| stall.contains(&elapsed.as_millis()));
        open.send_if_modified(|is_open| std::mem::replace(is_open, !is_stalled) == is_stalled);
    })
    .await;
    open.send_replace(true);
    wait("the last change", || changes.iter().all(|(asked, _, change)| heard.knows(change, *asked))).await;
    wait("a feed that is current again", || feed.is_current()).await;
    stop.send(true).unwrap();
    let samples = samples.await.unwrap();
    assert!(samples.iter().any(|(_, is_current)| !is_current), "it was not current in the stalls");
    assert_bound(&samples, &changes, &heard);
    server.clean_up().await;
}
