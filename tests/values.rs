//! The small values: how they compare, convert, and what they say to a reader.

mod common;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use common::*;
use sockeye::handshake::{
    Accept, Answer, BuildError, HeadError, Rejection, RequestError, ResponseError, Server,
};
use sockeye::{
    CloseCode, CloseError, CloseFrame, Connection, ControlPayload, Event, Input, Instant, Message,
    PreparedMessage, ProtocolError, SendError, Timeout, frame, utf8,
};

// ---- comparing ------------------------------------------------------------------

#[test]
fn close_frames_are_equal_if_code_and_reason_are() {
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "bye");
    assert_eq!(frame, CloseFrame::parse(b"\x03\xe9bye").unwrap());
    assert_ne!(frame, CloseFrame::new(CloseCode::GOING_AWAY, "by"));
    assert_ne!(frame, CloseFrame::new(CloseCode::GOING_AWAY, "bya"));
    assert_ne!(frame, CloseFrame::new(CloseCode::NORMAL_CLOSURE, "bye"));
    assert_ne!(CloseFrame::EMPTY, CloseFrame::new(CloseCode::NO_STATUS_RECEIVED, ""));
}

/// The payload of a Ping that comes in pieces of so many bytes.
fn pinged(payload: &[u8], step: usize, check: impl Fn(&ControlPayload<'_>)) {
    let mut ws = server().connection();
    let mut told = 0;
    for piece in ping(payload).masked().chunks(step) {
        let mut piece = piece.to_vec();
        if let Some(event) = ws.receive(&mut Input::new(&mut piece), &mut Vec::new()) {
            let Event::Ping(payload) = event else { panic!("{event:?}") };
            check(&payload);
            told += 1;
        }
    }
    assert_eq!(told, 1);
}

#[test]
fn a_control_payload_is_its_bytes_however_they_came() {
    for step in [1, 100] {
        pinged(b"hello", step, |payload| {
            assert_eq!(payload.as_bytes(), b"hello");
            assert_eq!(payload.as_ref(), b"hello");
            assert_eq!(&payload[1..], b"ello");
            assert_eq!(payload, &payload.clone());
            for step in [1, 100] {
                pinged(b"hello", step, |other| assert_eq!(payload, other));
                pinged(b"hellO", step, |other| assert_ne!(payload, other));
                pinged(b"hell", step, |other| assert_ne!(payload, other));
            }
        });
    }
}

#[test]
fn prepared_messages_are_equal_if_they_say_the_same() {
    let hello = || PreparedMessage::text("hello");
    assert_eq!(hello(), hello());
    assert_ne!(hello(), PreparedMessage::text("hellO"));
    assert_ne!(hello(), PreparedMessage::binary(b"hello"));
    assert_eq!(hello().as_bytes(), text("hello").unmasked());
}

#[test]
fn codes_and_opcodes_are_ordered_as_their_numbers_are() {
    assert!(CloseCode::NORMAL_CLOSURE < CloseCode::GOING_AWAY);
    assert!(frame::Opcode::TEXT < frame::Opcode::BINARY);
}

// ---- converting -----------------------------------------------------------------

#[test]
fn a_close_code_is_a_number() {
    for number in [0, 1000, 4999, u16::MAX] {
        let code = CloseCode::from(number);
        assert_eq!(code, CloseCode::new(number));
        assert_eq!((code.get(), u16::from(code)), (number, number));
        assert_eq!(code.to_string(), number.to_string());
    }
}

#[test]
fn an_encoded_header_is_its_bytes() {
    let header = frame::FrameHeader::new(true, frame::Opcode::PING, None, 3);
    assert_eq!(header.encode().as_ref(), [0x89, 3]);
    assert_eq!(header.encode().as_bytes(), [0x89, 3]);
}

#[test]
fn text_and_bytes_become_messages_of_their_kind() {
    let text = |message: Message<'_>| {
        assert!(matches!(&message, Message::Text(text) if text == "hi"), "{message:?}");
        assert_eq!(Message::from(&message), message);
    };
    text("hi".into());
    text(String::from("hi").into());
    text((&String::from("hi")).into());
    text(Cow::Borrowed("hi").into());
    let binary = |message: Message<'_>| {
        assert!(matches!(&message, Message::Binary(data) if **data == *b"hi"), "{message:?}");
        assert_eq!(Message::from(&message), message);
    };
    binary(b"hi".into());
    binary(b"hi"[..].into());
    binary(b"hi".to_vec().into());
    binary((&b"hi".to_vec()).into());
    binary(Cow::Borrowed(&b"hi"[..]).into());
}

