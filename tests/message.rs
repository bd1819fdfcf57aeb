//! Whole messages: what an assembler collects, and what memory it takes.

mod common;

use std::borrow::Cow;

use common::*;
use sockeye::{
    Assembler, Config, Connection, Event, FixedOutput, Incoming, Input, Message, MessageKind,
};

/// Runs the engine over `bytes` in pieces of `step`; gives the messages, and
/// whether each was borrowed.
fn messages(engine: &Engine, bytes: &[u8], step: usize) -> Vec<(Message<'static>, bool)> {
    let mut ws = engine.connection();
    let mut assembler = Assembler::new();
    let mut messages = Vec::new();
    for piece in bytes.chunks(step) {
        let mut piece = piece.to_vec();
        let mut input = Input::new(&mut piece);
        while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
            if let Some(Incoming::Message(message)) = assembler.push(event) {
                let borrowed = matches!(
                    message,
                    Message::Binary(Cow::Borrowed(_)) | Message::Text(Cow::Borrowed(_))
                );
                messages.push((message.into_owned(), borrowed));
            }
        }
    }
    assert!(assembler.is_empty());
    messages
}

#[test]
fn an_assembler_is_empty_until_a_part_of_a_message_is_there() {
    let mut ws = client().connection();
    let mut assembler = Assembler::new();
    for (bytes, len) in [(&b"\x01\x02ab"[..], 2), (b"\x00\x01c", 3), (b"\x80\x00", 0)] {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
            assembler.push(event);
        }
        assert_eq!((assembler.len(), assembler.is_empty()), (len, len == 0));
    }
}

#[test]
fn a_message_in_one_piece_is_borrowed_and_one_in_many_is_collected() {
    for engine in both() {
        let bytes = engine.peer_sends([text("h\u{e9}llo"), binary([1, 2, 3])]);
        let expected = [Message::from("h\u{e9}llo"), Message::from(&[1, 2, 3][..])];
        for (step, borrowed) in [(bytes.len(), true), (1, false), (2, false)] {
            let seen = messages(&engine, &bytes, step);
            assert_eq!(seen, expected.clone().map(|m| (m, borrowed)), "in pieces of {step}");
        }
    }
}

#[test]
fn long_messages_of_many_fragments_come_whole() {
    for engine in both() {
        let data = Random(3).bytes(200_000);
        let mut pieces = data.chunks(1000).collect::<Vec<_>>();
        let last = pieces.pop().unwrap();
        let mut frames = vec![fragment(BINARY, pieces.remove(0))];
        frames.extend(pieces.into_iter().map(|p| fragment(CONTINUATION, p)));
        frames.push(frame(CONTINUATION, last));
        let bytes = engine.peer_sends(frames);
        assert_eq!(messages(&engine, &bytes, 4096), [(Message::from(data), false)]);

        // Longer than the pieces that text is validated in.
        let long = "\u{20ac}".repeat(40_000);
        let bytes = engine.peer_sends([text(&long)]);
        for step in [bytes.len(), 1 << 16, 777] {
            assert_eq!(messages(&engine, &bytes, step), [(Message::from(long.as_str()), false)]);
        }
    }
}

#[test]
fn everything_else_passes_through() {
    let engine = server();
    let mut ws = engine.connection();
    let mut bytes = engine.peer_sends([fragment(TEXT, "a"), ping("p"), pong("q"), frame(0x3, "")]);
    let mut input = Input::new(&mut bytes);
    let mut assembler = Assembler::new();
    let mut seen = Vec::new();
    while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
        seen.push(match assembler.push(event) {
            None => "chunk".into(),
            Some(incoming) => format!("{incoming:?}"),
        });
    }
    let expected = [
        "chunk",
        "Ping(ControlPayload(\"p\"))",
        "Pong(ControlPayload(\"q\"))",
        "Failed(ReservedOpcode)",
    ];
    assert_eq!(seen, expected);
    assert!(assembler.is_empty(), "what was collected is dropped");
}

