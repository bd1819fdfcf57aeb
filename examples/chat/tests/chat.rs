//! The chat as its members see it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::*;
use sockeye::tokio::{self as ws};
use sockeye_chat::protocol::{Date, FromClient, FromServer};

#[tokio::test]
async fn signing_in_and_talking() {
    let host = Host::start(|_| {}).await;
    let mut ana = host.client("lobby").await;
    let id = ana.id;
    let before = Date::now();
    ana.sign_in("Ana").await;
    let FromServer::Username { id: of, name, date } = ana.next().await else { panic!() };
    assert_eq!((of, name.as_str()), (id, "Ana"));
    assert!((before..=Date::now()).contains(&date), "stamped by the server");
    assert_eq!(ana.next().await, FromServer::UserList { users: vec!["Ana".into()] });

    let mut ben = host.member("Ben").await;
    let FromServer::Username { name, .. } = ana.next().await else { panic!() };
    assert_eq!(name, "Ben");
    assert_eq!(ana.users().await, ["Ana", "Ben"]);

    let message = FromClient::Message { text: "Hello!".into(), id, date: Date(1) };
    ana.send(&message).await;
    for client in [&mut ana, &mut ben] {
        let FromServer::Message { id: of, name, text, date } = client.next().await else {
            panic!()
        };
        assert_eq!((of, name.as_str(), text.as_str()), (id, "Ana", "Hello!"));
        assert!(date >= before, "not by the clock of the client");
    }

    drop(ben);
    assert_eq!(ana.users().await, ["Ana"], "who goes is off the list");
    assert_eq!(host.end().await, 1, "who does not answer the Close is dropped");
}

#[tokio::test]
async fn names_are_unique() {
    let host = Host::start(|_| {}).await;
    let mut ana = host.member("Ana").await;
    let mut other = host.client("lobby").await;
    other.sign_in(" ANA\u{202e} ").await;
    let id = other.id;
    assert_eq!(other.next().await, FromServer::RejectUsername { id, name: "ANA2".into() });
    let FromServer::Username { name, .. } = other.next().await else { panic!() };
    assert_eq!(name, "ANA2");
    ana.sees(&["Ana", "ANA2"]).await;

    let mut server = host.client("lobby").await;
    server.sign_in("sErVeR").await;
    let id = server.id;
    assert_eq!(server.next().await, FromServer::RejectUsername { id, name: "sErVeR2".into() });

    // Another name, and one's own in other letters.
    other.sign_in("ana2").await;
    ana.sees(&["Ana", "ana2", "sErVeR2"]).await;
    other.sign_in("Zoe").await;
    ana.sees(&["Ana", "Zoe", "sErVeR2"]).await;
    let mut third = host.client("lobby").await;
    third.sign_in("ana2").await;
    let FromServer::Username { name, .. } = third.next().await else { panic!("it is free again") };
    assert_eq!(name, "ana2");
}

#[tokio::test]
async fn rooms_hear_nothing_of_each_other() {
    let host = Host::start(|_| {}).await;
    let mut ana = host.member("Ana").await;
    let mut other = host.client("tea-room_2").await;
    other.sign_in("Ana").await;
    assert_eq!(other.users().await, ["Ana"], "free in this room");
    other.say("here").await;
    other.hears().await;
    ana.say("there").await;
    let FromServer::Message { text, .. } = ana.next().await else { panic!() };
    assert_eq!(text, "there", "and nothing before it");
}

#[tokio::test]
async fn text_stays_text() {
    let host = Host::start(|_| {}).await;
    let mut ana = host.member("<i>Ana</i>").await;
    for text in [
        "<img src=x onerror=alert(1)>",
        "&lt;b&gt; \"quoted\" 'so' \\n",
        "two\nlines\tand a tab",
        "\u{ffff} \u{1fffe} \u{2028} \u{202e}!",
        "שלום 👋🏽 مرحبا",
    ] {
        ana.say(text).await;
        assert_eq!(ana.hears().await, ("<i>Ana</i>".into(), text.into()));
    }
    ana.say(" \u{0}x\u{1b}[31m\r\n ").await;
    assert_eq!(ana.hears().await.1, "x[31m");
}

