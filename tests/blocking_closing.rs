//! The blocking adapter over real sockets: how connections end.

#![cfg(feature = "url")]

mod common;
mod sockets;

use std::io::{ErrorKind, Read};
use std::iter;

use common::*;
use sockets::*;
use sockeye::blocking::Error;
use sockeye::{Cause, CloseCode, Message, ProtocolError, SendError, Side};

// ---- closing ---------------------------------------------------------------------

#[test]
fn s7_1_2_we_close_with_every_legal_code() {
    bounded(|| {
        for (role, code) in ROLES.into_iter().flat_map(|r| CODES.map(|c| (r, c))) {
            let (mut ws, mut peer) = open(role, &defaults());
            let ours = Task::start(move || (ws.close(CloseCode::new(code), REASON), ws));
            peer.expect([close(code, REASON)]);
            peer.send([close(code, REASON)]);
            peer.finish();
            let (closed, mut ws) = ours.join();
            let closed = closed.unwrap();
            assert!(closed.is_clean());
            assert_eq!((closed.by(), closed.cause()), (Side::Local, Cause::ClosingHandshake));
            assert_eq!((closed.code().get(), closed.reason()), (code, REASON));
            assert_eq!(ws.closed(), Some(closed));
            assert_shape!(ws.send("more"), Err(Error::Send(SendError::Closed)));
            assert_shape!(ws.read(), Ok(None));
        }
    });
}

#[test]
fn s5_5_1_the_peers_close_is_answered_with_its_code_and_reason() {
    bounded(|| {
        for (role, code) in ROLES.into_iter().flat_map(|r| CODES.map(|c| (r, c))) {
            let (mut ws, mut peer) = open(role, &defaults());
            let ours = Task::start(move || (ws.read(), ws));
            peer.send([close(code, REASON)]);
            peer.expect([close(code, REASON)]);
            peer.finish();
            let (outcome, mut ws) = ours.join();
            assert_shape!(outcome, Ok(None));
            let closed = ws.closed().unwrap();
            assert!(closed.is_clean());
            assert_eq!(closed.by(), Side::Peer);
            assert_eq!((closed.code().get(), closed.reason()), (code, REASON));
            assert_shape!(ws.send("more"), Err(Error::Send(SendError::Closed)));
            assert_eq!(ws.close(CloseCode::NORMAL_CLOSURE, "").unwrap(), closed);
        }
    });
}

#[test]
fn s7_1_5_a_close_without_a_body_reports_1005_on_both_sides() {
    each_role(|role| {
        for by_us in [true, false] {
            let (mut ws, mut peer) = open(role, &defaults());
            if by_us {
                ws.command(|ws, out| ws.close(None, "", out)).unwrap();
                peer.expect([empty_close()]);
                peer.send([empty_close()]);
            } else {
                peer.send([empty_close()]);
            }
            let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
            if !by_us {
                peer.expect([empty_close()]);
            }
            peer.finish();
            let (outcome, closed) = ours.join();
            assert_shape!(outcome, Ok(None));
            assert!(closed.is_clean());
            assert_eq!(closed.code(), CloseCode::NO_STATUS_RECEIVED);
        }
    });
}

#[test]
fn s7_4_codes_that_may_not_be_sent_are_refused_and_change_nothing() {
    bounded(|| {
        let (mut ws, mut peer) = open(Role::Server, &defaults());
        for forbidden in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            let code = CloseCode::new(forbidden);
            assert_shape!(ws.close(code, ""), Err(Error::Send(SendError::InvalidCloseCode)));
            assert_shape!(ws.start_close(code, ""), Err(Error::Send(SendError::InvalidCloseCode)));
        }
        ws.send("still open").unwrap();
        peer.expect([text("still open")]);
    });
}

#[test]
fn rule_52_a_reason_is_cut_at_123_bytes_before_a_character_that_does_not_fit() {
    bounded(|| {
        for (reason, kept) in [("x".repeat(200), 123), ("\u{e9}".repeat(100), 122)] {
            let (mut ws, mut peer) = open(Role::Client, &defaults());
            ws.start_close(CloseCode::NORMAL_CLOSURE, &reason).unwrap();
            peer.expect([close(1000, &reason[..kept])]);
        }
    });
}

#[test]
fn two_ends_of_ours_close_in_good_order() {
    bounded(|| {
        for by_client in [true, false] {
            let (client, server) = pair(&defaults());
            let (mut first, mut second) =
                if by_client { (client, server) } else { (server, client) };
            let second = Task::start(move || (second.read(), second.closed().unwrap()));
            let closed = first.close(CloseCode::GOING_AWAY, REASON).unwrap();
            let (outcome, seen) = second.join();
            assert_shape!(outcome, Ok(None));
            assert!(closed.is_clean() && seen.is_clean());
            assert_eq!((closed.by(), seen.by()), (Side::Local, Side::Peer));
            assert_eq!((seen.code(), seen.reason()), (CloseCode::GOING_AWAY, REASON));
        }
    });
}

