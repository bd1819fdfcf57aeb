//! The tokio adapter, split: a future of a half that is dropped at any await
//! point loses no byte and sends none twice.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::future::Future;
use std::iter;
use std::pin::Pin;
use std::sync::Arc;

use common::*;
use sockeye::tokio::{Error, Reader, Sender};
use sockeye::{Config, Message, PreparedMessage, SendError};
use tokio_common::*;

/// Streams that make calls wait and cut what they transfer, in both roles.
fn over_all(to_read: &[Frame], test: impl Fn(Role, Link)) {
    const SIZES: [&[usize]; 4] =
        [&[1, 2, 1, 1, 3, 2000], &[5, 1, 4093], &[2, 2, 2, 2, 2, 2, 1000], &[]];
    for role in ROLES {
        for (sizes, is_vectored) in SIZES.into_iter().flat_map(|s| [(s, true), (s, false)]) {
            let link = Link::new(encode_for(role, to_read.iter().cloned()));
            {
                let mut net = link.net();
                // A half polls twice where it waits, so that most calls have to.
                (net.sizes, net.waits, net.is_vectored) = (sizes.into(), 3, is_vectored);
            }
            test(role, link);
        }
    }
}

fn split(role: Role, link: &Link, config: &Arc<Config>) -> (Reader<Link>, Sender<Link>) {
    end_on(role, link.clone(), config).split()
}

type Work<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// A call that sends, and what it sends.
struct Sending {
    start: fn(&Sender<Link>) -> Work<'_>,
    frames: Vec<Frame>,
    servers_only: bool,
}

static BYTES: [u8; 5000] = [b'x'; 5000];

fn sendings() -> Vec<Sending> {
    let data = |start, frame: Frame| Sending { start, frames: vec![frame], servers_only: false };
    vec![
        data(|sender| Box::pin(sender.send("short")), text("short")),
        data(|sender| Box::pin(sender.send(&BYTES[..])), binary(BYTES)),
        data(|sender| Box::pin(sender.ping(b"?")), ping("?")),
        Sending { frames: vec![], ..data(|sender| Box::pin(sender.flush()), text("")) },
        Sending { frames: vec![], ..data(|sender| Box::pin(sender.room()), text("")) },
        Sending {
            servers_only: true,
            ..data(
                |sender| {
                    Box::pin(async { sender.send_prepared(&PreparedMessage::binary(&BYTES)).await })
                },
                binary(BYTES),
            )
        },
    ]
}

/// Sends with one sender, dropped after every number of polls, and then with
/// another; `check` is told what was written.
fn drop_everywhere(
    config: &Arc<Config>,
    before: &str,
    check: impl Fn(&Sending, usize, Vec<(u8, Vec<u8>)>),
) {
    for sending in &sendings() {
        over_all(&[], |role, manners| {
            if sending.servers_only && role == Role::Client {
                return;
            }
            for polls in 0..10_000 {
                let link = manners.afresh("");
                let (_reader, sender) = split(role, &link, config);
                sender.queue(before).unwrap();
                let outcome = poll_times((sending.start)(&sender), polls);
                let other = sender.clone();
                drop(sender);
                poll_to_end(other.send("behind")).unwrap();
                check(sending, polls, link.frames(role));
                if let Some(result) = outcome {
                    return result.unwrap();
                }
            }
            panic!("it never ends");
        });
    }
}

#[test]
fn split_a_message_whose_sending_is_dropped_is_sent_whole_and_once_if_it_had_begun() {
    run(|| async {
        drop_everywhere(&defaults(), "before", |sending, polls, came| {
            let mut frames = vec![text("before")];
            if polls > 0 {
                frames.extend_from_slice(&sending.frames);
            }
            frames.push(text("behind"));
            assert_same_frames(&came, &decoded(frames));
        });
    });
}

#[test]
fn split_a_message_that_waits_for_room_is_not_sent_at_all_when_its_sending_is_dropped() {
    run(|| async {
        // No poll writes so much that the next does not have to wait.
        let long = "x".repeat(6000);
        let config = config(|c| c.max_queued_len = 3);
        drop_everywhere(&config, &long, |sending, polls, came| {
            let with =
                |frames: &[Frame]| decoded([&[text(&long)], frames, &[text("behind")]].concat());
            let without = with(&[]);
            if polls == 0 {
                assert_same_frames(&came, &without);
            } else if came != without {
                assert_same_frames(&came, &with(&sending.frames));
            }
        });
    });
}

