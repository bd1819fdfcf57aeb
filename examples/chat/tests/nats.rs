//! Several servers that share their rooms, with the real broker: `nats-server`
//! has to be there (`examples/chat/test` sees to it).

#![cfg(all(feature = "nats", unix))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Instant;

use common::*;
use sockeye_chat::bus::{BEAT, FORGET};
use sockeye_chat::protocol::{Date, FromServer};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

const ALONE: &str = "The other servers are out of reach: what is said here stays here for now.";
const TOGETHER: &str = "The other servers are back: everybody hears everybody again.";

/// A broker that runs.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    /// On a port that it chooses, or on this one.
    async fn start(port: Option<u16>) -> Self {
        let wanted = port.map_or("-1".to_owned(), |port| port.to_string());
        let mut child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &wanted])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("nats-server has to be installed: examples/chat/test does that");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let port = Self::listening(log).await;
        Self { child, port }
    }

    /// Reads its log up to where it says the port; goes on reading, so that it
    /// is not held up.
    async fn listening(log: impl AsyncBufRead + Unpin + Send + 'static) -> u16 {
        let mut lines = log.lines();
        let port = within("the broker", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the broker ended");
                if let Some((_, port)) = line.split_once("client connections on 127.0.0.1:") {
                    return port.trim().parse().unwrap();
                }
            }
        })
        .await;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        port
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it; gives its port.
    async fn kill(mut self) -> u16 {
        self.child.kill().await.unwrap();
        self.port
    }
}

/// A process of the chat.
struct Chat {
    child: Child,
    addr: SocketAddr,
}

impl Chat {
    async fn start(url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chat"))
            .args(["--listen", "127.0.0.1:0", "--nats", url])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = within("the address", lines.next_line()).await.unwrap().expect("a line");
        let addr = line.strip_prefix("The chat is open: http://").expect("an address");
        let addr = addr.trim_end_matches('/').parse().unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, addr }
    }

    async fn client(&self, room: &str) -> Client {
        Client::connect(endpoint(self.addr, room)).await.unwrap()
    }

    async fn member(&self, name: &str) -> Client {
        let mut client = self.client("lobby").await;
        client.sign_in(name).await;
        client
    }

    fn assert_runs(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "it ended");
    }
}

#[tokio::test]
async fn two_servers_are_one_chat() {
    let broker = Broker::start(None).await;
    let (mut one, mut two) = (Chat::start(&broker.url()).await, Chat::start(&broker.url()).await);
    let mut ana = one.member("Ana").await;
    ana.sees(&["Ana"]).await;
    // From here on each is known to hear the other.
    let first = two.member("First").await;
    ana.sees(&["Ana", "First"]).await;
    drop(first);
    ana.sees(&["Ana"]).await;
    let mut ben = two.member("Ben").await;
    ben.sees(&["Ana", "Ben"]).await;
    let name = ana.until("who came", |message| match message {
        FromServer::Username { name, .. } => Some(name),
        _ => None,
    });
    assert_eq!(name.await, "Ben");
    ana.sees(&["Ana", "Ben"]).await;

    // Both ways, and with the names of their own.
    ana.say("from one").await;
    assert_eq!(ben.hears().await, ("Ana".into(), "from one".into()));
    assert_eq!(ana.hears().await, ("Ana".into(), "from one".into()));
    ben.say("from two").await;
    assert_eq!(ana.hears().await, ("Ben".into(), "from two".into()));

    // One name for both.
    let mut other = two.member("ANA").await;
    other.sees(&["Ana", "Ben", "ANA2"]).await;
    ana.sees(&["Ana", "Ben", "ANA2"]).await;
    // Another room is another subject.
    let mut zoe = two.client("elsewhere").await;
    zoe.sign_in("Ana").await;
    zoe.sees(&["Ana"]).await;
    drop((zoe, other));
    ana.sees(&["Ana", "Ben"]).await;

    // The broker goes: each goes on alone, and is told.
    let port = broker.kill().await;
    assert_eq!(ana.notice().await, ALONE);
    assert_eq!(ben.notice().await, ALONE);
    ana.sees(&["Ana"]).await;
    ben.sees(&["Ben"]).await;
    ana.say("among ourselves").await;
    assert_eq!(ana.hears().await.1, "among ourselves");
    let mut cat = one.member("Cat").await;
    assert_eq!(cat.notice().await, ALONE, "whoever comes is told");
    ana.sees(&["Ana", "Cat"]).await;

    // It comes back: all is as before, and nobody is told what was missed.
    let broker = Broker::start(Some(port)).await;
    assert_eq!(ana.notice().await, TOGETHER);
    assert_eq!(ben.notice().await, TOGETHER);
    ana.sees(&["Ana", "Ben", "Cat"]).await;
    ben.sees(&["Ana", "Ben", "Cat"]).await;
    cat.say("again").await;
    assert_eq!(ben.hears().await, ("Cat".into(), "again".into()));
    ben.say("together").await;
    assert_eq!(ana.hears().await, ("Cat".into(), "again".into()));
    assert_eq!(ana.hears().await, ("Ben".into(), "together".into()));

    // A server that ends in good order says so; its members are off at once.
    let mut three = Chat::start(&broker.url()).await;
    let mut dan = three.member("Dan").await;
    dan.sees(&["Ana", "Ben", "Cat", "Dan"]).await;
    ana.sees(&["Ana", "Ben", "Cat", "Dan"]).await;
    let pid = three.child.id().expect("it runs").to_string();
    assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
    assert_eq!(dan.closed().await.0, 1001);
    assert!(within("the end", three.child.wait()).await.unwrap().success());
    let ended = Instant::now();
    ana.sees(&["Ana", "Ben", "Cat"]).await;
    assert!(ended.elapsed() < FORGET - BEAT, "it was forgotten and did not say so");

    // One that is killed says nothing, and is forgotten.
    ben.sees(&["Ana", "Ben", "Cat"]).await;
    one.assert_runs();
    one.child.kill().await.unwrap();
    ben.sees(&["Ben"]).await;
    ben.say("still here").await;
    assert_eq!(ben.hears().await.1, "still here");
    two.assert_runs();
}