#[test]
fn yes_and_no_are_answers() {
    assert!(matches!(Answer::from(Accept::new()), Answer::Accept(_)));
    assert!(matches!(Answer::from(Rejection::new(404)), Answer::Reject(_)));
}

#[test]
fn instants_are_counted_from_the_epoch_and_end_at_the_end_of_time() {
    let at = |secs| Instant::from_epoch(Duration::from_secs(secs));
    assert_eq!(at(2).since_epoch(), Duration::from_secs(2));
    assert_eq!(at(2) + Duration::from_secs(3), at(5));
    assert_eq!(at(5).saturating_duration_since(at(2)), Duration::from_secs(3));
    assert_eq!(at(2).saturating_duration_since(at(5)), Duration::ZERO);
    assert_eq!(at(2) + Duration::MAX, Instant::from_epoch(Duration::MAX));
}

#[cfg(feature = "std")]
#[test]
fn a_clock_counts_from_its_creation() {
    let before = std::time::Instant::now();
    let clock = sockeye::Clock::new();
    let after = std::time::Instant::now();
    assert_eq!(clock.at(before), Instant::from_epoch(Duration::ZERO));
    let hour = Duration::from_secs(3600);
    assert!(clock.at(after + hour) >= Instant::from_epoch(hour));
    assert!(clock.at(before + hour) <= Instant::from_epoch(hour));
    while clock.now() == Instant::from_epoch(Duration::ZERO) {} // it goes on
    assert!(clock.now() <= clock.at(std::time::Instant::now()));
}

// ---- saying ---------------------------------------------------------------------

/// Each says something, in a line, and no two the same; and all that there is to
/// say, with nothing behind it.
fn say(errors: &[&dyn std::error::Error]) {
    let said: BTreeSet<String> = errors.iter().map(|error| error.to_string()).collect();
    assert_eq!(said.len(), errors.len(), "{said:?}");
    assert!(said.iter().all(|line| line.len() > 10 && !line.contains('\n')), "{said:?}");
    assert!(errors.iter().all(|error| error.source().is_none()));
}

