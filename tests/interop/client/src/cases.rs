//! The cases. What we do is judged by what the peer says that it saw.

use std::fmt::Debug;
use std::time::Instant;

use sockeye::net::Error;
use sockeye::{CloseCode, CloseFrame, Message, Side};

use crate::Suite;
use crate::adapter::{Came, Socket};
use crate::peer::{Outcome, Peer, check_closed, hex, same, same_message};

const SIZES: [(&str, usize); 8] = [
    ("0 B", 0),
    ("1 B", 1),
    ("125 B", 125),
    ("126 B", 126),
    ("65535 B", 65535),
    ("65536 B", 65536),
    ("1 MiB", 1 << 20),
    ("16 MiB", 16 << 20),
];
const CODES: [u16; 16] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];
const REASON: &str = "Grüße, 世界 🦦";
const STATUSES: [u16; 7] = [301, 400, 401, 403, 404, 426, 503];
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

pub fn run(suite: &mut Suite<'_>) {
    for (name, size) in SIZES {
        suite.case(&format!("echo text {name}"), |peer| echo(peer, &text(size)));
    }
    for (name, size) in SIZES {
        suite.case(&format!("echo binary {name}"), |peer| echo(peer, &binary(size)));
    }

    suite.case("fragments from us, text cut inside characters", |peer| {
        send_fragments(peer, &text(100), 100, false)
    });
    suite
        .case("fragments from us, binary", |peer| send_fragments(peer, &binary(1 << 20), 3, false));
    suite.case("fragments from us, with Pings in between", |peer| {
        send_fragments(peer, &text(100), 33, true)
    });
    suite.case("fragments from us, empty ones", |peer| send_fragments(peer, &text(0), 20, false));
    for pieces in [2, 3, 7, 100] {
        suite.case(&format!("fragments from the peer, text in {pieces}"), |peer| {
            receive_fragments(peer, &text(100), pieces)
        });
    }
    suite.case("fragments from the peer, binary in 7", |peer| {
        receive_fragments(peer, &binary(1 << 20), 7)
    });

    let longest = "é".repeat(62) + "x";
    let pings =
        [("empty", ""), ("short", "hello"), ("not ASCII", "Grüße 🦦"), ("125 bytes", &longest)];
    for (name, payload) in pings {
        suite.case(&format!("Ping from us, {name}"), |peer| ping(peer, payload));
    }
    suite.case("Ping from us, several at once", ping_often);
    suite.case("Pong from us that nobody asked for", unsolicited_pong);
    for (name, payload) in pings {
        suite.case(&format!("Ping from the peer, {name}"), |peer| pinged(peer, payload));
    }

    let mut closes: Vec<(String, CloseFrame)> = Vec::new();
    for code in CODES {
        closes.push((code.to_string(), CloseFrame::new(code.into(), REASON)));
    }
    let longest = "é".repeat(61) + "x";
    closes.push(("without a body".into(), CloseFrame::EMPTY));
    closes.push(("without a reason".into(), CloseFrame::new(1000.into(), "")));
    closes.push(("with the longest reason".into(), CloseFrame::new(1000.into(), &longest)));
    for (name, frame) in &closes {
        suite.case(&format!("closed by us, {name}"), |peer| close(peer, *frame));
    }
    for (name, frame) in &closes {
        suite.case(&format!("closed by the peer, {name}"), |peer| closed(peer, *frame));
    }

    suite.case("subprotocol, agreed on the first", |peer| {
        subprotocol(peer, &["chat.v2", "chat.v1"], "chat.v2")
    });
    suite.case("subprotocol, agreed on the second", |peer| {
        subprotocol(peer, &["chat.v2", "chat.v1"], "chat.v1")
    });
    suite.case("subprotocol, none in common", |peer| {
        subprotocol(peer, &["chat.v2", "chat.v1"], "other")
    });
    suite.case("subprotocol, none offered", |peer| subprotocol(peer, &[], "chat.v1"));

    for status in STATUSES {
        suite.case(&format!("refused with {status}"), |peer| refused(peer, status));
    }
    for status in REDIRECTS {
        suite.case(&format!("redirected with {status}"), |peer| redirected(peer, status));
    }
    suite.case("redirect that is not followed", redirect_not_followed);

    suite.case("1,000 messages at once, echoed", burst);
    suite.case("1,000 messages at once, pushed", pushed);

    suite.case("cut off by the peer", cut_by_peer);
    suite.case("cut off by the peer, our Close unanswered", cut_when_closing);
    suite.case("cut off by us", cut_by_us);
}

