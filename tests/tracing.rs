//! What is told to `tracing`: the end of a handshake and of a connection, once
//! each, and nothing for a message.

#![cfg(feature = "tracing")]

mod common;
mod sockets;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use common::*;
use sockets::*;
use sockeye::handshake::Rejection;
use sockeye::{CloseCode, blocking};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the events of this thread, a line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sockeye")
    }

    fn event(&self, event: &Event<'_>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                write!(self.0, " {}={value:?}", field.name()).unwrap();
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

/// What this is heard to say.
fn lines_of(work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), work);
    let lines = lines.0.lock().unwrap();
    lines.clone()
}

#[test]
fn a_connection_is_told_of_when_it_opens_and_when_it_ends() {
    let lines = lines_of(|| {
        let (mut ws, mut peer) = open(Role::Server, &defaults());
        peer.send([text("a"), text("b"), close(1001, "bye")]);
        peer.half_close();
        while ws.read().unwrap().is_some() {}
        peer.expect([close(1001, "bye")]);
        assert!(ws.read().unwrap().is_none(), "again");
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("DEBUG message=connection open side=\"server\""), "{lines:?}");
    assert!(lines[1].starts_with("DEBUG message=connection ended"), "{lines:?}");
    assert!(lines[1].contains("1001") && lines[1].contains("clean=true"), "{lines:?}");
}

#[test]
fn a_peer_that_breaks_a_rule_is_worth_a_warning() {
    let lines = lines_of(|| {
        let (mut ws, mut peer) = open(Role::Client, &defaults());
        peer.send([frame(TEXT, b"\xff")]);
        peer.half_close();
        ws.read().unwrap_err();
        ws.close(CloseCode::NORMAL_CLOSURE, "").unwrap_err();
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("WARN message=connection failed"), "{lines:?}");
}

#[test]
fn a_handshake_that_opens_nothing_is_told_of() {
    let lines = lines_of(|| {
        let (mut client, server) = tcp_pair();
        std::io::Write::write_all(&mut client, request("").as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let accepted = blocking::accept_with(server, defaults(), |_| Rejection::new(403).into());
        assert!(accepted.unwrap().is_none());
        let mut tape = Tape::default();
        tape.to_read.get_mut().extend_from_slice(b"GET / HTTP/1.0\r\n\r\n");
        accept(&mut tape, &defaults()).unwrap_err();
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("rejected by the application"), "{lines:?}");
    assert!(lines[1].contains("error=HTTP/1.0 cannot upgrade"), "{lines:?}");
}
