//! Sending: what is appended, what is refused, and headers alone.

mod common;

use common::*;
use sockeye::{FixedOutput, MessageKind, Output, PreparedMessage, SendError};

#[test]
fn s5_6_messages_go_out_in_one_frame() {
    for engine in both() {
        for len in [0, 1, 125, 126, 65535, 65536, 100_000] {
            let mut ws = engine.connection();
            let mut out = Vec::new();
            let data = Random(len as u64).bytes(len);
            ws.send_binary(&data, &mut out).unwrap();
            ws.send_text(&"\u{e9}".repeat(len), &mut out).unwrap();
            let text = "\u{e9}".repeat(len);
            // The same, masked on the way and not behind it.
            let mut memory = vec![0; out.len()];
            let mut fixed = FixedOutput::new(&mut memory);
            let mut ws = engine.connection();
            ws.send_binary(&data, &mut fixed).unwrap();
            ws.send_text(&text, &mut fixed).unwrap();
            assert_eq!(fixed.filled(), out);
            let text = text.into_bytes();
            assert_eq!(sent_frames(&out, engine.is_client), [(0x82, data), (0x81, text)]);
        }
    }
}

#[test]
fn s5_7_the_bytes_of_a_server_are_those_of_the_rfc() {
    let mut ws = server().connection();
    let mut out = Vec::new();
    ws.send_text("Hello", &mut out).unwrap();
    ws.send_ping(b"Hello", &mut out).unwrap();
    assert_eq!(out, b"\x81\x05Hello\x89\x05Hello");
}

#[test]
fn an_output_can_be_lent() {
    for engine in both() {
        let (mut owned, mut lent) = (Vec::new(), Vec::new());
        engine.connection().send_text("hello", &mut owned).unwrap();
        engine.connection().send_text("hello", &mut &mut lent).unwrap();
        let prepared = PreparedMessage::text("to all");
        let sent = engine.connection().send_prepared(&prepared, &mut owned);
        assert_eq!(engine.connection().send_prepared(&prepared, &mut &mut lent), sent);
        assert_eq!(lent, owned);
        let mut room = [0; 4];
        let mut fixed = FixedOutput::new(&mut room);
        assert!(engine.connection().send_text("hello", &mut &mut fixed).is_err());
        assert_eq!(fixed.filled(), b"");
    }
}

/// All that an output has to have.
struct Least(Vec<u8>);

impl Output for Least {
    fn has_room(&self, _len: usize) -> bool {
        true
    }

    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        Output::append(&mut self.0, bytes)
    }
}

#[test]
fn an_output_that_only_appends_is_sent_the_same() {
    for engine in both() {
        for len in [0, 20, 125, 126, 1000, 65_536, 100_000] {
            let data = Random(len as u64).bytes(len);
            let (mut vec, mut least) = (Vec::new(), Least(Vec::new()));
            engine.connection().send_binary(&data, &mut vec).unwrap();
            engine.connection().send_binary(&data, &mut least).unwrap();
            assert!(least.0 == vec, "{len} bytes");
        }
    }
}

#[test]
fn a_frame_is_appended_whole_or_not_at_all() {
    for engine in both() {
        let mut ws = engine.connection();
        let overhead = if engine.is_client { 6 } else { 2 };
        let mut memory = vec![0; 100 + overhead];
        for len in 0..200 {
            let mut out = FixedOutput::new(&mut memory);
            let result = ws.send_binary(&vec![1; len], &mut out);
            if len <= 100 {
                result.unwrap();
                assert_eq!(sent_frames(out.filled(), engine.is_client), [(0x82, vec![1; len])]);
            } else {
                let extra = if len > 125 { 2 } else { 0 };
                let SendError::OutputFull { needed, .. } = result.unwrap_err() else { panic!() };
                assert_eq!(needed, len + overhead + extra);
                assert!(out.filled().is_empty());
            }
        }
    }
}

