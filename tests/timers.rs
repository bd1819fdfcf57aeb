//! Time as input: what each deadline does, on a virtual clock.

mod common;

use core::time::Duration;

use common::*;
use sockeye::{Cause, CloseCode, Connection, Input, Instant, Side, Timeout};

fn at(seconds: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(1_000 + seconds))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A connection, and what it has sent since it was last asked.
struct Driven {
    ws: Connection,
    engine: Engine,
    out: Vec<u8>,
}

impl Driven {
    fn new(engine: Engine) -> Self {
        Self { ws: engine.connection(), engine, out: Vec::new() }
    }

    /// Tells the time; gives when to tell it next, and the frames sent.
    fn time(&mut self, seconds: u64) -> (Option<Instant>, Vec<(u8, Vec<u8>)>) {
        let next = self.ws.handle_timeout(at(seconds), &mut self.out);
        assert!(!self.ws.wants_time(), "it was told a moment ago");
        // An early or a repeated call changes nothing.
        let len = self.out.len();
        assert_eq!(self.ws.handle_timeout(at(seconds), &mut self.out), next);
        assert_eq!(self.out.len(), len);
        (next, sent_frames(&std::mem::take(&mut self.out), self.engine.is_client))
    }

    fn receive(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let bytes = self.engine.peer_sends(frames);
        self.receive_bytes(&bytes);
    }

    fn receive_bytes(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        while self.ws.receive(&mut input, &mut self.out).is_some() {}
    }
}

fn keep_alive(engine: Engine) -> Driven {
    Driven::new(engine.with(|c| {
        c.ping_interval = Some(secs(30));
        c.pong_timeout = secs(10);
    }))
}

// ---- off ---------------------------------------------------------------------------

/// Or silence from the start would go unnoticed.
#[test]
fn a_new_connection_wants_the_time_if_a_deadline_depends_on_it() {
    for engine in both() {
        assert!(!engine.connection().wants_time());
        let set: [fn(&mut sockeye::Config); 2] = [
            |config| config.ping_interval = Some(Duration::from_secs(30)),
            |config| config.idle_timeout = Some(Duration::from_secs(30)),
        ];
        for set in set {
            let mut ws = engine.clone().with(set).connection();
            assert!(ws.wants_time());
            assert_eq!(ws.note_time(at(0)), Some(at(30)));
            assert!(!ws.wants_time());
        }
    }
}

#[test]
fn without_deadlines_no_time_is_wanted() {
    for engine in both() {
        let mut driven = Driven::new(engine);
        assert_eq!(driven.time(0), (None, vec![]));
        driven.receive([text("x"), ping("y"), pong("z")]);
        driven.ws.send_text("x", &mut driven.out).unwrap();
        assert!(!driven.ws.wants_time());
        driven.out.clear();
        assert_eq!(driven.time(1_000_000), (None, vec![]));
    }
}

// ---- keep-alive ------------------------------------------------------------------------

#[test]
fn s5_5_2_a_silent_peer_is_pinged_and_its_pong_keeps_the_connection() {
    for engine in both() {
        let mut driven = keep_alive(engine);
        assert_eq!(driven.time(0), (Some(at(30)), vec![]));
        assert_eq!(driven.time(29), (Some(at(30)), vec![]));
        let (next, frames) = driven.time(30);
        assert_eq!((next, frames.len(), frames[0].0), (Some(at(40)), 1, 0x89));
        driven.receive([pong(&frames[0].1)]);
        assert!(driven.ws.wants_time());
        assert_eq!(driven.time(32), (Some(at(62)), vec![]));
        assert_eq!(driven.ws.round_trip_time(), Some(secs(2)));
        assert!(driven.ws.is_open());
    }
}

#[test]
fn s5_5_2_bytes_of_any_kind_put_the_next_ping_off() {
    for engine in both() {
        let mut driven = keep_alive(engine);
        driven.time(0);
        for second in [20, 40, 60] {
            driven.receive([text("here")]);
            assert!(driven.ws.wants_time());
            assert_eq!(driven.time(second), (Some(at(second + 30)), vec![]));
        }
    }
}

