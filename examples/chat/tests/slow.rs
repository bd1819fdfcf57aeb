//! A member who does not read.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::*;
use sockeye::tokio::{Error, handshake};
use tokio::net::TcpSocket;

#[tokio::test]
async fn is_let_go_while_the_others_go_on() {
    let host = Host::start(|settings| {
        settings.limits.max_queued = 16 << 10;
        settings.limits.burst = 1_000_000;
    })
    .await;
    let mut ana = host.member("Ana").await;
    let mut ben = host.member("Ben").await;

    // The less its system takes, the sooner the server's queue is full.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(host.addr).await.unwrap();
    let mut slow = handshake(host.endpoint("lobby"), stream).await.unwrap();
    let id = slow.read().await.unwrap().unwrap();
    let id = sockeye_chat::protocol::FromServer::from_json(id.as_text().unwrap()).unwrap();
    let sockeye_chat::protocol::FromServer::Id { id } = id else { panic!("no id first") };
    slow.send(format!(r#"{{"type":"username","name":"Slow","id":{id},"date":1}}"#)).await.unwrap();
    ana.sees(&["Ana", "Ben", "Slow"]).await;
    ben.sees(&["Ana", "Ben", "Slow"]).await;

    let text = "x".repeat(2000);
    let mut said = 0;
    let is_out = async {
        while host.told().dismissed == 0 {
            ana.say(&text).await;
            assert_eq!(ana.hears().await.1, text);
            assert_eq!(ben.hears().await.1, text);
            said += 1;
        }
    };
    within("the queue is full", is_out).await;
    ana.sees(&["Ana", "Ben"]).await;
    ben.sees(&["Ana", "Ben"]).await;
    ana.say("after").await;
    assert_eq!(ben.hears().await.1, "after");
    assert_eq!(host.told().dismissed, 1);

    // Who reads after all gets what was queued, and is told why it ends.
    let mut came = 0;
    let end = async {
        loop {
            match slow.read().await {
                Ok(Some(message)) => {
                    came += u32::from(message.as_bytes().len() > 2000);
                    assert!(!message.as_text().unwrap().contains("after"));
                }
                Ok(None) => break,
                Err(Error::Io(_) | Error::Lost { .. }) => panic!("too late: {said} said"),
                Err(error) => panic!("{error}"),
            }
        }
    };
    within("the end", end).await;
    let closed = slow.closed().unwrap();
    assert_eq!((closed.code().get(), closed.reason()), (1013, "too slow to follow"));
    assert!(came < said && came > 0, "{came} of {said}");
}

#[tokio::test]
async fn is_dropped_if_it_never_reads() {
    let host = Host::start(|settings| {
        settings.limits.max_queued = 16 << 10;
        settings.limits.burst = 1_000_000;
    })
    .await;
    let mut ana = host.member("Ana").await;
    let slow = host.member("Slow").await;
    ana.sees(&["Ana", "Slow"]).await;
    let text = "x".repeat(2000);
    let is_out = async {
        while host.told().dismissed == 0 {
            ana.say(&text).await;
            ana.hears().await;
        }
    };
    within("the queue is full", is_out).await;
    ana.sees(&["Ana"]).await;
    // The end of the server does not wait for it longer than it says.
    let (dropped, ana) = tokio::join!(host.end(), ana.closed());
    assert_eq!((dropped, ana.0), (1, 1001));
    drop(slow);
}