#[test]
fn a_command_that_found_no_room_has_changed_nothing() {
    for engine in both() {
        let mut ws = engine.connection();
        let full = |result: Result<(), SendError>| {
            assert!(matches!(result, Err(SendError::OutputFull { .. })), "{result:?}");
        };
        let mut none = FixedOutput::new(&mut []);
        full(ws.send_text("x", &mut none));
        full(ws.send_text_fragment(b"\xc3", false, &mut none));
        full(ws.send_ping(b"x", &mut none));
        full(ws.close(None, "", &mut none));
        // No message was begun, no character is waited for, nothing closed.
        let mut out = Vec::new();
        ws.send_binary_fragment(b"b", false, &mut out).unwrap();
        ws.send_binary_fragment(b"c", true, &mut out).unwrap();
        ws.send_text_fragment(b"t", true, &mut out).unwrap();
        assert_eq!(sent_frames(&out, engine.is_client).len(), 3);
    }
}

#[test]
fn s5_2_begin_frame_gives_the_header_of_a_payload_written_elsewhere() {
    for engine in both() {
        for len in [0, 5, 126, 70_000] {
            let mut ws = engine.connection();
            let mut payload = Random(1).bytes(len);
            let original = payload.clone();
            let header = ws.begin_frame(MessageKind::Binary, &mut payload, true).unwrap();
            let wire = [header.as_bytes(), &payload].concat();
            assert_eq!(sent_frames(&wire, engine.is_client), [(0x82, original)]);
        }
        let mut ws = engine.connection();
        let mut text = *b"text";
        let header = ws.begin_frame(MessageKind::Text, &mut text, true).unwrap();
        let wire = [header.as_bytes(), &text].concat();
        assert_eq!(sent_frames(&wire, engine.is_client), [(0x81, b"text".to_vec())]);
    }
}

#[test]
fn s5_1_a_payload_left_as_it_is_is_a_servers() {
    let mut ws = server().connection();
    let header = ws.begin_text("text", true).unwrap();
    assert_eq!(header.as_bytes(), b"\x81\x04");
    assert_eq!(ws.begin_binary(&[0; 300], true).unwrap().as_bytes(), b"\x82\x7e\x01\x2c");

    let mut ws = client().connection();
    assert_eq!(ws.begin_text("x", true).map(|_| ()), Err(SendError::MaskRequired));
    assert_eq!(ws.begin_binary(b"x", true).map(|_| ()), Err(SendError::MaskRequired));
}

#[test]
fn s5_1_a_prepared_message_is_encoded_once_and_a_servers() {
    let text = PreparedMessage::text("to all");
    let binary = PreparedMessage::binary(&[7; 1000]);
    let mut outputs = Vec::new();
    for _ in 0..3 {
        let mut ws = server().connection();
        let mut out = Vec::new();
        ws.send_prepared(&text, &mut out).unwrap();
        ws.send_prepared(&binary, &mut out).unwrap();
        ws.begin_prepared(&text).unwrap();
        outputs.push(out);
    }
    assert!(outputs.iter().all(|out| *out == outputs[0]));
    assert_eq!(
        sent_frames(&outputs[0], false),
        [(0x81, b"to all".to_vec()), (0x82, vec![7; 1000])]
    );
    assert_eq!(text.as_bytes(), b"\x81\x06to all");

    let mut ws = client().connection();
    let mut out = Vec::new();
    assert_eq!(ws.send_prepared(&text, &mut out), Err(SendError::MaskRequired));
    assert!(out.is_empty());
}

#[test]
fn s5_4_a_prepared_message_inside_another_is_refused() {
    let mut ws = server().connection();
    let mut out = Vec::new();
    ws.send_text_fragment(b"a", false, &mut out).unwrap();
    let len = out.len();
    let message = PreparedMessage::text("x");
    assert_eq!(ws.send_prepared(&message, &mut out), Err(SendError::FragmentInProgress));
    assert_eq!(out.len(), len);
    let mut memory = [0; 2];
    let full = ws.send_prepared(&message, &mut FixedOutput::new(&mut memory));
    assert!(matches!(full, Err(SendError::FragmentInProgress)), "{full:?}");
}