#[test]
fn s5_5_2_a_ping_without_its_pong_ends_the_connection() {
    for engine in both() {
        let mut driven = keep_alive(engine);
        driven.time(0);
        driven.time(30);
        assert_eq!(driven.time(39).0, Some(at(40)));
        let (_, frames) = driven.time(40);
        assert_eq!(frames[0].1[..2], 1011_u16.to_be_bytes());
        assert!(driven.ws.should_close_transport());
        let closed = driven.ws.closed().unwrap();
        assert_eq!(closed.cause(), Cause::Timeout(Timeout::Pong));
        assert_eq!((closed.code(), closed.by()), (CloseCode::ABNORMAL_CLOSURE, Side::Local));
        assert!(!closed.is_clean());
    }
}

#[test]
fn s5_5_3_an_unsolicited_pong_does_not_answer_a_ping() {
    for engine in both() {
        let mut driven = keep_alive(engine);
        driven.time(0);
        driven.time(30);
        driven.receive([pong(""), pong("other"), text("chatter")]);
        assert_eq!(driven.time(31).0, Some(at(40)));
        driven.time(40);
        assert_eq!(driven.ws.closed().unwrap().cause(), Cause::Timeout(Timeout::Pong));
        assert_eq!(driven.ws.round_trip_time(), None);
    }
}

#[test]
fn s5_5_3_a_pong_to_a_later_ping_answers_the_earlier() {
    // "may elect to send a Pong frame for only the most recently processed".
    for engine in both() {
        let mut driven = keep_alive(engine);
        driven.time(0);
        driven.time(30);
        driven.ws.send_ping(b"later", &mut driven.out).unwrap();
        driven.time(33);
        driven.receive([pong("later")]);
        assert_eq!(driven.time(35).0, Some(at(65)));
        assert_eq!(driven.ws.round_trip_time(), Some(secs(2)));
    }
}

#[test]
fn s5_4_a_peer_in_the_middle_of_a_frame_cannot_pong_and_is_alive() {
    for engine in both() {
        let mut driven = keep_alive(engine);
        driven.time(0);
        let (_, frames) = driven.time(30);
        let bytes = driven.engine.peer_sends([binary([0; 100])]);
        for (i, byte) in bytes.iter().enumerate() {
            driven.receive_bytes(&[*byte]);
            assert_eq!(driven.time(31 + i as u64 * 9).1, []);
            assert!(driven.ws.is_open(), "byte {i}");
        }
        driven.receive([pong(&frames[0].1)]);
        let end = 31 + bytes.len() as u64 * 9;
        assert_eq!(driven.time(end).0, Some(at(end + 30)));
    }
}

#[test]
fn s5_5_2_each_keep_alive_ping_has_a_payload_of_its_own() {
    let mut driven = keep_alive(server());
    driven.time(0);
    let mut seen = std::collections::HashSet::new();
    let mut now = 0;
    for _ in 0..100 {
        now += 30;
        let (_, frames) = driven.time(now);
        assert!(seen.insert(frames[0].1.clone()));
        driven.receive([pong(&frames[0].1)]);
        driven.time(now);
    }
}

#[test]
fn s5_5_2_the_round_trip_of_the_applications_ping_is_measured() {
    for engine in both() {
        let mut driven = Driven::new(engine);
        driven.ws.send_ping(b"mine", &mut driven.out).unwrap();
        assert!(driven.ws.wants_time());
        driven.time(5);
        driven.receive([pong("not mine")]);
        assert!(!driven.ws.wants_time());
        driven.receive([pong("mine")]);
        assert!(driven.ws.wants_time());
        driven.time(8);
        assert_eq!(driven.ws.round_trip_time(), Some(secs(3)));
        // Answered: the same Pong again says nothing.
        driven.receive([pong("mine")]);
        driven.time(100);
        assert_eq!(driven.ws.round_trip_time(), Some(secs(3)));
    }
}

// ---- idle --------------------------------------------------------------------------------

#[test]
fn s7_1_2_an_idle_connection_is_closed_in_good_order() {
    for engine in both() {
        let mut driven = Driven::new(engine.with(|c| c.idle_timeout = Some(secs(60))));
        assert_eq!(driven.time(0), (Some(at(60)), vec![]));
        let (next, frames) = driven.time(60);
        assert_eq!(frames[0].1[..2], 1001_u16.to_be_bytes());
        assert_eq!(next, Some(at(65)), "the deadline of the closing handshake");
        driven.receive([close(1001, "")]);
        let closed = driven.ws.closed().unwrap();
        assert_eq!((closed.cause(), closed.by()), (Cause::Timeout(Timeout::Idle), Side::Local));
        assert!(closed.is_clean());
    }
}

