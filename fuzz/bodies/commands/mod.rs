//! Any calls, in any order, at any time, on a client and a server back to
//! back: neither ever breaks a rule that the other sees, and both come to one
//! end.
//!
//! Input: four bytes of configuration, or eight, and then commands, each a byte
//! and what it takes of those that follow it. Bytes that are not there are zero.

mod check;
#[cfg(feature = "deflate")]
mod compression;
mod config;
mod end;
#[cfg(feature = "deflate")]
#[path = "../../../tests/flate/inflate.rs"]
#[allow(dead_code)] // it says more than is asked here
mod inflate;
mod model;

use core::time::Duration;

use self::check::check;
use self::end::End;
use super::script::Script;
use sockeye::{Cause, CloseCode, Closed, Instant, Side};

pub fn commands(data: &[u8]) {
    let mut script = Script::new(data);
    let now = Instant::from_epoch(Duration::ZERO);
    let mut pair = Pair { ends: config::ends(&mut script), now, is_silent: false };
    while !script.is_over() {
        pair.step(&mut script);
    }
    pair.wind_up();
    pair.check();
}

struct Pair {
    /// Client and server.
    ends: [End; 2],
    now: Instant,
    /// The network delivers nothing more, and nobody is told.
    is_silent: bool,
}

impl Pair {
    /// One command of the script: the low four bits of its byte, the top bit says
    /// to whom, and those between, which variant of it.
    fn step(&mut self, script: &mut Script<'_>) {
        let byte = script.byte();
        let [client, server] = &mut self.ends;
        let (me, peer) = if byte < 0x80 { (client, server) } else { (server, client) };
        let variant = byte >> 4 & 7;
        match byte % 16 {
            command @ 0..10 => me.command(command, variant, script),
            10 => {
                me.flush(script.byte().into());
            }
            11 => {
                me.receive(&mut peer.wire, script.byte().into());
            }
            12 => {
                peer.flush(usize::MAX);
                me.receive(&mut peer.wire, usize::MAX);
            }
            13 => {
                let cut = 1 + usize::from(script.byte() % 8);
                while me.receive(&mut peer.wire, cut) {}
            }
            14 => {
                let step = [1, 50, 400, 1_000, 3_000, 10_000][usize::from(script.byte() % 6)];
                self.now = self.now + Duration::from_millis(step);
                match variant {
                    1 => me.note_time(self.now),
                    _ => me.tell_time(self.now),
                }
            }
            // The drastic ones ask for a second byte, or few scripts would get far.
            _ => match script.byte() {
                0xff => me.abort(),
                0xfe => self.lose_transport(),
                0xfd => self.is_silent = true,
                _ => me.close_transport_if_due(),
            },
        }
    }

    fn lose_transport(&mut self) {
        for end in &mut self.ends {
            end.wire.clear();
            if end.is_up {
                end.receive_eof();
            }
        }
    }

    /// Lets both do what adapters do, until neither has a transport.
    fn wind_up(&mut self) {
        // Far more rounds than any script needs.
        for _ in 0..10_000 {
            if !self.ends.iter().any(|end| end.is_up) {
                return;
            }
            let moved = self.round();
            if !moved && !self.close_one() {
                self.wait();
            }
        }
        panic!("no end in sight");
    }

    /// Flushes, delivers, tells the time and closes transports; true if any
    /// of it made a difference.
    fn round(&mut self) -> bool {
        let mut moved = false;
        for at in [0, 1] {
            let [client, server] = &mut self.ends;
            let (me, peer) = if at == 0 { (client, server) } else { (server, client) };
            me.tell_time(self.now);
            moved |= peer.flush(usize::MAX);
            if self.is_silent {
                peer.wire.clear();
            }
            moved |= me.receive(&mut peer.wire, usize::MAX);
            let was_up = me.is_up;
            me.close_transport_if_due();
            if me.is_up && !peer.is_up && peer.wire.is_empty() && !self.is_silent {
                me.receive_eof();
            }
            moved |= was_up != me.is_up;
        }
        moved
    }

    /// Begins the closing handshake, if neither end has; true if it did.
    fn close_one(&mut self) -> bool {
        let Some(end) = self.ends.iter_mut().find(|end| end.ws.is_open()) else { return false };
        let closed = end.ws.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut end.out);
        assert_eq!(closed, Ok(()), "it is open, and its output is flushed");
        true
    }

    /// Lets time pass until something is due.
    fn wait(&mut self) {
        if let Some(at) = self.ends.iter().filter_map(|end| end.deadline).min() {
            self.now = at;
            return;
        }
        let end = self.ends.iter_mut().find(|end| end.is_up).expect("not over");
        let patient = end.ws.config().close_timeout.is_none();
        assert!(self.is_silent && patient, "nothing moves, and nothing is waited for");
        end.abort();
    }

    fn check(&self) {
        let [client, server] = &self.ends;
        check(client, server);
        check(server, client);

        let outcomes = [client, server].map(|end| end.outcome.expect("it is over"));
        if outcomes.iter().all(|o| o.cause() == Cause::ClosingHandshake) {
            assert!(outcomes.iter().all(Closed::is_clean), "{outcomes:?}");
            assert!(outcomes.iter().any(|o| o.by() == Side::Local), "somebody began");
            for outcome in outcomes.iter().filter(|o| o.by() == Side::Peer) {
                assert_eq!(outcome.sent(), outcome.received(), "section 5.5.1: an echo");
            }
        }
    }
}