#[test]
fn s5_4_split_no_senders_message_comes_between_the_parts_of_another() {
    run(|| async {
        over_all(&[], |role, link| {
            let (_reader, sender) = split(role, &link, &defaults());
            let senders: Vec<_> = (0..4).map(|_| sender.clone()).collect();
            let mut expected = Vec::new();
            for n in 0..40 {
                let data = vec![n; usize::from(n % 3) * 4096];
                let sender = &senders[usize::from(n) % senders.len()];
                poll_times(sender.send(data.as_slice()), 1 + usize::from(n) % 3);
                expected.push(binary(data));
            }
            poll_to_end(sender.flush()).unwrap();
            assert_same_frames(&link.frames(role), &decoded(expected));
        });
    });
}

#[test]
fn split_reading_that_is_dropped_at_every_point_loses_nothing() {
    run(|| async {
        let long = bytes_of(5000);
        let said = [
            text("first"),
            ping("p"),
            fragment(TEXT, b"h\xc3"),
            ping([7; 125]),
            frame(CONTINUATION, b"\xa9"),
            binary(&long),
            ping(""),
            text(""),
        ];
        let messages = ["first".into(), "h\u{e9}".into(), Message::from(long.clone()), "".into()];
        over_all(&said, |role, link| {
            for with_ready in [true, false] {
                let link = link.again();
                let (mut reader, _sender) = split(role, &link, &defaults());
                for message in &messages {
                    let read = iter::repeat_with(|| {
                        if with_ready && poll_times(reader.ready(), 1).is_none() {
                            return None;
                        }
                        poll_times(reader.read(), 1)
                    });
                    let came = read.take(100_000).find_map(|read| read).expect("a message");
                    assert!(came.unwrap().as_ref() == Some(message));
                }
                for _ in 0..500 {
                    assert_shape!(poll_times(reader.read(), 1), None);
                }
                let pongs = decoded([pong("p"), pong([7; 125]), pong("")]);
                assert_same_frames(&link.frames(role), &pongs);
            }
        });
    });
}

#[test]
fn split_both_halves_may_be_dropped_at_every_point_at_once() {
    run(|| async {
        let said: Vec<Frame> =
            (0..20).flat_map(|n| [ping([n]), text(&n.to_string().repeat(n.into()))]).collect();
        over_all(&said, |role, link| {
            let (mut reader, sender) = split(role, &link, &defaults());
            let mut read = Vec::new();
            let mut sent = Vec::new();
            for n in 0..5_000 {
                if let Some(message) = poll_times(reader.read(), 1) {
                    read.push(message.unwrap().unwrap());
                }
                if n % 100 == 0 {
                    let data = vec![b's'; n];
                    poll_times(sender.send(data.as_slice()), 1);
                    sent.push(binary(data));
                }
            }
            let texts = (0..20).map(|n: usize| Message::from(n.to_string().repeat(n)));
            assert!(read.into_iter().eq(texts), "in order, none lost, none twice");
            let (data, pongs): (Vec<_>, Vec<_>) =
                link.frames(role).into_iter().partition(|(first, _)| first & 8 == 0);
            assert_same_frames(&data, &decoded(sent));
            assert_same_frames(&pongs, &decoded((0..20).map(|n| pong([n]))));
        });
    });
}

#[test]
fn s5_5_1_split_closing_that_is_dropped_sends_one_close() {
    run(|| async {
        over_all(&[text("late"), close(1000, "bye")], |role, manners| {
            for polls in 1..40 {
                let link = manners.again();
                link.end();
                let (mut reader, sender) = split(role, &link, &defaults());
                if let Some(outcome) = poll_times(sender.start_close(code(1000), "bye"), polls) {
                    outcome.unwrap();
                }
                let again = poll_to_end(sender.start_close(code(1000), "bye"));
                assert_shape!(again, Err(Error::Send(SendError::Closed)));
                for expected in [Some(Message::from("late")), None] {
                    let read = iter::repeat_with(|| poll_times(reader.read(), 1));
                    let came = read.take(10_000).find_map(|read| read).expect("an end");
                    assert_eq!(came.unwrap(), expected);
                }
                assert_same_frames(&link.frames(role), &decoded([close(1000, "bye")]));
                assert!(reader.closed().unwrap().is_clean());
            }
        });
    });
}