#[test]
fn memory_leaves_with_the_message_and_can_be_lent_again() {
    let engine = client();
    let mut ws = engine.connection();
    let mut assembler = Assembler::new();
    let mut lent = Vec::with_capacity(1000);
    lent.push(1);
    let memory = lent.as_ptr();
    assembler.put_buffer(lent);
    // Of two buffers the larger is kept.
    assembler.put_buffer(Vec::with_capacity(10));
    for kind in [BINARY, TEXT] {
        let frames = [fragment(kind, "abc"), frame(CONTINUATION, "def")];
        let message = collect(&mut ws, &mut assembler, engine.peer_sends(frames));
        assert_eq!(message.as_bytes(), b"abcdef");
        assert_eq!(assembler.take_buffer().capacity(), 0, "nothing is left behind");
        let buffer = message.into_buffer();
        assert_eq!(buffer.as_ptr(), memory);
        assembler.put_buffer(buffer);
    }
    let spare = assembler.take_buffer();
    assert_eq!(spare.as_ptr(), memory);
}

#[test]
fn an_assembler_that_knows_the_limit_never_asks_for_more() {
    for kind in [BINARY, TEXT] {
        let engine = server();
        let mut ws = engine.connection();
        let mut assembler = Assembler::default();
        assembler.set_max_len(100);
        // Without the limit it would double from 60 to 120.
        let frames = [
            fragment(kind, [b'x'; 60]),
            fragment(CONTINUATION, [b'x'; 30]),
            frame(CONTINUATION, [b'x'; 10]),
        ];
        let message = collect(&mut ws, &mut assembler, engine.peer_sends(frames));
        assert_eq!(message.as_bytes(), [b'x'; 100]);
        assert_eq!(message.into_buffer().capacity(), 100);
    }
}

fn collect(ws: &mut Connection, assembler: &mut Assembler, mut bytes: Vec<u8>) -> Message<'static> {
    let mut input = Input::new(&mut bytes);
    loop {
        let event: Event<'_> = ws.receive(&mut input, &mut Vec::new()).expect("a whole message");
        if let Some(Incoming::Message(message)) = assembler.push(event) {
            return message.into_owned();
        }
    }
}

#[test]
fn messages_convert_and_say_what_they_are() {
    let text = Message::from("t");
    assert_eq!(
        (text.kind(), text.as_text(), text.as_bytes()),
        (MessageKind::Text, Some("t"), &b"t"[..])
    );
    let binary = Message::from(vec![0xff]);
    assert_eq!(
        (binary.kind(), binary.as_text(), binary.as_bytes()),
        (MessageKind::Binary, None, &[0xff][..])
    );
    assert_eq!(Message::from(&binary), binary);
    assert_eq!(Message::from(String::from("t")), text);
    assert!(text.into_buffer().is_empty(), "it was borrowed");
}

#[test]
fn a_message_that_was_never_completed_does_not_run_into_another() {
    // One assembler for connection after connection.
    let engine = client();
    let mut assembler = Assembler::new();
    let mut ws = engine.connection();
    let mut bytes = engine.peer_sends([fragment(TEXT, "secret")]);
    let event = ws.receive(&mut Input::new(&mut bytes), &mut Vec::new()).unwrap();
    assert_eq!(assembler.push(event), None);
    ws.receive_eof();

    let mut ws = engine.connection();
    let bytes = engine.peer_sends([fragment(TEXT, "x"), frame(CONTINUATION, "y")]);
    assert_eq!(collect(&mut ws, &mut assembler, bytes), Message::from("xy"));
    assert!(assembler.is_empty());

    // Nor is the end of a message, whose beginning went elsewhere, a message.
    for kind in [TEXT, BINARY] {
        let mut ws = engine.connection();
        let frames = [fragment(kind, "x"), frame(CONTINUATION, "y"), text("z")];
        let mut bytes = engine.peer_sends(frames);
        let mut input = Input::new(&mut bytes);
        assert!(ws.receive(&mut input, &mut Vec::new()).is_some());
        let mut seen = Vec::new();
        while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
            seen.extend(assembler.push(event).map(|incoming| format!("{incoming:?}")));
        }
        assert_eq!(seen, ["Message(Text(\"z\"))"]);
    }

    // And what is in progress can be dropped.
    let mut bytes = engine.peer_sends([fragment(BINARY, "begun")]);
    let mut ws = engine.connection();
    let event = ws.receive(&mut Input::new(&mut bytes), &mut Vec::new()).unwrap();
    assert_eq!(assembler.push(event), None);
    assert_eq!(assembler.len(), 5);
    assembler.reset();
    assert!(assembler.is_empty());
}

