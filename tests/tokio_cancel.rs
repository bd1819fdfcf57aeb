//! The tokio adapter: a future that is dropped at any await point loses no
//! byte and sends none twice.
//!
//! The stream makes every call wait at first, so that every place where a
//! future can wait is one where it is dropped.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::iter;
use std::pin::Pin;
use std::sync::Arc;

use common::*;
use sockeye::tokio::{Error, WebSocket};
use sockeye::{Cause, Config, Event, Incoming, Message, PreparedMessage, SendError, Side};
use tokio_common::*;

/// How many bytes a call transfers, and how often calls wait: all cuts through
/// a header, and some through a payload.
fn manners() -> Vec<Link> {
    let sizes: [&[usize]; 4] =
        [&[1, 2, 1, 1, 3, 2000], &[5, 1, 4093], &[2, 2, 2, 2, 2, 2, 1000], &[]];
    let mut links = Vec::new();
    for (sizes, is_vectored) in sizes.into_iter().flat_map(|s| [(s, true), (s, false)]) {
        for waits in [1, 2, 3] {
            let link = Link::new("");
            {
                let mut net = link.net();
                (net.sizes, net.waits, net.is_vectored) = (sizes.into(), waits, is_vectored);
            }
            links.push(link);
        }
    }
    links
}

/// Both roles, over each kind of stream.
fn over_all(test: impl Fn(Role, &Link)) {
    for role in ROLES {
        manners().iter().for_each(|manners| test(role, manners));
    }
}

// ---- sending ---------------------------------------------------------------------

type Work<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// A call that sends, and what it sends.
struct Sending {
    name: &'static str,
    start: fn(&mut WebSocket<Link>) -> Work<'_>,
    frames: Vec<Frame>,
    servers_only: bool,
}

const LONG: usize = 5000;

fn sendings() -> Vec<Sending> {
    // Borrowed, so that it is written from where it is.
    static BYTES: [u8; LONG] = [b'x'; LONG];
    let text_of_bytes = std::str::from_utf8(&BYTES).unwrap();
    let sending = |name, start, frames: &[Frame]| Sending {
        name,
        start,
        frames: frames.into(),
        servers_only: false,
    };
    vec![
        sending("short", |ws| Box::pin(ws.send("short")), &[text("short")]),
        sending("empty", |ws| Box::pin(ws.send("")), &[text("")]),
        sending("long", |ws| Box::pin(ws.send(&BYTES[..])), &[binary(BYTES)]),
        sending(
            "long text",
            |ws| Box::pin(ws.send(std::str::from_utf8(&BYTES).unwrap())),
            &[text(text_of_bytes)],
        ),
        sending("ping", |ws| Box::pin(ws.ping(b"there?")), &[ping("there?")]),
        sending(
            "command",
            |ws| {
                Box::pin(ws.command(|ws, out| {
                    ws.send_text_fragment(b"one ", false, out)?;
                    ws.send_text_fragment(b"message", true, out)
                }))
            },
            &[fragment(TEXT, "one "), frame(CONTINUATION, "message")],
        ),
        sending("flush", |ws| Box::pin(ws.flush()), &[]),
        sending("room", |ws| Box::pin(ws.room()), &[]),
        Sending {
            servers_only: true,
            ..sending(
                "prepared",
                |ws| {
                    Box::pin(async {
                        let message = PreparedMessage::text("prepared");
                        ws.send_prepared(&message).await
                    })
                },
                &[text("prepared")],
            )
        },
        Sending {
            servers_only: true,
            ..sending(
                "prepared and long",
                |ws| {
                    Box::pin(async {
                        let message = PreparedMessage::binary(&BYTES);
                        ws.send_prepared(&message).await
                    })
                },
                &[binary(BYTES)],
            )
        },
    ]
}

/// Runs each call over each stream, dropped after every number of polls; `check`
/// is told what was written, and by how many polls of the call.
fn drop_everywhere(
    config: &Arc<Config>,
    before: &[&str],
    check: impl Fn(Role, &Sending, usize, Vec<(u8, Vec<u8>)>),
) {
    for (sending, role) in sendings().iter().flat_map(|s| ROLES.map(|r| (s, r))) {
        if sending.servers_only && role == Role::Client {
            continue;
        }
        for manners in manners() {
            let mut is_done = false;
            for polls in 0.. {
                let link = manners.afresh("");
                let mut ws = end_on(role, link.clone(), config);
                before.iter().for_each(|text| ws.queue(*text).unwrap());
                is_done = match poll_times((sending.start)(&mut ws), polls) {
                    Some(result) => result.map(|()| true).unwrap(),
                    None => false,
                };
                poll_to_end(ws.send("behind")).unwrap();
                poll_to_end(ws.flush()).unwrap();
                check(role, sending, polls, link.frames(role));
                if is_done {
                    break;
                }
            }
            assert!(is_done, "{} never ended", sending.name);
        }
    }
}