/// Characters of one to four bytes.
fn text(size: usize) -> Message<'static> {
    ("aé世🦦".repeat(size / 10) + &"a".repeat(size % 10)).into()
}

fn binary(size: usize) -> Message<'static> {
    (0..251).cycle().take(size).collect::<Vec<u8>>().into()
}

/// Into so many pieces, of as equal a length as can be.
pub fn split(data: &[u8], pieces: usize) -> Vec<&[u8]> {
    let mut rest = data;
    let cut = |left| {
        let (piece, behind) = rest.split_at(rest.len() / left);
        rest = behind;
        piece
    };
    (1..=pieces).rev().map(cut).collect()
}

pub fn frame_name(message: &Message<'_>) -> &'static str {
    if message.as_text().is_some() { "text" } else { "binary" }
}

fn send_and_get(ws: &mut dyn Socket, message: &Message<'_>) -> Outcome {
    ws.send(message.into())?;
    same_message(ws.read()?, message, "echo")
}

fn ping_with(ws: &mut dyn Socket, payload: &[u8]) -> Result<(), Error> {
    ws.command(&mut |ws, out| ws.send_ping(payload, out))
}

fn echo(peer: &Peer<'_>, message: &Message<'_>) -> Outcome {
    let report = peer.with(&[], |ws| send_and_get(ws, message))?;
    let frame = format!("{}:{}", frame_name(message), message.as_bytes().len());
    report.check_frames(&[frame])
}

fn send_fragments(
    peer: &Peer<'_>,
    message: &Message<'_>,
    pieces: usize,
    with_pings: bool,
) -> Outcome {
    let mut sent = Vec::new();
    let report = peer.with(&[], |ws| {
        for (n, piece) in split(message.as_bytes(), pieces).into_iter().enumerate() {
            if with_pings && n > 0 {
                let payload = format!("between {n}");
                ping_with(ws, payload.as_bytes())?;
                sent.push(format!("ping:{}", hex(payload.as_bytes())));
            }
            let fin = n == pieces - 1;
            ws.command(&mut |ws, out| match message {
                Message::Text(_) => ws.send_text_fragment(piece, fin, out),
                Message::Binary(_) => ws.send_binary_fragment(piece, fin, out),
            })?;
            let name = if n == 0 { frame_name(message) } else { "cont" };
            sent.push(format!("{name}{}:{}", if fin { "" } else { "*" }, piece.len()));
        }
        // All Pongs came before the echo: none was asked for after the last
        // frame.
        for n in (1..pieces).filter(|_| with_pings) {
            let pong = Came::Pong(format!("between {n}").into());
            same(&ws.next()?, &Some(pong), "Pong")?;
        }
        same(&ws.next()?, &Some(Came::Message(message.clone().into_owned())), "echo")
    })?;
    report.check_frames(&sent)
}

/// The peer sends a Ping after each frame but the last, and an empty frame at
/// the end.
fn receive_fragments(peer: &Peer<'_>, message: &Message<'_>, pieces: usize) -> Outcome {
    let payloads: Vec<Vec<u8>> = (1..pieces).map(|n| format!("between {n}").into()).collect();
    let report = peer.with(&[("fragment", &pieces.to_string())], |ws| {
        ws.send(message.into())?;
        for payload in &payloads {
            same(&ws.next()?, &Some(Came::Ping(payload.clone())), "Ping")?;
        }
        same(&ws.next()?, &Some(Came::Message(message.clone().into_owned())), "echo")
    })?;
    let pongs: Vec<_> = payloads.iter().map(|payload| format!("pong:{}", hex(payload))).collect();
    report.check_frames_named("pong", &pongs)
}

fn ping(peer: &Peer<'_>, payload: &str) -> Outcome {
    let report = peer.with(&[], |ws| {
        ping_with(ws, payload.as_bytes())?;
        same(&ws.next()?, &Some(Came::Pong(payload.into())), "Pong")
    })?;
    report.check_frames(&[format!("ping:{}", hex(payload.as_bytes()))])
}

fn ping_often(peer: &Peer<'_>) -> Outcome {
    peer.with(&[], |ws| {
        for n in 0..20 {
            ping_with(ws, format!("number {n}").as_bytes())?;
        }
        ws.send("and a text".into())?;
        for n in 0..20 {
            same(&ws.next()?, &Some(Came::Pong(format!("number {n}").into())), "Pong")?;
        }
        same(&ws.next()?, &Some(Came::Message("and a text".into())), "echo")
    })?;
    Ok(())
}

fn unsolicited_pong(peer: &Peer<'_>) -> Outcome {
    let report = peer.with(&[], |ws| {
        ws.command(&mut |ws, out| ws.send_pong(b"unasked", out))?;
        send_and_get(ws, &"hello".into())
    })?;
    report.check_frames(&[format!("pong:{}", hex(b"unasked")), "text:5".into()])
}

fn pinged(peer: &Peer<'_>, payload: &str) -> Outcome {
    let report = peer.with(&[("ping", payload)], |ws| {
        same(&ws.next()?, &Some(Came::Ping(payload.into())), "Ping")?;
        let told = format!("pong:{payload}").into();
        same_message(ws.read()?, &told, "what the peer got back")
    })?;
    report.check_frames(&[format!("pong:{}", hex(payload.as_bytes()))])
}

fn close(peer: &Peer<'_>, frame: CloseFrame) -> Outcome {
    let key = peer.key();
    let mut ws = peer.connect(&[("record", &key)])?;
    let started = Instant::now();
    let closed = match frame.code() {
        Some(code) => ws.close(code, frame.reason())?,
        None => {
            ws.command(&mut |ws, out| ws.close(None, "", out))?;
            same(&ws.read()?, &None, "message")?;
            ws.closed().ok_or("closed, and not closed")?
        }
    };
    check_closed(&closed, Side::Local, frame, started)?;
    peer.report(&key)?.check_closed(frame)
}

fn closed(peer: &Peer<'_>, frame: CloseFrame) -> Outcome {
    let key = peer.key();
    let code = frame.code().map(|code| code.get().to_string()).unwrap_or_default();
    let query = [("record", key.as_str()), ("close", &code), ("reason", frame.reason())];
    let started = Instant::now();
    let mut ws = peer.connect(&query)?;
    same(&ws.read()?, &None, "message")?;
    let closed = ws.closed().ok_or("closed, and not closed")?;
    check_closed(&closed, Side::Peer, frame, started)?;
    peer.report(&key)?.check_closed(frame)
}

fn subprotocol(peer: &Peer<'_>, offered: &[&str], spoken: &str) -> Outcome {
    let key = peer.key();
    let mut endpoint = peer.endpoint(&[("record", &key), ("protocol", spoken)])?;
    for name in offered {
        endpoint = endpoint.subprotocol(name);
    }
    let agreed = offered.iter().copied().find(|name| *name == spoken);
    let report = peer.with_endpoint(endpoint, &key, |ws| {
        same(&ws.connection().subprotocol(), &agreed, "subprotocol")?;
        send_and_get(ws, &"hello".into())
    })?;
    same(report.get("protocol")?, agreed.unwrap_or_default(), "subprotocol for the peer")
}

fn refused(peer: &Peer<'_>, status: u16) -> Outcome {
    match peer.connect(&[("status", &status.to_string())]) {
        Err(Error::Refused(refused)) => {
            same(&refused.status(), &status, "status")?;
            let body = format!("you asked for {status} – bitte schön\n");
            same(&*String::from_utf8_lossy(refused.body()), &*body, "body")
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("not refused".into()),
    }
}

fn redirected(peer: &Peer<'_>, status: u16) -> Outcome {
    let key = peer.key();
    let there = format!("/there?record={key}&protocol=chat.v1");
    let endpoint = peer.endpoint(&[("status", &status.to_string()), ("location", &there)])?;
    let report = peer.with_endpoint(endpoint.subprotocol("chat.v1"), &key, |ws| {
        same(&ws.connection().subprotocol(), &Some("chat.v1"), "subprotocol")?;
        send_and_get(ws, &"hello".into())
    })?;
    report.check_frames(&["text:5".into()])
}

fn redirect_not_followed(peer: &Peer<'_>) -> Outcome {
    let endpoint = peer.endpoint(&[("status", "302"), ("location", "/there")])?;
    match peer.open(endpoint.max_redirects(0)) {
        Err(Error::Refused(refused)) => {
            same(&refused.status(), &302, "status")?;
            same(&refused.header("location"), &Some(&b"/there"[..]), "Location")
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("not refused".into()),
    }
}

fn burst(peer: &Peer<'_>) -> Outcome {
    let mut sent = Vec::new();
    let report = peer.with(&[], |ws| {
        for n in 0..1000 {
            let message = format!("message {n}");
            sent.push(format!("text:{}", message.len()));
            ws.send(message.into())?;
        }
        for n in 0..1000 {
            same_message(ws.read()?, &format!("message {n}").into(), "echo")?;
        }
        Ok(())
    })?;
    report.check_frames(&sent)
}

fn pushed(peer: &Peer<'_>) -> Outcome {
    peer.with(&[("push", "1000")], |ws| {
        for n in 0..1000 {
            same_message(ws.read()?, &n.to_string().into(), "message")?;
        }
        Ok(())
    })?;
    Ok(())
}

fn cut_by_peer(peer: &Peer<'_>) -> Outcome {
    let mut ws = peer.connect(&[("abort", "")])?;
    check_cut(ws.read())?;
    let closed = ws.closed().ok_or("still open")?;
    same(&closed.is_clean(), &false, "clean")?;
    same(&closed.code(), &CloseCode::ABNORMAL_CLOSURE, "code")?;
    same(&closed.received(), &None, "received")?;
    same(&closed.by(), &Side::Peer, "ended by")
}

fn cut_when_closing(peer: &Peer<'_>) -> Outcome {
    let mut ws = peer.connect(&[("deaf", ""), ("abort", "")])?;
    same_message(ws.read()?, &"deaf".into(), "message")?;
    check_cut(ws.close(CloseCode::GOING_AWAY, REASON))?;
    let closed = ws.closed().ok_or("still open")?;
    same(&closed.is_clean(), &false, "clean")?;
    same(&closed.code(), &CloseCode::ABNORMAL_CLOSURE, "code")?;
    same(&closed.received(), &None, "received")?;
    same(&closed.sent(), &Some(&CloseFrame::new(CloseCode::GOING_AWAY, REASON)), "sent")?;
    same(&closed.by(), &Side::Local, "ended by")
}

/// The peer's end of the stream came without a Close frame before.
fn check_cut(end: Result<impl Debug, Error>) -> Outcome {
    match end {
        Err(Error::Lost { .. } | Error::Io(_)) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(end) => Err(format!("no error but {end:?}").into()),
    }
}

fn cut_by_us(peer: &Peer<'_>) -> Outcome {
    let key = peer.key();
    let mut ws = peer.connect(&[("record", &key)])?;
    send_and_get(&mut *ws, &"hello".into())?;
    drop(ws);
    let report = peer.report(&key)?;
    same(report.get("code")?, "1006", "code that the peer saw")?;
    same(report.get("clean")?, "false", "clean for the peer")?;
    same(&report.frames()?, &vec!["text:5"], "frames that the peer got")
}
