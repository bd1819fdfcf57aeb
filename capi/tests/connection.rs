//! A connection through the functions of the header tells and sends what the engine does,
//! wherever the bytes are cut, and however little room there is.

#![cfg(feature = "deflate")]

mod api;
#[path = "../../tests/common/mod.rs"]
mod common;

use api::sockeye_cause::*;
use api::sockeye_event_type::*;
use api::sockeye_protocol_error::*;
use api::*;
use common::*;

/// Everything that one run shows, as [`common::Story`] has it of the engine.
#[derive(Debug, PartialEq)]
struct Seen {
    told: Vec<Told>,
    out: Vec<u8>,
    is_clean: Option<bool>,
    should_close_transport: bool,
}

/// How bytes come, and what there is room for.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// 0: whole; 1: byte by byte; more: a seed to cut at random.
    cut: u64,
    /// Bytes of output.
    room: usize,
    scratch: usize,
}

fn ways() -> impl Iterator<Item = Way> {
    let cuts = 0..6;
    let rooms = [SOCKEYE_OUTPUT_MIN, 1 << 20];
    let scratches = [SOCKEYE_SCRATCH_MIN, 100, 16 << 10];
    cuts.flat_map(move |cut| {
        rooms.into_iter().flat_map(move |room| {
            scratches.into_iter().map(move |scratch| Way { cut, room, scratch })
        })
    })
}

