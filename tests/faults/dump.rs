//! Attack 47: somebody gets hold of what a store keeps, be it the file, its log or a backup.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use grantor::protocol::secret::{Bearer, BearerKind};
use grantor::storage::Storage;
use grantor::{Keys, PostgresStorage, SqliteStorage};

use crate::postgres::{Cluster, Folder};
use crate::scene::assert_sound;
use crate::search::Search;
use crate::support::refreshing::Tokens;
use crate::support::{Browser, CALLBACK, Client, ISSUER, VERIFIER, World};

/// What seals. It is in no store.
fn key() -> [u8; 32] {
    std::array::from_fn(|place| (place * 89 + 41) as u8)
}

/// An app in which everything happens that makes or uses a secret.
struct Scene<S> {
    world: World<S>,
    secrets: Search,
    /// What is kept and is no secret: the names of clients, and the hashes of tokens.
    clients: Vec<String>,
    hashes: Vec<[u8; 32]>,
}

impl<S: Storage + Clone> Scene<S> {
    fn new(storage: S) -> Self {
        let mut secrets = Search::new();
        secrets.add_bytes(&key());
        let world = World::at(ISSUER, storage, |builder| builder.keys(Keys::from_bytes(key())));
        Self { world, secrets, clients: Vec::new(), hashes: Vec::new() }
    }

    async fn play(&mut self) {
        let kinds = [("none", "alice"), ("client_secret_basic", "bob"), ("client_secret_post", "carol")];
        for (auth_method, name) in kinds {
            let client = self.world.refreshing_client(auth_method).await;
            self.note_client(&client);
            for round in 0..3 {
                self.one_grant(&client, &format!("{name}{round}")).await;
            }
        }
        let secret = "what an administrator chose for the client";
        let client = self.world.administrators_client("house", Some(secret), &[CALLBACK]).await;
        self.note_client(&client);
        self.one_code(&client, "dave").await;
    }

    fn note_client(&mut self, client: &Client) {
        self.clients.push(client.id.clone());
        if let Some(secret) = &client.secret {
            self.secrets.add(secret);
            self.secrets.add(client.basic().strip_prefix("Basic ").unwrap());
        }
    }

    fn note_tokens(&mut self, tokens: &Tokens) {
        self.secrets.add(&tokens.access);
        self.hashes.push(*Bearer::parse(BearerKind::Access, &tokens.access).unwrap().hash.as_bytes());
        if !tokens.refresh.is_empty() {
            self.secrets.add(&tokens.refresh);
            self.hashes.push(*Bearer::parse(BearerKind::Refresh, &tokens.refresh).unwrap().hash.as_bytes());
        }
    }

    /// A browser with cookies that are long enough to look for.
    fn browser(&self, name: &str) -> Browser<S> {
        let mut browser = self.world.browser_of(name);
        browser.cookies.insert("session".to_owned(), format!("{name}.the-session-of-{name}-which-is-secret"));
        browser
    }

    /// The consent of a person of that name, and the code from it, which is exchanged.
    async fn one_code(&mut self, client: &Client, name: &str) -> Tokens {
        let state = format!("the-state-that-{name}-came-with-is-secret");
        let mut browser = self.browser(name);
        let denied = browser.prompt(&client.authorize_with(&[("state", &state)])).await;
        browser.decide(&denied, "deny").await;
        let page = browser.prompt(&client.authorize_with(&[("state", &state)])).await;
        let code = browser.decide(&page, "allow").await.redirect_parameter("code").unwrap();
        for secret in [&state, &denied.prompt, &page.prompt, &code, VERIFIER] {
            self.secrets.add(secret);
        }
        self.hashes.push(*Bearer::parse(BearerKind::Code, &code).unwrap().hash.as_bytes());
        browser.cookies.values().for_each(|cookie| self.secrets.add(cookie));
        let tokens = Tokens::of(&self.world.exchange(client, &code, &[]).await);
        self.note_tokens(&tokens);
        tokens
    }