#[test]
fn rule_65_both_may_close_at_the_same_time() {
    bounded(|| {
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &defaults());
            peer.send([close(4001, "theirs")]);
            ws.start_close(CloseCode::new(4000), "ours").unwrap();
            peer.expect([close(4000, "ours")]);
            let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
            peer.finish(); // nothing comes but the end
            let (outcome, closed) = ours.join();
            assert_shape!(outcome, Ok(None));
            assert!(closed.is_clean());
            assert_eq!((closed.code().get(), closed.reason()), (4001, "theirs"));
        }
        let (mut client, mut server) = pair(&defaults());
        client.start_close(CloseCode::new(4001), "").unwrap();
        server.start_close(CloseCode::new(4002), "").unwrap();
        let server = Task::start(move || (server.read(), server.closed().unwrap()));
        assert_shape!(client.read(), Ok(None));
        let (outcome, closed) = server.join();
        assert_shape!(outcome, Ok(None));
        assert_eq!(closed.code().get(), 4001);
        assert_eq!(client.closed().unwrap().code().get(), 4002);
    });
}

#[test]
fn s5_5_1_messages_before_the_peers_close_are_read_after_ours() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.start_close(CloseCode::NORMAL_CLOSURE, "").unwrap();
        peer.expect([close(1000, "")]);
        peer.send([text("a"), ping("unanswered"), binary([2]), close(1000, "")]);
        let ours = Task::start(move || [ws.read(), ws.read(), ws.read()].map(Result::unwrap));
        peer.finish(); // nothing comes but the end
        let read = [Some(Message::from("a")), Some(Message::from(vec![2])), None];
        assert_eq!(ours.join(), read);
    });
}

#[test]
fn s5_5_1_close_reads_and_drops_what_the_peer_still_sends() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let ours = Task::start(move || ws.close(CloseCode::NORMAL_CLOSURE, ""));
        // More than the network holds: it would get stuck.
        peer.send(iter::repeat_n(binary(vec![0; 1 << 20]), 12));
        peer.send([fragment(TEXT, "cut short"), close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.finish();
        assert!(ours.join().unwrap().is_clean());
    });
}

#[test]
fn rule_73_a_message_that_a_close_cuts_short_is_void() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        peer.send([fragment(TEXT, "half a mess"), close(1000, "")]);
        let ours = Task::start(move || ws.read());
        peer.expect([close(1000, "")]);
        peer.finish();
        assert_shape!(ours.join(), Ok(None));
    });
}

#[test]
fn s7_1_1_server_closes_the_transport_first() {
    bounded(|| {
        let (mut ws, mut peer) = open(Role::Server, &defaults());
        let ours = Task::start(move || ws.read());
        peer.send([close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.expect_eof(); // though our side is open
        // It reads on until we end, or a reset could eat its Close.
        peer.send_bytes([0; 1 << 16]);
        drop(peer);
        assert_shape!(ours.join(), Ok(None));
    });
}

#[test]
fn s7_1_1_client_waits_for_the_server_to_close_the_transport() {
    bounded(|| {
        let (mut ws, mut peer) = open(Role::Client, &defaults());
        let ours = Task::start(move || ws.read());
        peer.send([close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.stream.set_read_timeout(Some(SOON)).unwrap();
        let outcome = peer.stream.read(&mut [0]);
        assert_shape!(outcome, Err(e) if e.kind() == ErrorKind::WouldBlock);
        drop(peer);
        assert_shape!(ours.join(), Ok(None));
    });
}

#[test]
fn s7_1_1_a_peer_that_never_closes_the_transport_is_not_waited_for_for_ever() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &config(|c| c.close_timeout = Some(SOON)));
        peer.send([close(1000, "")]);
        assert_shape!(ws.read(), Ok(None));
        assert!(ws.closed().unwrap().is_clean());
        peer.expect([close(1000, "")]);
    });
}

#[test]
fn s7_1_4_a_reset_after_the_closing_handshake_is_no_error() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.send("not read, so that its end is a reset").unwrap();
        peer.send([text("last words"), close(1000, "")]);
        drop(peer);
        assert_eq!(ws.read().unwrap(), Some(Message::from("last words")));
        assert_shape!(ws.read(), Ok(None));
        assert!(ws.closed().unwrap().is_clean());
    });
}

// ---- failing ---------------------------------------------------------------------

