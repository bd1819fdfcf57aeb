//! The browser's `WebSocket` object, carried by a task: whatever is dropped
//! while it waits, at whichever point, loses nothing.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod sockets;
mod tokio_common;
mod web_carried;
mod web_sockets;

use std::iter;

use common::*;
use sockeye::tokio::web::{WebSocket, WebSocketStream};
use tokio_common::{Link, Role, bytes_of, decoded, encode_for, poll_times, poll_to_end, run};
use web_carried::rest;
use web_sockets::*;

const LONG: usize = 5000;

/// What the server says behind its reply: every kind of frame.
fn story() -> Vec<u8> {
    let frames = [
        text("first"),
        ping("p"),
        fragment(TEXT, b"h\xc3"),
        ping([7; 125]),
        frame(CONTINUATION, b"\xa9"),
        pong("unasked for"),
        binary(bytes_of(LONG)),
        ping(""),
        text(""),
        close(3000, "bye"),
    ];
    encode_for(Role::Client, frames)
}

const EVENTS: [&str; 6] = [
    "open",
    "text first",
    "text h\u{e9}",
    "binary of 5000 bytes",
    "text ",
    "close 3000 \"bye\" clean",
];

/// How many bytes a call transfers, and how often calls wait: all cuts through
/// a header, and some through a payload.
fn manners() -> Vec<Link> {
    let sizes: [&[usize]; 4] = [&[1, 2, 1, 1, 3, 2000], &[5, 1, 4093], &[2, 2, 2, 2, 1000], &[]];
    let mut links = Vec::new();
    for (sizes, waits) in sizes.into_iter().flat_map(|sizes| [(sizes, 1), (sizes, 2), (sizes, 3)]) {
        let link = Link::new("");
        (link.net().sizes, link.net().waits) = (sizes.into(), waits);
        links.push(link);
    }
    links
}

/// A socket over such a stream, whose peer ends behind the story.
fn over(manners: &Link) -> (WebSocket<Link>, Link) {
    let link = manners.afresh("");
    link.net().behind_reply = Some(story());
    link.end();
    (WebSocket::carry(socket(&plain()), link.clone()), link)
}

/// What was written behind the request.
fn frames(link: &Link) -> Vec<(u8, Vec<u8>)> {
    let written = link.net().written.clone();
    let head = written.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    sent_frames(&written[head..], true)
}

fn answers() -> Vec<(u8, Vec<u8>)> {
    decoded([pong("p"), pong([7; 125]), pong(""), close(3000, "bye")])
}

/// Polls it so often and drops it, again and again, until it comes to something.
#[track_caller]
fn insist<T>(mut work: impl FnMut() -> Option<T>) -> T {
    iter::repeat_with(&mut work).take(100_000).flatten().next().expect("an end")
}

#[test]
fn next_event_dropped_at_every_point_loses_nothing() {
    run(|| async {
        for (manners, polls) in manners().iter().flat_map(|m| [(m, 1), (m, 2), (m, 5)]) {
            let (mut ws, link) = over(manners);
            for expected in EVENTS {
                let event = insist(|| poll_times(ws.next_event(), polls));
                assert_eq!(told(&event.unwrap()), expected);
            }
            assert!(insist(|| poll_times(ws.next_event(), polls)).is_none());
            assert_eq!(frames(&link), answers());
            assert!(link.net().is_shut);
        }
    });
}

#[test]
fn next_event_dropped_at_one_point_loses_nothing() {
    run(|| async {
        for manners in manners() {
            for polls in 0..60 {
                let (mut ws, link) = over(&manners);
                let mut came = Vec::new();
                let _ = poll_times(
                    async {
                        while let Some(event) = ws.next_event().await {
                            came.push(told(&event));
                        }
                    },
                    polls,
                );
                came.extend(poll_to_end(rest(&mut ws)));
                assert_eq!(came, EVENTS);
                assert_eq!(frames(&link), answers());
            }
        }
    });
}

#[test]
fn ready_opened_and_flushed_dropped_at_every_point_lose_nothing() {
    run(|| async {
        for (manners, polls) in manners().iter().flat_map(|m| [(m, 1), (m, 3)]) {
            let link = manners.afresh("");
            link.net().behind_reply = Some(Vec::new());
            let mut ws = WebSocket::carry(socket(&plain()), link.clone());
            insist(|| poll_times(ws.opened(), polls)).unwrap();
            ws.send_binary(&bytes_of(LONG)).unwrap();
            insist(|| poll_times(ws.flushed(), polls));
            assert_eq!(ws.buffered_amount(), 0);
            link.say(&story());
            link.end();
            let mut came = Vec::new();
            while insist(|| poll_times(ws.ready(), polls)) {
                came.extend(ws.turn().expect("a task").map(|event| told(&event)));
                insist(|| poll_times(ws.flushed(), polls));
            }
            assert_eq!(came, EVENTS[1..]);
            let mut expected = answers();
            expected.insert(0, (0x82, bytes_of(LONG)));
            assert!(frames(&link) == expected);
        }
    });
}

#[test]
fn error_and_close_are_both_told_though_the_wait_is_dropped_between_them() {
    run(|| async {
        for manners in manners() {
            let link = manners.afresh("");
            link.net().behind_reply = Some(vec![0x83, 0]);
            link.end();
            let mut ws = WebSocket::carry(socket(&plain()), link.clone());
            for expected in ["open", FAILURE[0], FAILURE[1]] {
                let event = insist(|| poll_times(ws.next_event(), 1));
                assert_eq!(told(&event.unwrap()), expected);
            }
        }
    });
}

#[test]
fn a_message_sent_while_waits_are_dropped_goes_out_once() {
    run(|| async {
        for manners in manners() {
            let link = manners.afresh("");
            link.net().behind_reply = Some(Vec::new());
            let mut ws = WebSocket::carry(socket(&plain()), link.clone());
            insist(|| poll_times(ws.opened(), 1)).unwrap();
            for n in 0..30 {
                ws.send_binary(&vec![n; usize::from(n) * 100]).unwrap();
                assert!(poll_times(ws.next_event(), 1).is_none());
            }
            insist(|| poll_times(ws.flushed(), 1));
            let sent: Vec<_> = (0..30).map(|n| (0x82, vec![n; usize::from(n) * 100])).collect();
            assert!(frames(&link) == sent);
        }
    });
}

#[test]
fn halves_of_a_stream_dropped_at_every_point_lose_nothing() {
    run(|| async {
        for (manners, polls) in manners().iter().flat_map(|m| [(m, 1), (m, 3)]) {
            let (ws, link) = over(manners);
            let mut stream = WebSocketStream::new(ws);
            let mut opened = insist(|| poll_times(stream.opened(), polls)).unwrap();
            let mut came = Vec::new();
            while let Some(message) = insist(|| poll_times(opened.readable.read(), polls)).unwrap()
            {
                came.push(brief(&message));
                assert!(came.len() > 3 || poll_times(stream.closed(), 1).is_none());
            }
            assert_eq!(came, EVENTS[1..5]);
            let end = insist(|| poll_times(stream.closed(), polls)).unwrap();
            assert_eq!((end.code, end.reason.as_str()), (3000, "bye"));
            assert_eq!(frames(&link), answers());
        }
    });
}