    /// A grant that lives on, with an answer that can be asked for again.
    async fn one_grant(&mut self, client: &Client, name: &str) {
        let tokens = self.one_code(client, name).await;
        let pair = self.world.refreshed(client, &tokens.refresh, &[]).await;
        assert_eq!(self.world.refreshed(client, &tokens.refresh, &[]).await, pair, "the answer is kept for a while");
        self.note_tokens(&pair);
        let less = self.world.refreshed(client, &tokens.refresh, &[("scope", "projects:read")]).await;
        self.note_tokens(&less);
        if name.ends_with('1') {
            self.world.revoked(client, &less.access).await;
        }
        if name.ends_with('2') {
            self.world.revoked(client, &pair.refresh).await;
        }
    }

    /// Fails if one of these tells a secret, or if they are not what the store keeps.
    fn assert_tells_nothing(&self, kept: &BTreeMap<String, Vec<u8>>, hash: impl Fn(&[u8; 32]) -> Vec<u8>) {
        for (name, bytes) in kept {
            self.secrets.assert_absent(bytes, name);
        }
        let is_there = |what: &[u8]| {
            let mut search = Search::new();
            search.add_form(what);
            kept.values().any(|bytes| search.find(bytes).is_some())
        };
        // What is there is found, with the same search.
        let clients: Vec<_> = self.clients.iter().filter(|id| id.len() >= 16).collect();
        assert!(clients.len() == 3 && clients.iter().all(|id| is_there(id.as_bytes())), "{clients:?}");
        let kept_hashes = self.hashes.iter().filter(|one| is_there(&hash(one))).count();
        // One access token is gone for each client, as it was revoked.
        assert!(kept_hashes >= self.hashes.len() - 3, "{kept_hashes} of {} hashes", self.hashes.len());
    }

    fn report(&self, engine: &str, bytes: usize) {
        let numbers = self.secrets.numbers();
        let line = format!("dump: {engine} none of {numbers} in {bytes} bytes\n");
        // Not captured by the test runner.
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

fn size(kept: &BTreeMap<String, Vec<u8>>) -> usize {
    kept.values().map(Vec::len).sum()
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.append(&mut files(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_47_an_sqlite_file_and_its_log_tell_no_secret() {
    let folder = Folder::new();
    let storage = SqliteStorage::open(folder.file("store.db")).await.unwrap();
    let mut scene = Scene::new(storage);
    scene.play().await;
    let kept = files(folder.file("store.db").parent().unwrap());
    let names: Vec<_> = kept.keys().map(|name| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["store.db", "store.db-lock", "store.db-shm", "store.db-wal"]);
    scene.assert_tells_nothing(&kept, |hash| hash.to_vec());
    assert_sound(&scene.world.storage).await;
    scene.report("SQLite", size(&kept));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run ./tests/run, or set GRANTOR_TEST_POSTGRES"]
async fn attack_47_a_backup_of_postgres_and_its_log_tell_no_secret() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let storage = PostgresStorage::connect(cluster.url()).await.unwrap();
    let mut scene = Scene::new(storage);
    scene.play().await;
    let dump = BTreeMap::from([("pg_dump".to_owned(), dump(cluster.url()))]);
    let hex = |hash: &[u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes();
    scene.assert_tells_nothing(&dump, hex);
    // The write-ahead log has whatever was ever written.
    let mut log = files(&cluster.data().join("pg_wal"));
    // Most of it is room for what is still to come.
    log.values_mut().for_each(|bytes| bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)));
    scene.assert_tells_nothing(&log, |hash| hash.to_vec());
    let said = BTreeMap::from([("log".to_owned(), fs::read(cluster.data().with_file_name("log")).unwrap())]);
    said.iter().for_each(|(name, bytes)| scene.secrets.assert_absent(bytes, name));
    assert_sound(&scene.world.storage).await;
    scene.report("PostgreSQL", size(&dump) + size(&log) + size(&said));
}

/// All of a database, as a backup has it.
fn dump(url: &str) -> Vec<u8> {
    let output = Command::new(program("pg_dump")).args(["--inserts", "--dbname", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A program of the newest version, as `tests/postgres` starts that one.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map(|version| version.unwrap().path());
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.filter(|path| path.join("bin/postgres").exists()).max_by_key(version);
    newest.map_or_else(|| name.into(), |folder| folder.join("bin").join(name))
}