#[tokio::test]
async fn what_is_not_passed_on_is_told() {
    let host = Host::start(|settings| settings.limits.max_text = 10).await;
    let mut ana = host.member("Ana").await;
    ana.say("12345678901").await;
    let notice = ana.notice().await;
    assert_eq!(notice, "Your message was not passed on: it has 11 characters, and 10 is the most.");
    ana.say(" \n ").await;
    assert_eq!(ana.notice().await, "An empty message is not passed on.");
    ana.say("éééééééééé").await;
    assert_eq!(ana.hears().await.1, "éééééééééé");
}

#[tokio::test]
async fn faults_are_answered() {
    let host = Host::start(|_| {}).await;
    let cases: [(&str, u16, &str); 6] = [
        ("", 1007, "not a message of this chat: EOF"),
        ("{", 1007, "not a message of this chat: EOF"),
        (
            r#"{"type":"shout","id":ID,"date":1}"#,
            1007,
            "not a message of this chat: unknown variant",
        ),
        (r#"{"type":"username","id":ID,"date":1}"#, 1007, "not a message of this chat: missing"),
        (r#"{"type":"username","name":"A","id":7,"date":1}"#, 1008, "not your id"),
        (r#"{"type":"message","text":"x","id":ID,"date":1}"#, 1008, "your username comes first"),
    ];
    for (json, code, reason) in cases {
        let mut client = host.client("lobby").await;
        let json = json.replace("ID", &client.id.to_string());
        client.ws.send(json.as_str()).await.unwrap();
        let closed = client.closed().await;
        assert_eq!(closed.0, code, "{json}: {closed:?}");
        assert!(closed.1.starts_with(reason), "{json}: {closed:?}");
    }
    let mut client = host.client("lobby").await;
    client.ws.send(&b"\x00\x01"[..]).await.unwrap();
    assert_eq!(client.closed().await, (1003, "messages are text here".into()));
    // A reason quotes what came, and is cut to fit.
    let mut client = host.client("lobby").await;
    client.ws.send(format!("{{\"type\":\"{}\"}}", "é".repeat(500))).await.unwrap();
    let closed = client.closed().await;
    assert_eq!(closed.0, 1007);
    assert!((100..=123).contains(&closed.1.len()));
}

#[tokio::test]
async fn a_message_too_large() {
    let host = Host::start(|settings| settings.limits.max_message = 1000).await;
    let mut ana = host.member("Ana").await;
    let mut ben = host.member("Ben").await;
    ana.ws.send("x".repeat(1001)).await.unwrap();
    assert_eq!(ana.closed().await.0, 1009);
    ben.sees(&["Ben"]).await;
    // In pieces that are none too large.
    let half = [b'x'; 501];
    ben.ws.command(|ws, out| ws.send_text_fragment(&half, false, out)).await.unwrap();
    ben.ws.command(|ws, out| ws.send_text_fragment(&half, true, out)).await.unwrap();
    assert_eq!(ben.closed().await.0, 1009);
}

#[tokio::test]
async fn who_says_no_name_goes() {
    let host = Host::start(|settings| {
        settings.limits.sign_in = std::time::Duration::from_millis(50);
    })
    .await;
    let client = host.client("lobby").await;
    assert_eq!(client.closed().await, (1008, "your username comes first".into()));
}

#[tokio::test]
async fn who_gives_no_sign_of_life_goes() {
    let ping = std::time::Duration::from_millis(50);
    let host = Host::start(|settings| settings.limits.ping = ping).await;
    let mut ana = host.member("Ana").await;
    let mut silent = host.client("lobby").await;
    silent.sign_in("Silent").await;
    ana.sees(&["Ana", "Silent"]).await;
    // Nobody reads from it, so that nothing is answered.
    ana.sees(&["Ana"]).await;
}

#[tokio::test]
async fn who_is_idle_goes() {
    let idle = std::time::Duration::from_millis(50);
    let host = Host::start(|settings| settings.limits.idle = idle).await;
    assert_eq!(host.member("Ana").await.closed().await.0, 1001);
}

#[tokio::test]
async fn who_talks_too_much_is_told_and_then_closed() {
    let host = Host::start(|settings| {
        settings.limits.burst = 3;
        settings.limits.refill = std::time::Duration::from_secs(3600);
        settings.limits.max_strikes = 5;
    })
    .await;
    let mut ben = host.member("Ben").await;
    let mut ana = host.member("Ana").await; // which is the first of three
    for n in 0..7 {
        ana.say(&format!("{n}")).await;
    }
    assert_eq!(ana.hears().await.1, "0");
    assert_eq!(ana.hears().await.1, "1");
    assert_eq!(ana.notice().await, "Too fast: what you sent last was not passed on.");
    ana.say("7").await; // the sixth over the rate
    assert_eq!(ana.closed().await, (1008, "too many messages".into()));
    assert_eq!(ben.hears().await.1, "0");
    assert_eq!(ben.hears().await.1, "1");
    ben.sees(&["Ben"]).await;
}

#[tokio::test]
async fn there_is_room_for_so_many() {
    let host = Host::start(|settings| {
        settings.limits.max_room = 2;
        settings.limits.max_members = 3;
    })
    .await;
    let first = host.client("one").await;
    let _second = host.client("one").await;
    let full = |result| match result {
        Err(ws::Error::Refused(refused)) => {
            assert_eq!(refused.status(), 503);
            assert_eq!(refused.header("Retry-After"), Some(&b"10"[..]));
            String::from_utf8_lossy(refused.body()).into_owned()
        }
        other => panic!("{:?}", other.is_ok()),
    };
    assert_eq!(full(ws::connect(host.endpoint("one")).await), "The room is full.\n");
    let _third = host.client("two").await;
    assert_eq!(full(ws::connect(host.endpoint("two")).await), "The server is full.\n");
    // Places come back when somebody goes; the server may take a moment.
    let mut first = first;
    first.ws.close(sockeye::CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    within("a place", async {
        while Client::connect(host.endpoint("one")).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn everybody_is_told_when_the_server_goes() {
    let host = Host::start(|_| {}).await;
    let (ana, ben) = (host.member("Ana").await, host.client("other").await);
    let (dropped, ana, ben) = tokio::join!(host.end(), ana.closed(), ben.closed());
    assert_eq!((ana.0, ben.0, dropped), (1001, 1001, 0));
}

#[tokio::test]
async fn a_broadcast_is_encoded_once() {
    let host = Host::start(|_| {}).await;
    let mut members = Vec::new();
    for n in 0..10 {
        // One after the other, so that all lists are known to have come.
        members.push(host.member(&format!("member {n}")).await);
        for member in &mut members[..n] {
            member.users().await;
        }
    }
    let before = host.told();
    let long = "compressed once as well ".repeat(50);
    members[0].say(&long).await;
    for member in &mut members {
        assert_eq!(member.hears().await.1, long.trim());
    }
    let after = host.told();
    assert_eq!(after.encoded - before.encoded, 1);
    assert_eq!(after.queued - before.queued, 10);
}

#[tokio::test]
async fn what_is_agreed_on() {
    let host = Host::start(|_| {}).await;
    let offering = host.endpoint("lobby").subprotocol("xml").subprotocol("json");
    let ws = ws::connect(offering.config(compressing())).await.unwrap();
    assert_eq!(ws.connection().subprotocol(), Some("json"));
    let params = ws.connection().deflate_params().expect("compression");
    assert!(params.server_no_context_takeover && params.client_no_context_takeover);
    let ws = ws::connect(host.endpoint("lobby").subprotocol("xml")).await.unwrap();
    assert_eq!(ws.connection().subprotocol(), None);
}