#[test]
fn s7_1_2_an_idle_connection_that_nobody_answers_was_idle_unless_a_rule_is_broken() {
    for engine in both() {
        let mut driven = Driven::new(engine.with(|c| c.idle_timeout = Some(secs(60))));
        driven.time(0);
        driven.time(60);
        driven.time(65);
        let closed = driven.ws.closed().unwrap();
        assert_eq!((closed.cause(), closed.by()), (Cause::Timeout(Timeout::Idle), Side::Local));
        assert!(!closed.is_clean());

        let mut driven = Driven::new(driven.engine);
        driven.time(0);
        driven.time(60);
        driven.receive([frame(3, "")]);
        let violation = Cause::Protocol(sockeye::ProtocolError::ReservedOpcode);
        assert_eq!(driven.ws.closed().unwrap().cause(), violation);
    }
}

#[test]
fn s7_1_7_an_idle_connection_whose_output_is_stuck_is_dropped() {
    for engine in both() {
        let mut driven = Driven::new(engine.with(|c| c.idle_timeout = Some(secs(60))));
        driven.time(0);
        let mut full = sockeye::FixedOutput::new(&mut []);
        let next = driven.ws.handle_timeout(at(60), &mut full);
        assert_eq!(next, Some(at(65)), "the transport has as long as ever to close");
        let closed = driven.ws.closed().unwrap();
        assert_eq!((closed.cause(), closed.by()), (Cause::Timeout(Timeout::Idle), Side::Local));
        assert!(!closed.is_clean());
        assert_eq!(closed.to_string(), Timeout::Idle.to_string());
        assert!(driven.ws.should_close_transport());
    }
}

#[test]
fn s7_1_2_data_in_either_direction_puts_the_idle_deadline_off_and_control_frames_do_not() {
    for engine in both() {
        let mut driven = Driven::new(engine.with(|c| c.idle_timeout = Some(secs(60))));
        driven.time(0);
        driven.receive([text("x")]);
        assert_eq!(driven.time(50).0, Some(at(110)));
        driven.ws.send_binary(b"x", &mut driven.out).unwrap();
        assert_eq!(driven.time(100).0, Some(at(160)));
        driven.receive([ping("x"), pong("y")]);
        assert_eq!(driven.time(150).0, Some(at(160)));
    }
}

// ---- closing ---------------------------------------------------------------------------

#[test]
fn s7_1_1_a_close_that_is_not_answered_ends_at_its_deadline() {
    for engine in both() {
        let mut driven = Driven::new(engine);
        driven.ws.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut driven.out).unwrap();
        assert!(driven.ws.wants_time());
        assert_eq!(driven.time(10).0, Some(at(15)));
        // Data does not put it off.
        driven.receive([text("x")]);
        assert_eq!(driven.time(14).0, Some(at(15)));
        assert!(!driven.ws.should_close_transport());
        assert_eq!(driven.time(15), (None, vec![]));
        assert!(driven.ws.should_close_transport());
        let closed = driven.ws.closed().unwrap();
        assert_eq!(closed.cause(), Cause::Timeout(Timeout::Close));
        assert!(!closed.is_clean());
    }
}

#[test]
fn s7_1_1_a_client_waits_for_the_server_to_close_the_transport_but_not_for_ever() {
    for by_us in [false, true] {
        let mut driven = Driven::new(client());
        if by_us {
            driven.ws.close(None, "", &mut driven.out).unwrap();
            assert_eq!(driven.time(0).0, Some(at(5)));
        }
        driven.receive([close(1000, "")]);
        assert!(!driven.ws.should_close_transport());
        // One deadline from the first Close frame to the end.
        let end = if by_us { 5 } else { 8 };
        assert_eq!(driven.time(3).0, Some(at(end)));
        assert_eq!(driven.ws.close_deadline(), Some(at(end)));
        assert_eq!(driven.time(end).0, None);
        assert!(driven.ws.should_close_transport());
        assert!(driven.ws.closed().unwrap().is_clean(), "the handshake was done");
    }
}