#[test]
fn every_error_says_what_is_wrong_in_words_of_its_own() {
    use ProtocolError as P;
    say(&[
        &P::CloseCodeInvalid,
        &P::ClosePayloadTruncated,
        &P::CloseReasonNotUtf8,
        &P::CompressedDataInvalid,
        &P::CompressionRatioTooHigh,
        &P::ContinuationWithoutStart,
        &P::ControlFrameFragmented,
        &P::ControlFrameTooLong,
        &P::FrameTooLong,
        &P::LengthNotMinimal,
        &P::LengthTopBitSet,
        &P::MaskedByServer,
        &P::MessageInProgress,
        &P::MessageTooLong,
        &P::ReservedBits,
        &P::ReservedOpcode,
        &P::TextNotUtf8,
        &P::TooManyFragments,
        &P::UnmaskedByClient,
    ]);
    say(&[
        &SendError::Closed,
        &SendError::ControlTooLong,
        &SendError::FragmentInProgress,
        &SendError::InvalidCloseCode,
        &SendError::InvalidText,
        &SendError::MaskRequired,
        &SendError::MessageCompressed,
    ]);
    say(&[&CloseError::InvalidCode, &CloseError::InvalidReason, &CloseError::Truncated]);
    say(&[&frame::HeaderError::LengthNotMinimal, &frame::HeaderError::LengthTopBit]);
    say(&[&utf8::Utf8Decoder::new().check(b"\xff").unwrap_err()]);
    let heads = [
        HeadError::BareCarriageReturn,
        HeadError::BareLineFeed,
        HeadError::ControlByte,
        HeadError::FirstLine,
        HeadError::FoldedLine,
        HeadError::HeaderSyntax,
        HeadError::TargetTooLong,
        HeadError::TooLong,
        HeadError::TooManyHeaders,
    ];
    for head in heads {
        say(&[&head, &ResponseError::from(head)]); // which says that it is the reply
        assert_eq!(RequestError::from(head).to_string(), head.to_string());
    }
    use RequestError as R;
    say(&[
        &R::BodyNotAllowed,
        &R::ConnectionMissing,
        &R::ExtensionInvalid,
        &R::HostInvalid,
        &R::HttpVersionTooOld,
        &R::HttpVersionUnsupported,
        &R::KeyInvalid,
        &R::KeyMissing,
        &R::MethodNotGet,
        &R::OriginInvalid,
        &R::OriginNotAllowed,
        &R::SubprotocolInvalid,
        &R::TargetInvalid,
        &R::Timeout,
        &R::UpgradeMissing,
        &R::VersionInvalid,
        &R::VersionUnsupported,
    ]);
    assert_eq!(R::HostMissing.to_string(), "no Host");
    say(&[
        &ResponseError::AcceptInvalid,
        &ResponseError::ConnectionMissing,
        &ResponseError::EndOfStream,
        &ResponseError::ExtensionNotOffered,
        &ResponseError::ExtensionParameters,
        &ResponseError::HttpVersionUnsupported,
        &ResponseError::SubprotocolNotOffered,
        &ResponseError::Timeout,
        &ResponseError::UpgradeMissing,
    ]);
    say(&[
        &BuildError::DuplicateSubprotocol,
        &BuildError::ExtendedConnectDisabled,
        &BuildError::InvalidHeaderName,
        &BuildError::InvalidHeaderValue,
        &BuildError::InvalidHost,
        &BuildError::InvalidStatus,
        &BuildError::InvalidSubprotocol,
        &BuildError::InvalidTarget,
        &BuildError::ReservedHeader,
        &BuildError::SubprotocolNotOffered,
    ]);
    #[cfg(feature = "deflate")]
    {
        use sockeye::deflate::InvalidReply;
        say(&[&InvalidReply::NotOffered, &InvalidReply::Parameters, &InvalidReply::Syntax]);
    }
}

#[test]
fn an_output_that_is_full_says_what_is_needed() {
    let mut room = [0; sockeye::FixedOutput::MIN_LEN];
    let mut out = sockeye::FixedOutput::new(&mut room);
    let error = server().connection().send_binary(&[0; 400], &mut out).unwrap_err();
    assert!(error.to_string().contains("404 bytes"), "{error}");
    let rejection = Rejection::new(404);
    let error = rejection.write(&mut sockeye::FixedOutput::new(&mut [])).unwrap_err();
    let mut out = Vec::new();
    rejection.write(&mut out).unwrap();
    assert!(error.to_string().contains(&format!("{} bytes", out.len())), "{error}");
}