/// These frames between what was queued before and what was sent behind.
fn between(before: &[&str], frames: &[Frame]) -> Vec<(u8, Vec<u8>)> {
    let before = before.iter().map(|t| text(t));
    decoded(before.chain(frames.iter().cloned()).chain([text("behind")]))
}

#[test]
fn a_message_whose_sending_is_dropped_is_sent_whole_and_once_if_it_had_begun() {
    run(|| async {
        drop_everywhere(&defaults(), &["before"], |_, sending, polls, came| {
            let frames = if polls == 0 { &[][..] } else { &sending.frames };
            assert_same_frames(&came, &between(&["before"], frames));
        });
    });
}

#[test]
fn a_message_that_waits_for_room_is_not_sent_at_all_when_its_sending_is_dropped() {
    run(|| async {
        let config = config(|c| c.max_queued_len = 3);
        let before = ["more than three bytes"];
        let dropped = RefCell::new(BTreeSet::new());
        drop_everywhere(&config, &before, |_, sending, polls, came| {
            let without = between(&before, &[]);
            if polls == 0 || came == without {
                assert_same_frames(&came, &without);
                if polls > 0 && !sending.frames.is_empty() {
                    dropped.borrow_mut().insert(sending.name);
                }
            } else {
                assert_same_frames(&came, &between(&before, &sending.frames));
            }
        });
        // Each of those that wait for room was dropped while it did.
        let waiting = [
            "command",
            "empty",
            "long",
            "long text",
            "ping",
            "prepared",
            "prepared and long",
            "short",
        ];
        assert!(dropped.borrow().iter().eq(&waiting), "{dropped:?}");
    });
}

#[test]
fn one_message_after_the_other_may_be_dropped_at_once() {
    // Each leaves what it has begun to the next.
    run(|| async {
        over_all(|role, manners| {
            let link = manners.afresh("");
            let mut ws = end_on(role, link.clone(), &defaults());
            let data: Vec<Vec<u8>> = (0..30).map(|n| vec![n; usize::from(n % 3) * 4096]).collect();
            for (n, data) in data.iter().enumerate() {
                poll_times(ws.send(data.as_slice()), 1 + n % 4);
            }
            poll_to_end(ws.flush()).unwrap();
            assert_same_frames(&link.frames(role), &decoded(data.into_iter().map(binary)));
        });
    });
}

#[test]
fn an_error_that_ends_a_send_leaves_nothing_of_it_behind() {
    run(|| async {
        let link = Link::new("");
        link.net().fault = Some((Call::Write, 1, Fault::ResetOnce));
        link.net().sizes = vec![100];
        let mut ws = server_on(link.clone(), &defaults());
        assert_shape!(poll_to_end(ws.send(vec![0; LONG])), Err(Error::Io(_)));
        assert_eq!(ws.queued_len(), 0);
        assert_shape!(poll_to_end(ws.send("x")), Err(Error::Io(_)));
        assert_eq!(link.net().written.len(), 100, "the rest of a frame cannot follow");
    });
}

// ---- receiving -------------------------------------------------------------------

/// What the peer says: every kind of frame.
fn story() -> Vec<Frame> {
    vec![
        text("first"),
        ping("p"),
        fragment(TEXT, b"h\xc3"),
        ping([7; 125]),
        frame(CONTINUATION, b"\xa9"),
        pong("unasked for"),
        binary(bytes_of(LONG)),
        ping(""),
        text(""),
    ]
}

/// Polls after which all of it has come and was answered.
const ENOUGH: usize = 500;

fn messages() -> [Message<'static>; 4] {
    ["first".into(), "h\u{e9}".into(), bytes_of(LONG).into(), "".into()]
}

fn pongs() -> Vec<(u8, Vec<u8>)> {
    decoded([pong("p"), pong([7; 125]), pong("")])
}

#[test]
fn reading_that_is_dropped_at_every_point_loses_nothing() {
    run(|| async {
        for role in ROLES {
            let to_read = encode_for(role, story());
            for (manners, polls) in manners().iter().flat_map(|m| [(m, 1), (m, 2), (m, 5)]) {
                let link = manners.afresh(to_read.as_slice());
                let mut ws = end_on(role, link.clone(), &defaults());
                for message in messages() {
                    let read = iter::repeat_with(|| poll_times(ws.read(), polls));
                    let came = read.take(100_000).find_map(|read| read).expect("a message");
                    assert!(came.unwrap() == Some(message));
                }
                for _ in 0..ENOUGH {
                    assert_shape!(poll_times(ws.read(), polls), None);
                }
                assert_same_frames(&link.frames(role), &pongs());
            }
        }
    });
}

