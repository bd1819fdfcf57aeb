//! Servers and clients for the tests.

// Each file of tests uses some of it.
#![allow(dead_code, clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye::net::Endpoint;
use sockeye::tokio::{self as ws, Error, Stream, WebSocket};
use sockeye::{Closed, Config, DeflateConfig};
use sockeye_chat::protocol::{Date, FromClient, FromServer, SERVER_ID};
use sockeye_chat::server::rooms::Told;
use sockeye_chat::server::{Server, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long anything may take that should happen at all.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, work).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing in {PATIENCE:?}"),
    }
}

/// A server that runs.
pub struct Host {
    pub addr: SocketAddr,
    told: Box<dyn Fn() -> Told + Send + Sync>,
    end: oneshot::Sender<()>,
    task: JoinHandle<usize>,
}

impl Host {
    /// With settings changed as the test likes them.
    pub async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { listen: "127.0.0.1:0".into(), ..Settings::default() };
        change(&mut settings);
        let server = Server::bind(settings).await.unwrap();
        let addr = server.local_addr().unwrap();
        let told = Box::new(server.teller());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = ended.await;
        }));
        Self { addr, told, end, task }
    }

    /// Ends it in good order; says how many connections had to be dropped.
    pub async fn end(self) -> usize {
        self.end.send(()).unwrap();
        within("the end", self.task).await.unwrap()
    }

    pub fn told(&self) -> Told {
        (self.told)()
    }

    pub fn endpoint(&self, room: &str) -> Endpoint {
        endpoint(self.addr, room)
    }

    /// Comes into the room.
    pub async fn client(&self, room: &str) -> Client {
        Client::connect(self.endpoint(room)).await.unwrap()
    }

    /// Comes into the lobby and signs in; reads up to the list of members.
    pub async fn member(&self, name: &str) -> Client {
        let mut client = self.client("lobby").await;
        client.sign_in(name).await;
        client.users().await;
        client
    }

    /// Status, head and body of the answer to a request.
    pub async fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        within("the reply", stream.read_to_string(&mut reply)).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        let status = head.get(9..12).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    pub async fn get(&self, path: &str) -> (u16, String, String) {
        let host = self.addr;
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
    }
}

pub fn endpoint(addr: SocketAddr, room: &str) -> Endpoint {
    Endpoint::new("127.0.0.1", addr.port(), &format!("/socket/{room}")).without_waiting()
}

/// What clients take: compression, and lists of any length.
pub fn compressing() -> Arc<Config> {
    let mut config = Config::default();
    config.deflate = Some(DeflateConfig::default());
    Arc::new(config)
}

/// A client that was given its id.
pub struct Client {
    pub ws: WebSocket<Stream>,
    pub id: u64,
}

impl Client {
    pub async fn connect(endpoint: Endpoint) -> Result<Self, Error> {
        let ws = within("connecting", ws::connect(endpoint)).await?;
        Ok(Self::greeted(ws).await)
    }

    /// The first message is the id.
    pub async fn greeted(ws: WebSocket<Stream>) -> Self {
        let mut client = Self { ws, id: 0 };
        let FromServer::Id { id } = client.next().await else { panic!("no id first") };
        client.id = id;
        client
    }

    pub async fn send(&mut self, message: &FromClient) {
        self.ws.send(message.to_json()).await.unwrap();
    }

    pub async fn sign_in(&mut self, name: &str) {
        let message = FromClient::Username { name: name.into(), id: self.id, date: Date::now() };
        self.send(&message).await;
    }

    pub async fn say(&mut self, text: &str) {
        let message = FromClient::Message { text: text.into(), id: self.id, date: Date::now() };
        self.send(&message).await;
    }

    pub async fn next(&mut self) -> FromServer {
        let message = within("a message", self.ws.read()).await.unwrap();
        let message = message.unwrap_or_else(|| panic!("closed: {:?}", self.ws.closed()));
        FromServer::from_json(message.as_text().expect("text")).unwrap()
    }

    /// Passes over what `pick` gives nothing for.
    pub async fn until<T>(&mut self, what: &str, pick: impl Fn(FromServer) -> Option<T>) -> T {
        within(what, async {
            loop {
                if let Some(picked) = pick(self.next().await) {
                    return picked;
                }
            }
        })
        .await
    }

    /// The next list of members.
    pub async fn users(&mut self) -> Vec<String> {
        self.until("a list", |message| match message {
            FromServer::UserList { users } => Some(users),
            _ => None,
        })
        .await
    }

    /// Waits until just these are there, in any order.
    pub async fn sees(&mut self, names: &[&str]) {
        let mut names: Vec<&str> = names.to_vec();
        names.sort_unstable();
        self.until(&format!("{names:?}"), |message| match message {
            FromServer::UserList { mut users } => {
                users.sort_unstable();
                (users == names).then_some(())
            }
            _ => None,
        })
        .await;
    }

    /// The next that a member says: name and text.
    pub async fn hears(&mut self) -> (String, String) {
        self.until("something said", |message| match message {
            FromServer::Message { id, name, text, .. } if id != SERVER_ID => Some((name, text)),
            _ => None,
        })
        .await
    }

    /// The next notice of the server's.
    pub async fn notice(&mut self) -> String {
        self.until("a notice", |message| match message {
            FromServer::Message { id, name, text, .. } if id == SERVER_ID => {
                assert_eq!(name, "Server");
                Some(text)
            }
            _ => None,
        })
        .await
    }

    /// Reads on until the connection is closed in good order; says how.
    pub async fn closed(mut self) -> (u16, String) {
        let closed = within("the end", self.end()).await;
        (closed.code().get(), closed.reason().to_owned())
    }

    async fn end(&mut self) -> Closed {
        while self.ws.read().await.unwrap().is_some() {}
        self.ws.closed().expect("it was")
    }
}