#[test]
fn debugging_shows_what_there_is_and_no_secrets() {
    use frame::Opcode;
    let shown = [0, 1, 2, 8, 9, 10, 0xb].map(|bits| format!("{:?}", Opcode::from_bits(bits)));
    let names = ["CONTINUATION", "TEXT", "BINARY", "CLOSE", "PING", "PONG", "Opcode(0xB)"];
    assert_eq!(shown, names);
    let header = frame::FrameHeader::new(true, Opcode::PING, None, 3).encode();
    assert_eq!(format!("{header:?}"), "EncodedHeader([89, 03])");
    assert_eq!(format!("{:?}", CloseCode::GOING_AWAY), "CloseCode(1001)");
    let close = CloseFrame::new(CloseCode::GOING_AWAY, "bye");
    let shown = "CloseFrame { code: Some(CloseCode(1001)), reason: \"bye\" }";
    assert_eq!(format!("{close:?}"), shown);
    pinged(b"a\n\xff", 100, |payload| {
        assert_eq!(format!("{payload:?}"), r#"ControlPayload("a\n\xff")"#);
    });
    let prepared = PreparedMessage::text("a secret");
    assert_eq!(format!("{prepared:?}"), "PreparedMessage { len: 10 }");
    assert_eq!(format!("{:?}", Input::new(&mut [1, 2])), "Input { len: 2 }");
    let mut room = [0; 3];
    let output = sockeye::FixedOutput::new(&mut room);
    assert_eq!(format!("{output:?}"), "FixedOutput { len: 0, capacity: 3 }");

    let mut decoder = utf8::Utf8Decoder::default();
    assert!(decoder.decode(b"\xc3").valid);
    let joined = decoder.complete(0xa9).unwrap().unwrap();
    assert_eq!(format!("{joined:?}"), "\"\u{e9}\"");

    let head = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        X: \xff\r\nSec-WebSocket-Extensions: a; b; c=\"d\"\r\n\r\n";
    let mut server = Server::new(Default::default());
    let request = server.receive(head).unwrap().unwrap();
    assert_eq!(format!("{:?}", request.extensions().next().unwrap()), "a; b; c=d");
    let headers = format!("{:?}", request.headers());
    assert!(headers.starts_with("{\"Host\": ") && headers.contains(r"\xff"), "{headers}");

    // What masks are made of, and headers that may hold passwords.
    let seed = sockeye::Seed::from_bytes([7; 32]);
    assert_eq!(format!("{seed:?}"), "Seed(..)");
    let request = sockeye::handshake::ClientRequest::new(true, "example.com", 443, "/chat");
    let shown = format!("{:?}", request.header("Authorization", "Basic c2VjcmV0"));
    assert!(shown.contains("example.com") && shown.contains("/chat"), "{shown}");
    assert!(!shown.contains("c2Vj"), "{shown}");
    assert!(format!("{:?}", client().connection()).contains("KeyGenerator(..)"));
}

/// How a connection ended, in words.
fn end(ws: &Connection) -> String {
    ws.closed().expect("it is over").to_string()
}

#[test]
fn an_end_says_who_closed_and_why() {
    let said = |engine: Engine, frames: &[Frame]| {
        engine.receives(frames.iter().cloned()).closed.unwrap().to_string()
    };
    for engine in both() {
        assert_eq!(said(engine.clone(), &[close(1001, "")]), "closed by the peer: 1001");
        assert_eq!(
            said(engine.clone(), &[close(1001, "b\"ye")]),
            r#"closed by the peer: 1001 "b\"ye""#
        );
        assert_eq!(said(engine.clone().closing(), &[close(1000, "")]), "closed by us: 1000");
        let violation = said(engine.clone(), &[frame(3, "")]);
        assert_eq!(violation, ProtocolError::ReservedOpcode.to_string());

        let mut ws = engine.connection();
        ws.receive_eof();
        assert_eq!(end(&ws), "stream ended without a closing handshake");
        let mut ws = engine.connection();
        assert_eq!(ws.receive(&mut Input::new(&mut [0x81]), &mut Vec::new()), None);
        ws.receive_eof();
        assert_eq!(end(&ws), "stream cut inside a frame");
        let mut ws = engine.connection();
        ws.abort();
        assert_eq!(end(&ws), "dropped by the application");
    }
}

#[test]
fn a_timeout_says_which_deadline_passed() {
    assert_eq!(Timeout::Close.to_string(), "peer did not answer the Close frame in time");
    assert_eq!(Timeout::Idle.to_string(), "no data was exchanged for too long");
    assert_eq!(Timeout::Pong.to_string(), "peer did not answer a Ping in time");
}