/// Reads `wire` in reads of random length, into the assembler's room where it
/// has any; gives the messages, and the bytes that went into room.
fn read_into_room(
    (ws, assembler): (&mut Connection, &mut Assembler),
    wire: &[u8],
    random: &mut Random,
) -> (Vec<Message<'static>>, usize) {
    let (mut messages, mut in_room, mut rest) = (Vec::new(), 0, wire);
    while !rest.is_empty() {
        let most = 1 << (1 + random.below(17));
        let most = 1 + random.below(most);
        let room = assembler.room(ws);
        if room.is_empty() {
            let (read, left) = rest.split_at(most.min(rest.len()));
            rest = left;
            let mut read = read.to_vec();
            let mut input = Input::new(&mut read);
            while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
                if let Some(Incoming::Message(message)) = assembler.push(event) {
                    messages.push(message.into_owned());
                }
            }
        } else {
            let len = most.min(room.len()).min(rest.len());
            let (read, left) = rest.split_at(len);
            room[..len].copy_from_slice(read);
            rest = left;
            in_room += len;
            messages.extend(assembler.receive_room(len, ws, &mut Vec::new()));
        }
        assert!(assembler.len() <= wire.len());
    }
    (messages, in_room)
}

#[test]
fn what_is_read_into_the_room_is_the_message() {
    for_seeds("what_is_read_into_the_room_is_the_message", 60, |seed| {
        for engine in both() {
            let mut random = Random(seed);
            let (mut frames, mut expected) = (Vec::new(), Vec::new());
            for _ in 0..4 {
                let most = 1 << (1 + random.below(19));
                let len = random.below(most);
                if random.below(4) == 0 {
                    let written = "\u{9c7c}".repeat(len / 3);
                    frames.push(text(&written));
                    expected.push(Message::from(written));
                    continue;
                }
                let data = random.bytes(len);
                let (first, second) = data.split_at(random.below(len.max(1)));
                if random.below(2) == 0 {
                    frames.extend([
                        fragment(BINARY, first),
                        ping("?"),
                        frame(CONTINUATION, second),
                    ]);
                } else {
                    frames.push(binary(&data));
                }
                expected.push(Message::from(data));
            }
            let wire = engine.peer_sends(frames);
            let (mut ws, mut assembler) = (engine.connection(), Assembler::new());
            assembler.put_buffer(vec![7; random.below(1 << 18)]);
            let (seen, _) = read_into_room((&mut ws, &mut assembler), &wire, &mut random);
            assert_eq!(seen, expected);
            assert!(assembler.is_empty());
        }
    });
}

#[test]
fn most_of_a_large_binary_message_goes_into_its_room() {
    for engine in both() {
        let data = Random(5).bytes(1 << 20);
        let wire = engine.peer_sends([binary(&data)]);
        let (mut ws, mut assembler) = (engine.connection(), Assembler::new());
        let ends = (&mut ws, &mut assembler);
        let (seen, in_room) = read_into_room(ends, &wire, &mut Random(7));
        assert_eq!(seen, [Message::from(data)]);
        assert!(in_room > (1 << 20) - (256 << 10), "{in_room}");
    }
}

#[test]
fn room_grows_with_what_has_come_and_not_with_what_is_announced() {
    let without_limits = |config: &mut Config| {
        config.max_frame_len = u64::MAX;
        config.max_message_len = u64::MAX;
    };
    let mut ws = server().with(without_limits).connection();
    let mut assembler = Assembler::new();
    let mut head = announce(0x82, 1 << 39, true);
    assert!(ws.receive(&mut Input::new(&mut head), &mut Vec::new()).is_none());
    assert_eq!(assembler.room(&ws).len(), 0, "nothing has come");
    let mut first = [7];
    let event = ws.receive(&mut Input::new(&mut first), &mut Vec::new()).unwrap();
    assert!(assembler.push(event).is_none());
    let mut come = 1;
    for _ in 0..100 {
        let room = assembler.room(&ws).len();
        assert!((1..=4 << 10).contains(&room) || room <= come, "{room} of {come}");
        assert_eq!(assembler.room(&ws).len(), room, "asked again");
        assert_eq!(assembler.receive_room(room, &mut ws, &mut Vec::new()), None);
        come += room;
        assert_eq!(assembler.len(), come);
    }
    assert!(come > 4 << 20);
}

