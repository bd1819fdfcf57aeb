//! Compressed messages that come in (RFC 7692, sections 6 and 7.2).

#![cfg(feature = "deflate")]

mod common;

use common::*;
use sockeye::deflate::Params;

/// "Hello" in a block of fixed codes (section 7.2.3.1).
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// The same again, as a reference to the first (section 7.2.3.2).
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

const RSV1: u8 = 4;

fn both_compressing() -> [Engine; 2] {
    both().map(|engine| engine.compressing(Params::default()))
}

fn compressed(opcode: u8, payload: &[u8]) -> Frame {
    frame(opcode, payload).rsv(RSV1)
}

#[test]
fn s7_2_3_1_a_message_in_one_block() {
    for engine in both_compressing() {
        engine.receives([compressed(TEXT, HELLO)]).tells([told_text("Hello")]);
        engine.receives([compressed(BINARY, HELLO)]).tells([Told::Binary(b"Hello".to_vec())]);
    }
}

#[test]
fn s7_2_3_1_fragments_share_one_stream() {
    for engine in both_compressing() {
        let frames = [fragment(TEXT, &HELLO[..3]).rsv(RSV1), frame(CONTINUATION, &HELLO[3..])];
        engine.receives(frames).tells([told_text("Hello")]);
        let frames = [
            fragment(TEXT, "").rsv(RSV1),
            fragment(CONTINUATION, HELLO),
            ping("in between"),
            frame(CONTINUATION, ""),
        ];
        let ping = Told::Ping(b"in between".to_vec());
        engine.receives(frames).tells([ping, told_text("Hello")]);
    }
}

#[test]
fn s7_2_3_2_the_window_is_kept_from_message_to_message() {
    for engine in both_compressing() {
        let frames = [compressed(TEXT, HELLO), compressed(TEXT, AGAIN), compressed(TEXT, AGAIN)];
        engine.receives(frames).tells(["Hello"; 3].map(told_text));
    }
}
