//! Sending: messages of the caller's to bytes that a stream has taken.

use super::{Per, Session, length};
use crate::engines::{Engine, MakeSending, Role, Setup};
use crate::frames::{Content, Traffic, inflate, parse};
use crate::measure::Work;
use crate::pipe::Sink;
use crate::results::Unit;

pub(super) fn run(session: &Session<'_>) {
    let server = [20, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20];
    for len in server {
        row_of(
            session,
            "Server sends",
            &format!("binary {}", length(len)),
            Role::Server,
            len,
            1,
            |e| e.send,
        );
    }
    row_of(session, "Server sends", "binary 64 B, 16 in a write", Role::Server, 64, 16, |e| {
        e.send_corked
    });
    for len in [20, 64, 1 << 10, 64 << 10] {
        let row = format!("binary {}", length(len));
        row_of(session, "Client sends", &row, Role::Client, len, 1, |e| e.send);
    }
    row_of(session, "Client sends", "binary 64 B, 16 in a write", Role::Client, 64, 16, |e| {
        e.send_corked
    });
    for len in [1 << 10, 64 << 10] {
        let row = format!("binary {}, masked in place", length(len));
        row_of(session, "Client sends", &row, Role::Client, len, 1, |e| e.send_in_place);
    }
}

fn row_of(
    session: &Session<'_>,
    group: &str,
    row: &str,
    role: Role,
    len: usize,
    corked: u32,
    make: impl Fn(&Engine) -> Option<MakeSending>,
) {
    let per = if len < 1 << 10 { Per::Message } else { Per::Bytes(len, Unit::GibPerSecond) };
    session.row((group, row, per), |engine| {
        let traffic = Traffic::whole(Content::Binary, len, false);
        let setup = Setup { role, traffic, sends: true, sink: Sink::new() };
        // What was masked in place is something else the second time.
        let is_spent = engine.send_in_place.is_some() && row.contains("in place");
        Some(work(make(engine)?, &setup, corked, is_spent))
    });
}

/// Makes sure that the messages are on the wire, twice over if the first time
/// has not spent them, and then only counts.
pub(super) fn work(make: MakeSending, setup: &Setup, corked: u32, is_spent: bool) -> Work {
    let messages = &setup.traffic.messages;
    let times = if is_spent { 1 } else { 2 };
    // As many as fill the last cork.
    let count = (messages.len() * times).next_multiple_of(corked as usize);
    setup.sink.borrow_mut().record = Some(Vec::new());
    make(setup).send(count as u64, corked);
    let wire = setup.sink.borrow_mut().record.take().expect("recorded");
    let mut rest = &wire[..];
    for message in messages.iter().cycle().take(count) {
        let sent = parse(&mut rest).expect("a whole frame");
        assert_eq!(sent.masked, !setup.is_server());
        let kind = setup.traffic.content.kind() as u8;
        assert_eq!(sent.first, 0x80 | kind);
        assert!(sent.payload == *message, "not what was to be sent");
    }
    assert!(rest.is_empty());
    let (sink, len) = (setup.sink.clone(), messages[0].len() as u64);
    let mut engine = make(setup);
    Box::new(move |messages| {
        let messages = messages.next_multiple_of(corked.into());
        let before = sink.borrow().written;
        engine.send(messages, corked);
        let written = sink.borrow().written - before;
        assert!(written > messages * len);
        messages
    })
}

/// Of frames that were compressed, all of one context.
pub(super) fn check_compressed(wire: &[u8], messages: &[Vec<u8>]) -> usize {
    let (mut rest, mut stream, mut len) = (wire, Vec::new(), 0);
    while !rest.is_empty() {
        let sent = parse(&mut rest).expect("a whole frame");
        assert_eq!(sent.first & 0x40, 0x40, "not compressed");
        len += sent.payload.len();
        stream.extend(sent.payload);
        stream.extend([0, 0, 0xFF, 0xFF]);
    }
    let all = messages.concat();
    assert!(inflate(&stream, all.len()) == all, "not what was to be sent");
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::{Sending, all};
    use crate::frames::frame;
    use crate::pipe::Pipe;
    use std::io::Write;

    fn setup(role: Role) -> Setup {
        let traffic = Traffic::whole(Content::Binary, 300, false);
        Setup { role, traffic, sends: true, sink: Sink::new() }
    }

    #[test]
    fn every_engine_sends_what_it_is_given() {
        for role in [Role::Server, Role::Client] {
            for engine in all() {
                for (make, corked) in [(engine.send, 1), (engine.send_corked, 16)] {
                    if let Some(make) = make {
                        assert!(work(make, &setup(role), corked, false)(3) >= 3);
                    }
                }
                if let Some(make) = engine.send_in_place.filter(|_| role == Role::Client) {
                    assert_eq!(work(make, &setup(role), 1, true)(3), 3);
                }
            }
        }
    }

    /// Sends the messages of the traffic, masked or not, but for a byte.
    struct Wrong(Pipe, Vec<Vec<u8>>);

    impl Sending for Wrong {
        fn send(&mut self, messages: u64, _: u32) {
            for frame in self.1.iter().cycle().take(messages as usize) {
                self.0.write_all(frame).expect("memory");
            }
        }
    }

    fn wrong(setup: &Setup, key: Option<[u8; 4]>, flip: u8) -> Box<dyn Sending> {
        let messages = setup.traffic.messages.iter();
        let mut frames: Vec<Vec<u8>> = messages.map(|bytes| frame(true, 2, key, bytes)).collect();
        *frames[9].last_mut().expect("a byte") ^= flip;
        Box::new(Wrong(setup.pipe(), frames))
    }

    #[test]
    fn an_engine_that_is_right_may_race() {
        work(|setup| wrong(setup, None, 0), &setup(Role::Server), 1, false)(1);
        work(|setup| wrong(setup, Some([1; 4]), 0), &setup(Role::Client), 1, false)(1);
    }

    #[test]
    #[should_panic(expected = "not what was to be sent")]
    fn a_wrong_byte_is_noticed() {
        work(|setup| wrong(setup, None, 1), &setup(Role::Server), 1, false)(1);
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn a_client_that_does_not_mask_is_noticed() {
        work(|setup| wrong(setup, None, 0), &setup(Role::Client), 1, false)(1);
    }
}