/// However little comes at a time, memory is not moved for each of it, and is at
/// most twice as much as has come.
#[test]
fn room_is_used_up_before_more_is_made() {
    let mut ws = server().connection();
    let mut assembler = Assembler::new();
    let mut bytes = announce(0x82, 1 << 20, true);
    bytes.extend([7; 4096]);
    let event = ws.receive(&mut Input::new(&mut bytes), &mut Vec::new()).unwrap();
    assert!(assembler.push(event).is_none());
    let (mut left, mut made) = (0, 0);
    for come in 4096..100_000 {
        let room = assembler.room(&ws).len();
        if room != left {
            made += 1;
            assert!(left < 1024 && come + room <= 2 * come, "{room} after {left} at {come}");
        }
        assert_eq!(assembler.receive_room(1, &mut ws, &mut Vec::new()), None);
        left = room - 1;
    }
    assert!(made < 10, "{made}");
}

#[test]
fn there_is_room_for_4_kib_or_more_of_a_message_that_has_begun() {
    for engine in both() {
        for left in [1, 1000, 4095, 4096, 4097, 70_000] {
            let wire = engine.peer_sends([binary(vec![7; 10_000 + left])]);
            let mut come = wire[..wire.len() - left].to_vec();
            let (mut ws, mut assembler) = (engine.connection(), Assembler::new());
            let event = ws.receive(&mut Input::new(&mut come), &mut Vec::new()).unwrap();
            assert!(assembler.push(event).is_none());
            assert_eq!(assembler.room(&ws).is_empty(), left < 4096, "{left}");
            // Not for one whose beginning went elsewhere.
            assert!(Assembler::new().room(&ws).is_empty());
        }
    }
}

#[test]
fn there_is_room_only_for_binary_messages_that_are_not_compressed() {
    let long = "x".repeat(1 << 16);
    let cut = |engine: &Engine, frame: Frame| {
        let mut wire = engine.peer_sends([frame]);
        wire.truncate(1 << 15);
        let (mut ws, mut assembler) = (engine.connection(), Assembler::new());
        let mut input = Input::new(&mut wire);
        while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
            assert!(assembler.push(event).is_none());
        }
        assembler.room(&ws).len()
    };
    for engine in both() {
        assert!(cut(&engine, binary(&long)) > 0);
        assert_eq!(cut(&engine, text(&long)), 0);
        assert_eq!(Assembler::new().room(&engine.connection()).len(), 0);
    }
}

/// Memory that is used again holds what others said.
#[test]
fn debugging_shows_no_message() {
    let mut assembler = Assembler::new();
    assembler.put_buffer(b"secret".to_vec());
    assert_eq!(format!("{assembler:?}"), "Assembler { begun: None, len: 0, .. }");
}

#[test]
fn what_has_no_room_to_be_answered_waits_in_the_room() {
    let mut ws = server().connection();
    let mut assembler = Assembler::new();
    let wire = server().peer_sends([binary([9; 1 << 14])]);
    // Half of it, and a little: there is as much room as has come.
    let (head, rest) = wire.split_at((1 << 13) + 16);
    let mut head = head.to_vec();
    let event = ws.receive(&mut Input::new(&mut head), &mut Vec::new()).unwrap();
    assert!(assembler.push(event).is_none());
    let room = assembler.room(&ws);
    let len = room.len();
    room.copy_from_slice(rest);
    let mut full = FixedOutput::new(&mut []);
    assert_eq!(assembler.receive_room(len, &mut ws, &mut full), None);
    assert!(ws.wants_room());
    let message = assembler.receive_room(len, &mut ws, &mut Vec::new());
    assert_eq!(message, Some(Message::from(vec![9; 1 << 14])));
}