#[test]
fn reading_that_is_dropped_at_one_point_loses_nothing() {
    run(|| async {
        for role in ROLES {
            let to_read = encode_for(role, story());
            for manners in manners() {
                // Every seventh place, of thousands.
                for polls in (0..150).step_by(7) {
                    let link = manners.afresh(to_read.as_slice());
                    let mut ws = end_on(role, link.clone(), &defaults());
                    let mut came = Vec::new();
                    let dropped = poll_times(read_all(&mut ws, &mut came), polls);
                    assert!(dropped.is_none());
                    // Of the task that goes on; it never ends.
                    assert!(poll_times(read_all(&mut ws, &mut came), ENOUGH).is_none());
                    assert!(came == messages());
                    assert_same_frames(&link.frames(role), &pongs());
                }
            }
        }
    });
}

async fn read_all(ws: &mut WebSocket<Link>, came: &mut Vec<Message<'static>>) {
    while let Some(message) = ws.read().await.unwrap() {
        came.push(message);
    }
}

#[test]
fn ready_that_is_dropped_at_every_point_loses_nothing() {
    run(|| async {
        for (role, in_chunks) in ROLES.into_iter().flat_map(|r| [(r, true), (r, false)]) {
            let to_read = encode_for(role, story());
            for manners in manners() {
                let link = manners.afresh(to_read.as_slice());
                let mut ws = end_on(role, link.clone(), &defaults());
                let mut came = Vec::new();
                for _ in 0..ENOUGH {
                    if poll_times(ws.ready(), 1).map(Result::unwrap) != Some(true) {
                        continue;
                    }
                    if in_chunks {
                        while let Some(event) = ws.next_event() {
                            match event {
                                Event::Binary(chunk) => came.extend_from_slice(chunk.as_bytes()),
                                Event::Text(chunk) => came.extend(chunk.as_str().bytes()),
                                _ => {}
                            }
                        }
                    }
                    while let Some(incoming) = ws.next_incoming() {
                        if let Incoming::Message(message) = incoming {
                            came.extend_from_slice(message.as_bytes());
                        }
                    }
                }
                assert_same_frames(&link.frames(role), &pongs());
                assert!(came == messages().each_ref().map(Message::as_bytes).concat());
            }
        }
    });
}

#[test]
fn what_is_queued_goes_out_once_though_reading_is_dropped() {
    run(|| async {
        over_all(|role, manners| {
            let link = manners.afresh("");
            let mut ws = end_on(role, link.clone(), &defaults());
            let texts: Vec<String> = (0..20).map(|n| n.to_string().repeat(n)).collect();
            for text in &texts {
                ws.queue(text.as_str()).unwrap();
                poll_times(ws.read(), 2);
            }
            assert!(poll_times(ws.read(), ENOUGH).is_none());
            assert_eq!(ws.queued_len(), 0);
            assert_same_frames(&link.frames(role), &decoded(texts.iter().map(|t| text(t))));
        });
    });
}

// ---- closing ---------------------------------------------------------------------

#[test]
fn s5_5_1_closing_that_is_dropped_at_every_point_sends_one_close_and_is_clean() {
    run(|| async {
        for role in ROLES {
            let to_read = encode_for(role, [text("late"), ping("p"), close(1000, "bye")]);
            for (manners, polls) in manners().iter().flat_map(|m| [(m, 1), (m, 3)]) {
                let link = manners.afresh(to_read.as_slice());
                link.end();
                let mut ws = end_on(role, link.clone(), &defaults());
                ws.queue("before").unwrap();
                let closing = iter::repeat_with(|| poll_times(ws.close(code(1000), "bye"), polls));
                let closed = closing.take(10_000).find_map(|c| c).expect("an end").unwrap();
                assert!(closed.is_clean());
                assert_eq!((closed.by(), closed.cause()), (Side::Local, Cause::ClosingHandshake));
                let frames = decoded([text("before"), close(1000, "bye")]);
                assert_same_frames(&link.frames(role), &frames);
                assert!(link.net().is_shut);
                assert_shape!(poll_to_end(ws.send("x")), Err(Error::Send(SendError::Closed)));
            }
        }
    });
}

#[test]
fn s5_5_1_an_answer_to_a_close_that_is_dropped_at_every_point_is_sent_once() {
    run(|| async {
        for role in ROLES {
            let to_read = encode_for(role, [text("last words"), close(4000, "bye")]);
            for manners in manners() {
                let link = manners.afresh(to_read.as_slice());
                link.end();
                let mut ws = end_on(role, link.clone(), &defaults());
                for expected in [Some(Message::from("last words")), None] {
                    let read = iter::repeat_with(|| poll_times(ws.read(), 1));
                    let came = read.take(10_000).find_map(|read| read).expect("an end");
                    assert_eq!(came.unwrap(), expected);
                }
                assert_same_frames(&link.frames(role), &decoded([close(4000, "bye")]));
                assert!(link.net().is_shut);
                assert!(ws.closed().unwrap().is_clean());
            }
        }
    });
}