#[test]
fn s7_1_7_a_violation_is_an_error_and_the_peer_is_told() {
    use ProtocolError::*;
    bounded(|| {
        let small = config(|c| {
            c.max_message_len = 1000;
            c.max_frame_len = 800;
        });
        for role in ROLES {
            let masked = role == Role::Server;
            let encode = |frames: &[Frame]| -> Vec<u8> {
                frames.iter().flat_map(|f| if masked { f.masked() } else { f.unmasked() }).collect()
            };
            let half = vec![0; 600];
            let violations = [
                (encode(&[text("x").rsv(4)]), ReservedBits),
                (encode(&[frame(3, "")]), ReservedOpcode),
                (encode(&[fragment(PING, "")]), ControlFrameFragmented),
                (encode(&[ping([0; 126])]), ControlFrameTooLong),
                (encode(&[frame(CONTINUATION, "")]), ContinuationWithoutStart),
                (encode(&[fragment(TEXT, ""), text("")]), MessageInProgress),
                (encode(&[frame(TEXT, b"\xff")]), TextNotUtf8),
                (encode(&[frame(CLOSE, [3])]), ClosePayloadTruncated),
                (encode(&[close(1005, "")]), CloseCodeInvalid),
                (encode(&[close(1000, b"\xff")]), CloseReasonNotUtf8),
                (encode(&[binary([0; 801])]), FrameTooLong),
                (encode(&[fragment(BINARY, &half), frame(CONTINUATION, &half)]), MessageTooLong),
                (announce(0x80 | BINARY, 5, masked), LengthNotMinimal),
                (announce(0x80 | BINARY, 1 << 63, masked), LengthTopBitSet),
                if masked {
                    (text("x").unmasked(), UnmaskedByClient)
                } else {
                    (text("x").masked(), MaskedByServer)
                },
            ];
            for (bytes, expected) in violations {
                let (mut ws, mut peer) = open(role, &small);
                let ours = Task::start(move || (ws.read(), ws));
                peer.send([text("fine")]);
                peer.send_bytes(bytes);
                let (outcome, mut ws) = ours.join();
                assert_eq!(outcome.unwrap(), Some(Message::from("fine")));
                let ours = Task::start(move || (ws.read(), ws));
                peer.expect([close(expected.close_code().get(), "")]);
                peer.expect_eof();
                drop(peer);
                let (outcome, mut ws) = ours.join();
                assert_shape!(outcome, Err(Error::Protocol(e)) if e == expected);
                assert_eq!(ws.closed().unwrap().cause(), Cause::Protocol(expected));
                assert_shape!(ws.read(), Err(Error::Protocol(e)) if e == expected);
                assert_shape!(ws.send("x"), Err(Error::Send(SendError::Closed)));
                assert_shape!(ws.close(code(1000), ""), Err(Error::Protocol(e)) if e == expected);
            }
        }
    });
}

#[test]
fn rule_67_no_reset_eats_the_close_of_a_failing_connection() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let ours = Task::start(move || ws.read());
        peer.send([text("x").rsv(1)]);
        // Still sending, more than the network holds.
        peer.send_bytes(vec![0; STUCK]);
        peer.expect([close(1002, "")]);
        peer.expect_eof();
        drop(peer);
        assert_shape!(ours.join(), Err(Error::Protocol(ProtocolError::ReservedBits)));
    });
}

#[test]
fn rule_72_an_end_inside_a_frame_is_told_from_one_between_frames() {
    each_role(|role| {
        let masked = role == Role::Server;
        let encode = |f: Frame| if masked { f.masked() } else { f.unmasked() };
        let whole = encode(text("whole"));
        let ends = [
            (Vec::new(), false),
            (whole.clone(), false),
            (encode(fragment(TEXT, "one of several")), false),
            (encode(ping("p")), false),
            (whole[..1].to_vec(), true),
            (whole[..whole.len() - 5].to_vec(), true),
            (whole[..whole.len() - 1].to_vec(), true),
            (encode(ping("p"))[..2].to_vec(), true),
            (announce(0x80 | BINARY, 1 << 20, masked), true),
        ];
        for (bytes, expected) in ends {
            let (mut ws, mut peer) = open(role, &defaults());
            peer.send_bytes(&bytes);
            peer.half_close();
            let outcome = loop {
                match ws.read() {
                    Ok(Some(message)) => assert_eq!(message, Message::from("whole")),
                    outcome => break outcome,
                }
            };
            assert_shape!(
                outcome,
                Err(Error::Lost { inside_frame, .. }) if inside_frame == expected
            );
            let closed = ws.closed().unwrap();
            assert_eq!(closed.code(), CloseCode::ABNORMAL_CLOSURE);
            assert_eq!((closed.is_clean(), closed.by()), (false, Side::Peer));
        }
    });
}

#[test]
fn s7_1_5_an_end_after_our_close_alone_is_not_clean() {
    each_role(|role| {
        let (mut ws, peer) = open(role, &defaults());
        peer.half_close();
        let outcome = ws.close(CloseCode::NORMAL_CLOSURE, "");
        assert_shape!(outcome, Err(Error::Lost { inside_frame: false, .. }));
        assert_eq!(ws.closed().unwrap().by(), Side::Local);
    });
}

#[test]
fn a_reset_is_an_io_error_after_all_that_was_said_before_it() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.send("not read, so that its end is a reset").unwrap();
        peer.send([text("last words"), ping("p")]);
        drop(peer);
        assert_eq!(ws.read().unwrap(), Some(Message::from("last words")));
        match ws.read() {
            // The answer to the Ping may have met the reset before us.
            Err(Error::Lost { .. }) => {}
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
        assert!(!ws.closed().unwrap().is_clean());
    });
}