/// Has a connection receive these bytes in this way.
fn run(ws: &Ws, bytes: &[u8], way: Way) -> Seen {
    let mut random = Random(way.cut);
    let mut scratch = vec![0; way.scratch];
    let mut out = Out::new(way.room);
    let (mut told, mut sent) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = match way.cut {
            0 => rest.len(),
            1 => 1,
            _ => 1 + random.below(9),
        };
        let (piece, behind) = rest.split_at(len.min(rest.len()));
        rest = behind;
        let mut piece = piece.to_vec();
        let mut input = input(&mut piece, &mut scratch);
        let mut event = empty();
        loop {
            match ws.receive(&mut input, &mut out, &mut event) {
                SOCKEYE_OK => tell(&event, &mut told),
                SOCKEYE_NEED_MORE => break,
                SOCKEYE_OUTPUT_FULL => {
                    assert_eq!(out.raw.needed, SOCKEYE_OUTPUT_MIN);
                    assert!(out.raw.len > 0, "an empty output is full");
                    sent.extend(out.take());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(input.len, 0, "input left, and more wanted");
        // SAFETY: it is there.
        assert!(!unsafe { sockeye_connection_has_more(ws.0) });
        sent.extend(out.take());
    }
    Seen {
        told,
        out: sent,
        is_clean: ws.closed().map(|closed| closed.is_clean),
        should_close_transport: ws.should_close_transport(),
    }
}

/// Puts chunks together, as [`common::drain`] does.
fn tell(event: &sockeye_event, told: &mut Vec<Told>) {
    let data = || taken(event.data);
    match event.r#type {
        SOCKEYE_EVENT_TEXT => {
            let at = told.iter().rposition(|t| matches!(t, Told::PartOfText(_)));
            let part = match at.filter(|_| !event.is_first).map(|at| told.remove(at)) {
                Some(Told::PartOfText(part)) => part,
                None if event.is_first => String::new(),
                other => panic!("{other:?}"),
            };
            let whole = part + &said(event.data);
            told.push(if event.is_last { Told::Text(whole) } else { Told::PartOfText(whole) });
            assert_eq!(event.is_last, event.remaining == 0);
        }
        SOCKEYE_EVENT_BINARY => {
            let at = told.iter().rposition(|t| matches!(t, Told::PartOfBinary(_)));
            let mut part = match at.filter(|_| !event.is_first).map(|at| told.remove(at)) {
                Some(Told::PartOfBinary(part)) => part,
                None if event.is_first => Vec::new(),
                other => panic!("{other:?}"),
            };
            part.extend(data());
            told.push(if event.is_last { Told::Binary(part) } else { Told::PartOfBinary(part) });
        }
        SOCKEYE_EVENT_PING => told.push(Told::Ping(data())),
        SOCKEYE_EVENT_PONG => told.push(Told::Pong(data())),
        SOCKEYE_EVENT_CLOSE => {
            let code = (event.close_code != 0).then_some(event.close_code);
            told.push(Told::Close(code, said(event.data)));
        }
        SOCKEYE_EVENT_FAILED => {
            let error = FAULTS.iter().find(|(number, _)| *number == event.error).unwrap().1;
            assert_eq!(event.close_code, error.close_code().get());
            told.push(Told::Failed(error));
        }
        SOCKEYE_EVENT_NONE => panic!("no event"),
    }
}

/// Some rules; that the list of the library has them all is another test's.
const FAULTS: [(sockeye_protocol_error, sockeye::ProtocolError); 6] = [
    (SOCKEYE_PROTOCOL_RESERVED_BITS, sockeye::ProtocolError::ReservedBits),
    (SOCKEYE_PROTOCOL_TEXT_NOT_UTF8, sockeye::ProtocolError::TextNotUtf8),
    (SOCKEYE_PROTOCOL_MESSAGE_TOO_LONG, sockeye::ProtocolError::MessageTooLong),
    (SOCKEYE_PROTOCOL_CLOSE_CODE_INVALID, sockeye::ProtocolError::CloseCodeInvalid),
    (SOCKEYE_PROTOCOL_COMPRESSED_DATA_INVALID, sockeye::ProtocolError::CompressedDataInvalid),
    (SOCKEYE_PROTOCOL_CONTINUATION_WITHOUT_START, sockeye::ProtocolError::ContinuationWithoutStart),
];

/// A client's connections have the seed that [`common::Engine`] has, so that even the
/// masking keys are the same.
fn connection(settings: &Settings, is_client: bool) -> Ws {
    if is_client { Ws::client(settings, [7; 32]) } else { Ws::server(settings) }
}

#[test]
fn any_cut_and_any_room_give_what_the_engine_gives() {
    let sessions: [Vec<Frame>; 8] = [
        vec![text("h\u{e9}llo \u{1f41f}"), binary([1, 2, 3]), ping("are you there?"), pong("")],
        vec![
            fragment(TEXT, b"h\xc3"),
            ping([0x80; 125]),
            fragment(CONTINUATION, b"\xa9 \xf0\x9f"),
            frame(CONTINUATION, b"\x90\x9f"),
            close(1000, "so long, \u{9c7c}"),
            text("after the end"),
        ],
        vec![fragment(BINARY, ""), fragment(CONTINUATION, "ab"), frame(CONTINUATION, ""), text("")],
        vec![text("fine"), empty_close()],
        vec![text("fine"), frame(TEXT, b"ok so far \xff")],
        vec![ping("1"), ping("2"), ping("3"), text("x").rsv(3)],
        vec![frame(CONTINUATION, "of what?"), text("never told")],
        vec![binary([0; 300]), text(&"\u{448}\u{9c7c}".repeat(200)), close(1005, "")],
    ];
    let settings = Settings::new(|_| {});
    for engine in both() {
        for frames in &sessions {
            let bytes = engine.peer_sends(frames.clone());
            let story = engine.receives_bytes(&bytes);
            for way in ways() {
                let seen = run(&connection(&settings, engine.is_client), &bytes, way);
                let expected = Seen {
                    told: story.told.clone(),
                    out: story.out.clone(),
                    is_clean: story.closed.map(|closed| closed.is_clean()),
                    should_close_transport: story.should_close_transport,
                };
                assert_eq!(seen, expected, "{way:?} of {frames:?}");
            }
        }
    }
}

#[test]
fn any_cut_and_any_room_give_what_was_compressed() {
    let settings = Settings::new(|config| {
        config.deflate = 1;
        config.deflate_min_len = 0;
        config.max_message_len = 100_000;
    });
    let long: String = "\u{448}, \u{9c7c} and \u{1f41f}; ".repeat(300);
    let zeros = vec![0; 50_000];
    for way in ways() {
        for from_client in [true, false] {
            let (client, server) = pair(&settings);
            let (sender, receiver) = if from_client { (client, server) } else { (server, client) };
            let mut out = Out::new(1 << 20);
            for text in ["hello", "hello", &long] {
                assert_eq!(sender.text(text, &mut out), SOCKEYE_OK);
            }
            assert_eq!(sender.binary_fragment(&zeros[..7], false, &mut out), SOCKEYE_OK);
            assert_eq!(sender.ping("between", &mut out), SOCKEYE_OK);
            assert_eq!(sender.binary_fragment(&zeros[7..], true, &mut out), SOCKEYE_OK);
            // Cut inside a character, which then takes the scratch room of two calls.
            for (part, fin) in [(&b"\xf0\x9f"[..], false), (b"\x90", false), (b"\x9f", true)] {
                assert_eq!(sender.text_fragment(part, fin, &mut out), SOCKEYE_OK);
            }
            // One that is too long.
            assert_eq!(sender.binary(vec![1; 100_001], &mut out), SOCKEYE_OK);
            let wire = out.take();
            assert!(wire.len() < 2000, "{} bytes", wire.len());
            let mut seen = run(&receiver, &wire, way);
            let last = seen.told.pop();
            assert_eq!(last, Some(Told::Failed(sockeye::ProtocolError::MessageTooLong)));
            assert_eq!(seen.told.pop(), Some(Told::PartOfBinary(vec![1; 100_000])));
            let expected = [
                told_text("hello"),
                told_text("hello"),
                told_text(&long),
                Told::Ping(b"between".to_vec()),
                Told::Binary(zeros.clone()),
                told_text("\u{1f41f}"),
            ];
            assert_eq!(seen.told, expected, "{way:?}");
        }
    }
}

#[test]
fn without_scratch_room_what_is_compressed_waits_for_some() {
    let settings = Settings::new(|config| config.deflate = 1);
    let (client, server) = pair(&settings);
    // SAFETY: both are there.
    assert!(unsafe { sockeye_connection_is_compressing(server.0) });
    let (mut out, mut answers) = (Out::new(1000), Out::new(1000));
    assert_eq!(client.text("x".repeat(500), &mut out), SOCKEYE_OK);
    let mut wire = out.take();
    let mut scratch = [0; 1000];
    let mut event = empty();
    for len in [0, SOCKEYE_SCRATCH_MIN - 1] {
        let mut input = input(&mut wire, &mut scratch[..len]);
        assert_eq!(server.receive(&mut input, &mut answers, &mut event), SOCKEYE_SCRATCH_FULL);
        let left = input.len;
        wire.drain(..wire.len() - left);
    }
    let mut input = input(&mut wire, &mut scratch);
    assert_eq!(server.receive(&mut input, &mut answers, &mut event), SOCKEYE_OK);
    assert_eq!(said(event.data), "x".repeat(500));
}

#[test]
fn two_ends_talk_and_close_in_good_order() {
    let settings = Settings::new(|_| {});
    let (client, server) = pair(&settings);
    let (mut to_server, mut to_client) = (Out::new(1000), Out::new(1000));
    assert_eq!(client.text("question", &mut to_server), SOCKEYE_OK);
    assert_eq!(client.ping("p", &mut to_server), SOCKEYE_OK);
    assert_eq!(client.close(4999, "done", &mut to_server), SOCKEYE_OK);
    assert_eq!(client.text("late", &mut to_server), SOCKEYE_CLOSED);
    assert_eq!(client.close(1000, "", &mut to_server), SOCKEYE_CLOSED);
    let way = Way { cut: 1, room: SOCKEYE_OUTPUT_MIN, scratch: 0 };
    let at_server = run(&server, &to_server.take(), way);
    assert_eq!(
        at_server.told,
        [told_text("question"), Told::Ping(b"p".to_vec()), told_close(4999, "done")]
    );
    // Section 7.1.1: the server goes first.
    assert!(at_server.should_close_transport);
    let at_client = run(&client, &at_server.out, way);
    assert_eq!(at_client.told, [Told::Pong(b"p".to_vec()), told_close(4999, "done")]);
    assert!(!at_client.should_close_transport && at_client.out.is_empty());
    assert_eq!(server.text("late", &mut to_client), SOCKEYE_CLOSED);
    for (ws, by_peer) in [(&client, false), (&server, true)] {
        let closed = ws.eof();
        assert_eq!(closed.cause, SOCKEYE_CAUSE_CLOSING_HANDSHAKE);
        assert_eq!((closed.code, closed.sent_code, closed.reason_len), (4999, 4999, 4));
        assert_eq!(words(closed.reason.as_ptr()), "done");
        assert!(closed.is_clean && closed.has_sent && closed.has_received);
        assert_eq!(closed.is_by_peer, by_peer);
        assert!(ws.should_close_transport());
    }
}

#[test]
fn what_an_end_was_like_is_told() {
    let settings = Settings::new(|_| {});
    let mut out = Out::new(1000);
    let way = Way { cut: 0, room: 1000, scratch: 0 };

    let ws = Ws::server(&settings);
    assert!(ws.closed().is_none());
    let closed = ws.eof();
    assert_eq!((closed.cause, closed.code), (SOCKEYE_CAUSE_END_OF_STREAM, 1006));
    assert!(!closed.is_clean && closed.is_by_peer && !closed.has_sent && !closed.has_received);
    assert_eq!((closed.reason_len, words(closed.reason.as_ptr())), (0, String::new()));

    let ws = Ws::server(&settings);
    run(&ws, &text("x").masked()[..3], way);
    assert_eq!(ws.eof().cause, SOCKEYE_CAUSE_END_INSIDE_FRAME);

    let ws = Ws::server(&settings);
    let mut closed = empty();
    // SAFETY: both are there.
    assert_eq!(unsafe { sockeye_connection_abort(ws.0, &mut closed) }, SOCKEYE_OK);
    assert_eq!((closed.cause, closed.is_by_peer), (SOCKEYE_CAUSE_ABORTED, false));

    let ws = Ws::server(&settings);
    run(&ws, &text("x").rsv(1).masked(), way);
    let closed = ws.closed().unwrap();
    assert_eq!(
        (closed.cause, closed.error),
        (SOCKEYE_CAUSE_PROTOCOL, SOCKEYE_PROTOCOL_RESERVED_BITS)
    );
    assert_eq!((closed.code, closed.sent_code, closed.has_sent), (1006, 1002, true));

    let ws = Ws::server(&settings);
    run(&ws, &empty_close().masked(), way);
    let closed = ws.closed().unwrap();
    assert_eq!((closed.code, closed.sent_code), (1005, 0));
    assert!(closed.has_sent && closed.is_clean);

    // The longest reason, and a longer one, of which what fits is sent.
    let ws = Ws::client(&settings, [1; 32]);
    assert_eq!(ws.close(1000, "\u{e9}".repeat(62), &mut out), SOCKEYE_OK);
    let (client, server) = (ws, Ws::server(&settings));
    run(&server, &out.take(), way);
    let closed = server.closed().unwrap();
    assert_eq!((closed.reason_len, words(closed.reason.as_ptr())), (122, "\u{e9}".repeat(61)));
    drop(client);
}

#[test]
fn commands_that_cannot_be_are_refused_and_change_nothing() {
    let settings = Settings::new(|_| {});
    let mut out = Out::new(1000);
    for ws in [Ws::server(&settings), Ws::client(&settings, [1; 32])] {
        assert_eq!(ws.text(b"\xff", &mut out), SOCKEYE_INVALID_TEXT);
        assert_eq!(ws.text_fragment(b"a\xff", true, &mut out), SOCKEYE_INVALID_TEXT);
        assert_eq!(ws.ping([0; 126], &mut out), SOCKEYE_CONTROL_TOO_LONG);
        assert_eq!(ws.pong([0; 126], &mut out), SOCKEYE_CONTROL_TOO_LONG);
        for code in [1, 999, 1004, 1005, 1006, 1015, 2999, 5000, u16::MAX] {
            assert_eq!(ws.close(code, "", &mut out), SOCKEYE_INVALID_CLOSE_CODE, "{code}");
        }
        assert_eq!(ws.close(0, "why", &mut out), SOCKEYE_INVALID_CLOSE_CODE);
        assert_eq!(ws.close(1000, b"\xff", &mut out), SOCKEYE_INVALID_TEXT);
        assert_eq!(ws.binary_fragment("a", false, &mut out), SOCKEYE_OK);
        out.take();
        assert_eq!(ws.text("b", &mut out), SOCKEYE_FRAGMENT_IN_PROGRESS);
        assert_eq!(ws.text_fragment("b", true, &mut out), SOCKEYE_FRAGMENT_IN_PROGRESS);
        assert_eq!(out.raw.len, 0, "nothing was appended");
        // A fragment may end inside a character, but not a message.
        assert_eq!(ws.binary_fragment("b", true, &mut out), SOCKEYE_OK);
        assert_eq!(ws.text_fragment(b"\xc3", false, &mut out), SOCKEYE_OK);
        assert_eq!(ws.text_fragment(b"", true, &mut out), SOCKEYE_INVALID_TEXT);
        assert_eq!(ws.text_fragment(b"\xa9", true, &mut out), SOCKEYE_OK);
        out.take();
        assert_eq!(ws.close(0, "", &mut out), SOCKEYE_OK);
    }
}

#[test]
fn an_output_that_is_full_says_what_it_needs_and_then_has_it() {
    for deflate in [0, 1] {
        let settings = Settings::new(|config| {
            config.deflate = deflate;
            config.deflate_min_len = 0;
        });
        let mut random = Random(1);
        for len in [0, 1, 125, 126, 5000, 65_535, 65_536, 200_000] {
            let (client, server) = pair(&settings);
            for ws in [client, server] {
                let data = random.bytes(len);
                let mut small = Out::new(2);
                small.raw.len = 1;
                assert_eq!(ws.binary(&data, &mut small), SOCKEYE_OUTPUT_FULL);
                assert_eq!(small.raw.len, 1);
                let needed = small.raw.needed;
                assert!(needed <= sockeye_output_bound(len), "{needed} for {len}");
                let mut exact = Out::new(needed);
                assert_eq!(ws.binary(&data, &mut exact), SOCKEYE_OK);
                assert_eq!(exact.raw.needed, 0);
                let mut bound = Out::new(sockeye_output_bound(len));
                assert_eq!(ws.binary_fragment(&data, false, &mut bound), SOCKEYE_OK);
                let mut bound = Out::new(sockeye_output_bound(len));
                assert_eq!(ws.binary_fragment(&data, true, &mut bound), SOCKEYE_OK);
            }
        }
    }
    assert_eq!(sockeye_output_bound(usize::MAX), usize::MAX);
}

#[test]
fn what_is_there_of_an_output_stays_in_front() {
    let settings = Settings::new(|_| {});
    let ws = Ws::server(&settings);
    let mut out = Out::new(1000);
    assert_eq!(ws.text("a", &mut out), SOCKEYE_OK);
    assert_eq!(ws.ping("b", &mut out), SOCKEYE_OK);
    assert_eq!(ws.text("\u{e9}", &mut out), SOCKEYE_OK);
    assert_eq!(out.take(), b"\x81\x01a\x89\x01b\x81\x02\xc3\xa9");
}

/// A payload that a read boundary cut is kept by the connection, and stays where it is
/// while answers are sent.
#[test]
fn the_data_of_an_event_lasts_until_the_next() {
    let settings = Settings::new(|config| config.auto_pong = 0);
    let ws = Ws::server(&settings);
    let mut out = Out::new(10_000);
    let mut event = empty();
    let wire = Frame::masked(&ping([7; 125]));
    let (first, second) = wire.split_at(60);
    let (mut first, mut second) = (first.to_vec(), second.to_vec());
    let mut none = [];
    assert_eq!(
        ws.receive(&mut input(&mut first, &mut none), &mut out, &mut event),
        SOCKEYE_NEED_MORE
    );
    assert_eq!(event.r#type, SOCKEYE_EVENT_NONE);
    assert_eq!(ws.receive(&mut input(&mut second, &mut none), &mut out, &mut event), SOCKEYE_OK);
    drop((first, second));
    assert_eq!(ws.text("in between", &mut out), SOCKEYE_OK);
    out.take();
    // SAFETY: all are there, the payload in the connection.
    let result = unsafe { sockeye_connection_send_pong(ws.0, event.data, &mut out.raw) };
    assert_eq!(result, SOCKEYE_OK);
    assert_eq!(out.take(), [&[0x8a, 125], &[7; 125][..]].concat());

    // What came in one piece is where it came.
    let mut whole = ping("p").masked();
    let range = whole.as_ptr_range();
    assert_eq!(ws.receive(&mut input(&mut whole, &mut none), &mut out, &mut event), SOCKEYE_OK);
    assert!(range.contains(&event.data.data), "it was copied");
}

// ---- time -------------------------------------------------------------------------------

const SECOND: u64 = 1_000_000_000;

#[test]
fn silence_is_noticed_and_given_up_on() {
    let settings = Settings::new(|config| {
        config.ping_interval_ns = 20 * SECOND;
        config.pong_timeout_ns = 5 * SECOND;
    });
    let ws = Ws::server(&settings);
    let mut out = Out::new(1000);
    let now = 1000 * SECOND;
    assert_eq!(ws.note_time(now), now + 20 * SECOND);
    assert_eq!(ws.handle_timeout(now + 20 * SECOND, &mut out), now + 25 * SECOND);
    let ping = out.take();
    assert_eq!(&ping[..2], b"\x89\x08");
    // It is answered, 3 s later.
    let answer = Frame::masked(&pong(&ping[2..]));
    run(&ws, &answer, Way { cut: 0, room: 1000, scratch: 0 });
    assert!(ws.wants_time());
    assert_eq!(ws.note_time(now + 23 * SECOND), now + 43 * SECOND);
    assert!(!ws.wants_time());
    // SAFETY: it is there.
    assert_eq!(unsafe { sockeye_connection_round_trip_ns(ws.0) }, 3 * SECOND);
    // The next one is not.
    ws.handle_timeout(now + 43 * SECOND, &mut out);
    out.take();
    let next = ws.handle_timeout(now + 48 * SECOND, &mut out);
    assert_eq!(out.take(), b"\x88\x15\x03\xf3no answer to a Ping");
    assert_eq!(ws.closed().unwrap().cause, SOCKEYE_CAUSE_PONG_TIMEOUT);
    assert!(ws.should_close_transport());
    // SAFETY: it is there.
    let deadline = unsafe { sockeye_connection_close_deadline_ns(ws.0) };
    assert_eq!((deadline, next), (now + 53 * SECOND, now + 53 * SECOND));
}

#[test]
fn idle_connections_are_closed_and_peers_that_do_not_answer_given_up() {
    let settings = Settings::new(|config| config.idle_timeout_ns = 60 * SECOND);
    let ws = Ws::server(&settings);
    let mut out = Out::new(1000);
    assert_eq!(ws.note_time(0), 60 * SECOND);
    assert_eq!(ws.handle_timeout(60 * SECOND, &mut out), 65 * SECOND);
    assert_eq!(out.take(), b"\x88\x13\x03\xe9idle for too long");
    assert_eq!(ws.handle_timeout(65 * SECOND, &mut out), SOCKEYE_NEVER);
    assert_eq!(ws.closed().unwrap().cause, SOCKEYE_CAUSE_IDLE_TIMEOUT);

    let settings = Settings::new(|_| {});
    let ws = Ws::client(&settings, [1; 32]);
    assert_eq!(ws.note_time(0), SOCKEYE_NEVER);
    assert_eq!(ws.close(1000, "", &mut out), SOCKEYE_OK);
    assert_eq!(ws.note_time(SECOND), 6 * SECOND);
    ws.handle_timeout(6 * SECOND, &mut out);
    assert_eq!(ws.closed().unwrap().cause, SOCKEYE_CAUSE_CLOSE_TIMEOUT);
}

#[test]
fn times_as_late_as_can_be_do_not_overflow() {
    let settings = Settings::new(|config| config.ping_interval_ns = u64::MAX - 1);
    let ws = Ws::server(&settings);
    // What cannot be told is as good as never.
    assert_eq!(ws.note_time(u64::MAX), SOCKEYE_NEVER);
    assert_eq!(ws.handle_timeout(u64::MAX, &mut Out::new(131)), SOCKEYE_NEVER);
}

#[test]
fn an_output_without_room_keeps_no_deadline_from_passing() {
    let settings = Settings::new(|config| config.ping_interval_ns = SECOND);
    let ws = Ws::server(&settings);
    let mut full = Out::new(0);
    assert_eq!(ws.note_time(0), SECOND);
    assert_eq!(ws.handle_timeout(SECOND, &mut full), 2 * SECOND);
    assert_eq!(full.raw.len, 0);
}