#[test]
fn s7_1_7_a_failed_connection_has_a_deadline_for_its_transport() {
    for engine in both() {
        let mut driven = Driven::new(engine);
        driven.receive([frame(0x3, "")]);
        assert!(driven.ws.should_close_transport());
        driven.time(3);
        assert_eq!(driven.ws.close_deadline(), Some(at(8)));
    }
}

#[test]
fn noting_the_time_gives_up_on_nobody() {
    // The Pong has come, but the caller was busy and reads it late.
    for engine in both() {
        let mut driven = keep_alive(engine);
        driven.time(0);
        let (_, frames) = driven.time(30);
        assert_eq!(driven.ws.note_time(at(100)), Some(at(40)), "overdue");
        assert!(driven.ws.is_open() && driven.out.is_empty());
        driven.receive([pong(&frames[0].1)]);
        assert_eq!(driven.ws.note_time(at(101)), Some(at(131)));
        assert_eq!(driven.time(102), (Some(at(131)), vec![]));
        assert!(driven.ws.is_open());
    }
}

#[test]
fn a_refused_command_does_not_put_the_idle_deadline_off() {
    for engine in both() {
        let mut driven = Driven::new(engine.with(|c| c.idle_timeout = Some(secs(60))));
        driven.time(0);
        let mut full = sockeye::FixedOutput::new(&mut []);
        assert!(driven.ws.send_text("x", &mut full).is_err());
        assert!(driven.ws.send_text_fragment(b"\xff", true, &mut Vec::new()).is_err());
        assert_eq!(driven.time(50).0, Some(at(60)));
    }
}

#[test]
fn without_a_close_timeout_nothing_gives_up() {
    let mut driven = Driven::new(server().with(|c| c.close_timeout = None));
    driven.ws.close(None, "", &mut driven.out).unwrap();
    assert_eq!(driven.time(0).0, None);
    assert_eq!(driven.time(1_000_000).0, None);
    assert!(!driven.ws.should_close_transport());
}

#[test]
fn after_the_end_no_deadline_is_left() {
    for engine in both() {
        let mut driven = keep_alive(engine.with(|c| c.idle_timeout = Some(secs(60))));
        driven.time(0);
        driven.ws.receive_eof();
        assert_eq!(driven.time(1_000), (None, vec![]));
    }
}

#[test]
fn extreme_durations_neither_overflow_nor_spin() {
    for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        for engine in both() {
            let mut ws = engine
                .with(|c| {
                    c.ping_interval = Some(duration);
                    c.pong_timeout = duration;
                    c.idle_timeout = Some(duration);
                    c.close_timeout = Some(duration);
                })
                .connection();
            let mut out = Vec::new();
            for seconds in [0, 1, 1, u64::MAX - 2000] {
                ws.handle_timeout(at(seconds), &mut out);
                let _ = ws.send_ping(b"", &mut out);
                let _ = ws.send_text("", &mut out);
            }
            let full = &mut sockeye::FixedOutput::new(&mut []);
            ws.handle_timeout(at(u64::MAX - 2000), full);
        }
    }
}

#[test]
fn a_keep_alive_ping_without_room_is_tried_again() {
    let mut driven = keep_alive(server());
    driven.time(0);
    let mut full = sockeye::FixedOutput::new(&mut []);
    assert_eq!(driven.ws.handle_timeout(at(30), &mut full), Some(at(60)));
    assert_eq!(driven.time(60).1.len(), 1);
}

/// A Ping that waits for room is offered again and again. It came but once.
#[test]
fn what_waits_for_room_puts_no_ping_off() {
    for engine in both() {
        let mut driven = keep_alive(engine);
        driven.time(0);
        let mut bytes = driven.engine.peer_sends([ping([0; 20])]);
        let mut left = bytes.len();
        for seconds in [10, 20] {
            let start = bytes.len() - left;
            let mut input = Input::new(&mut bytes[start..]);
            let mut memory = [0; 10];
            let mut out = sockeye::FixedOutput::new(&mut memory);
            assert!(driven.ws.receive(&mut input, &mut out).is_none() && driven.ws.wants_room());
            left = input.len();
            assert_eq!(driven.ws.note_time(at(seconds)), Some(at(40)));
        }
    }
}