#[tokio::test]
async fn a_name_given_twice_is_settled() {
    // Nobody listens there yet.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("nats://127.0.0.1:{port}");
    let (one, two) = (Chat::start(&url).await, Chat::start(&url).await);
    let mut first = one.member("Ana").await;
    assert_eq!(first.notice().await, ALONE, "a broker that is not there from the start");
    // The dates differ.
    let now = Date::now();
    while Date::now() <= now {
        tokio::task::yield_now().await;
    }
    let mut second = two.member("ana").await;
    second.sees(&["ana"]).await;

    let _broker = Broker::start(Some(port)).await;
    first.sees(&["Ana", "ana2"]).await;
    let name = second
        .until("another name", |message| match message {
            FromServer::RejectUsername { name, .. } => Some(name),
            _ => None,
        })
        .await;
    assert_eq!(name, "ana2");
    second.sees(&["Ana", "ana2"]).await;
    second.say("so be it").await;
    assert_eq!(first.hears().await, ("ana2".into(), "so be it".into()));
    first.say("mine").await;
    assert_eq!(second.hears().await.0, "ana2");
    assert_eq!(second.hears().await, ("Ana".into(), "mine".into()));
}

#[tokio::test]
async fn what_the_broker_gives_is_not_trusted() {
    let broker = Broker::start(None).await;
    let mut one = Chat::start(&broker.url()).await;
    let mut ana = one.member("Ana").await;
    let nats = async_nats::connect(broker.url()).await.unwrap();
    let (id, room) = (ana.id, "sockeye.chat.lobby");
    // Until this one is heard, nobody listens.
    let heard =
        r#"{"node":5,"event":{"type":"members","members":[{"id":9,"name":"Far","date":1}]}}"#;
    within("a guest", async {
        let sees = ana.sees(&["Far", "Ana"]);
        tokio::pin!(sees);
        loop {
            nats.publish(room, heard.into()).await.unwrap();
            nats.flush().await.unwrap();
            tokio::select! {
                () = &mut sees => return,
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;

    let message = |id: u64, name: &str, text: &str| {
        let (name, text) = (name.to_owned(), text.to_owned());
        let said = FromServer::Message { id, name, text, date: Date(1) }.to_json();
        format!(r#"{{"node":5,"event":{said}}}"#)
    };
    let bad = [
        String::new(),
        "{".into(),
        "[".repeat(100_000),
        message(0, "Server", "the rent is due"),
        message(9, "sErver", "the rent is due"),
        message(9, " Far", "a name that is none"),
        message(9, "Far\u{202e}", "a name that is none"),
        message(id, "Ana", "somebody of this server's"),
        message(9, "Far", &"x".repeat(2001)),
        message(9, "Far", "\u{1b}[2J"),
        message(9, "Far", &"x".repeat(300_000)),
        r#"{"node":5,"event":{"type":"username","id":0,"name":"Nobody","date":1}}"#.into(),
        format!(r#"{{"node":5,"event":{{"type":"username","id":{id},"name":"Ann","date":1}}}}"#),
        r#"{"node":5,"event":{"type":"reboot"}}"#.into(),
    ];
    for bytes in bad {
        nats.publish(room, bytes.into()).await.unwrap();
    }
    nats.publish(room, vec![0xff_u8; 100].into()).await.unwrap();
    nats.publish(room, message(9, "Far", "good").into()).await.unwrap();
    nats.flush().await.unwrap();
    let FromServer::Message { name, text, .. } = ana.next().await else { panic!("nothing else") };
    assert_eq!((name.as_str(), text.as_str()), ("Far", "good"), "the first that is passed on");
    one.assert_runs();
}

#[tokio::test]
async fn an_address_that_is_none_is_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_chat"))
        .args(["--listen", "127.0.0.1:0", "--nats", "nats://:::"])
        .output();
    let output = within("the program", output).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--nats: "), "{output:?}");
}
