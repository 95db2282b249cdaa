//! A way to PostgreSQL that breaks at a chosen moment of a chosen statement.
//!
//! It reads as much of the protocol as it takes to tell messages apart and to know which statement is run:
//! a client prepares a statement under a name (`P`), runs it by that name (`B`) and asks for the end of the
//! transaction (`S`); the server says that it has ended (`Z`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// When a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The server has heard nothing of the statement.
    BeforeTheRequest,
    /// It has heard a half.
    AmidTheRequest,
    /// It has heard all, and whether it has begun is open.
    AfterTheRequest,
    /// It has answered, so it has committed, and the client has heard nothing of that.
    BeforeTheAnswer,
    /// The same, and the client has heard a half.
    AmidTheAnswer,
    /// The same, but the connection stays open, and nothing comes.
    Silence,
}

impl Moment {
    pub(crate) const ALL: [Self; 6] = [
        Self::BeforeTheRequest,
        Self::AmidTheRequest,
        Self::AfterTheRequest,
        Self::BeforeTheAnswer,
        Self::AmidTheAnswer,
        Self::Silence,
    ];

    /// Whether the statement has been carried out; `None` if that is open.
    pub(crate) fn is_done(self) -> Option<bool> {
        match self {
            Self::BeforeTheRequest | Self::AmidTheRequest => Some(false),
            Self::AfterTheRequest => None,
            Self::BeforeTheAnswer | Self::AmidTheAnswer | Self::Silence => Some(true),
        }
    }
}

#[derive(Default)]
struct Plan {
    /// A part of the statement, and when.
    next: Option<(&'static str, Moment)>,
    refuses: bool,
}

type Shared = Arc<Mutex<Plan>>;

/// Ends with this value, and all its connections with it.
pub(crate) struct Proxy {
    url: String,
    plan: Shared,
    /// Changes when all connections are to break.
    breaks: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A way to the server of that URL.
    pub(crate) async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut far = url::Url::parse(url).unwrap();
        let server = format!("{}:{}", far.host_str().unwrap(), far.port().unwrap_or(5432));
        far.set_host(Some("127.0.0.1")).unwrap();
        far.set_port(Some(port)).unwrap();
        far.set_query(Some("sslmode=disable"));
        let (breaks, broken) = watch::channel(0);
        let plan = Shared::default();
        let task = tokio::spawn(listen(listener, server, Arc::clone(&plan), broken));
        Self { url: far.into(), plan, breaks, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Breaks the connection that next runs a statement with `part` in it.
    pub(crate) fn cut(&self, part: &'static str, moment: Moment) {
        self.plan.lock().unwrap().next = Some((part, moment));
    }

    /// Whether it came to that.
    pub(crate) fn has_cut(&self) -> bool {
        self.plan.lock().unwrap().next.take().is_none()
    }

    /// Breaks all connections and lets nobody in any more, or lets them in again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.plan.lock().unwrap().refuses = refuses;
        if refuses {
            self.cut_all();
        }
    }

    /// Breaks all connections.
    pub(crate) fn cut_all(&self) {
        self.breaks.send_modify(|times| *times += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, server: String, plan: Shared, broken: watch::Receiver<u64>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        if plan.lock().unwrap().refuses {
            continue;
        }
        let (server, plan, mut broken) = (server.clone(), Arc::clone(&plan), broken.clone());
        broken.mark_unchanged();
        connections.spawn(async move {
            // Whatever ends, the other side ends as well.
            tokio::select! {
                _ = broken.changed() => {}
                _ = carry(client, &server, &plan) => {}
            }
        });
    }
}

async fn carry(client: TcpStream, server: &str, plan: &Shared) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let held_back = Mutex::new(None);
    tokio::select! {
        ended = carry_requests(from_client, to_server, plan, &held_back) => ended,
        ended = carry_answers(from_server, to_client, &held_back) => ended,
    }
}

/// Carries messages to the server. It returns when the connection is to break.
async fn carry_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    plan: &Shared,
    held_back: &Mutex<Option<Moment>>,
) -> std::io::Result<()> {
    // The first message has no type before its length.
    let mut first = from.read_u32().await?.to_be_bytes().to_vec();
    read_rest(&mut from, &mut first).await?;
    to.write_all(&first).await?;
    let mut statements = HashMap::new();
    let mut last_message = false;
    loop {
        let message = read_message(&mut from).await?;
        let mut texts = message[5..].split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        if message[0] == b'P' {
            let name = texts.next().unwrap_or_default();
            statements.insert(name, texts.next().unwrap_or_default());
        }
        // The name of the result stands before that of the statement. What runs without one stands there itself.
        let statement = match message[0] {
            b'B' => texts.nth(1).and_then(|name| statements.get(&name)).cloned(),
            b'Q' => texts.next(),
            _ => None,
        };
        match due(plan, statement.as_ref()) {
            None => {}
            Some(Moment::BeforeTheRequest) => return Ok(()),
            Some(Moment::AmidTheRequest) => return to.write_all(&message[..message.len() / 2]).await,
            Some(Moment::AfterTheRequest) => last_message = true,
            Some(moment) => *held_back.lock().unwrap() = Some(moment),
        }
        to.write_all(&message).await?;
        if last_message && matches!(message[0], b'S' | b'Q') {
            return Ok(());
        }
    }
}

/// Whether the connection is to break with this statement.
fn due(plan: &Shared, statement: Option<&String>) -> Option<Moment> {
    let next = &mut plan.lock().unwrap().next;
    next.take_if(|(part, _)| statement.is_some_and(|text| text.contains(*part))).map(|(_, moment)| moment)
}

/// Carries messages to the client. It returns when the connection is to break.
async fn carry_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    held_back: &Mutex<Option<Moment>>,
) -> std::io::Result<()> {
    let mut answer = Vec::new();
    loop {
        let message = read_message(&mut from).await?;
        let moment = *held_back.lock().unwrap();
        let Some(moment) = moment else {
            to.write_all(&message).await?;
            continue;
        };
        answer.extend_from_slice(&message);
        if message[0] == b'Z' {
            match moment {
                Moment::AmidTheAnswer => to.write_all(&answer[..answer.len() / 2]).await?,
                Moment::Silence => std::future::pending().await,
                _ => {}
            }
            return Ok(());
        }
    }
}

/// A type, a length that counts itself, and so many bytes.
async fn read_message(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    read_rest(from, &mut message).await?;
    Ok(message)
}

/// Reads the rest of a message whose length came last.
async fn read_rest(from: &mut OwnedReadHalf, message: &mut Vec<u8>) -> std::io::Result<()> {
    let head = message.len();
    let length = u32::from_be_bytes(message[head - 4..].try_into().unwrap()) as usize;
    message.resize(head - 4 + length, 0);
    from.read_exact(&mut message[head..]).await?;
    Ok(())
}

/// Waits for something that comes soon by itself.
pub(crate) async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it takes too long: {what}");
}
