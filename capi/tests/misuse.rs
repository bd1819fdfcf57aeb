//! What C can do wrong and the library can find out: each gives an error, and changes
//! nothing. And the lists of what can go wrong: complete, with words for all.

mod api;

use std::fs;
use std::path::Path;
use std::ptr::{self, null, null_mut};

use api::*;

/// More bytes than memory can have.
const IMPOSSIBLE: usize = usize::MAX;

fn settings() -> Settings {
    Settings::new(|_| {})
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn objects_that_are_null_are_told() {
    let (mut out, mut event, mut lent) = (Out::new(131), empty(), input(&mut [], &mut []));
    let (mut request, mut reply, mut closed) = (empty(), empty(), empty());
    let (mut name, mut next, mut ws) = (ABSENT, 0, null_mut());
    let raw = &mut out.raw;
    // SAFETY: all but the objects are there.
    let results = unsafe {
        [
            sockeye_server_receive(null_mut(), ABSENT, &mut request),
            sockeye_server_subprotocol(null_mut(), &request, 0, &mut name),
            sockeye_server_accept(null_mut(), &request, ABSENT, null(), 0, raw, &mut ws),
            sockeye_server_reject(null_mut(), 400, null(), 0, ABSENT, raw),
            sockeye_server_handle_timeout(null_mut(), 0, &mut next),
            sockeye_server_write_error(null_mut(), raw),
            sockeye_client_add_subprotocol(null_mut(), ABSENT),
            sockeye_client_add_header(null_mut(), ABSENT, ABSENT),
            sockeye_client_write_request(null_mut(), raw),
            sockeye_client_receive(null_mut(), ABSENT, &mut reply, &mut ws),
            sockeye_client_receive_eof(null_mut(), ABSENT, &mut reply, &mut ws),
            sockeye_client_handle_timeout(null_mut(), 0, &mut next),
            sockeye_connection_receive(null_mut(), &mut lent, raw, &mut event),
            sockeye_connection_receive_eof(null_mut(), &mut closed),
            sockeye_connection_abort(null_mut(), &mut closed),
            sockeye_connection_closed(null_mut(), &mut closed),
            sockeye_connection_note_time(null_mut(), 0, &mut next),
            sockeye_connection_handle_timeout(null_mut(), 0, raw, &mut next),
            sockeye_connection_send_text(null_mut(), ABSENT, raw),
            sockeye_connection_send_binary(null_mut(), ABSENT, raw),
            sockeye_connection_send_text_fragment(null_mut(), ABSENT, true, raw),
            sockeye_connection_send_binary_fragment(null_mut(), ABSENT, true, raw),
            sockeye_connection_send_ping(null_mut(), ABSENT, raw),
            sockeye_connection_send_pong(null_mut(), ABSENT, raw),
            sockeye_connection_close(null_mut(), 1000, ABSENT, raw),
        ]
    };
    assert_eq!(results, [SOCKEYE_NULL_POINTER; 25]);
    // SAFETY: null is allowed.
    unsafe {
        assert_eq!(sockeye_server_error(null()), sockeye_handshake_error::SOCKEYE_HANDSHAKE_NONE);
        assert_eq!(sockeye_client_error(null()), sockeye_handshake_error::SOCKEYE_HANDSHAKE_NONE);
        assert!(!sockeye_connection_is_open(null()) && !sockeye_connection_is_server(null()));
        assert!(!sockeye_connection_is_compressing(null()) && !sockeye_connection_has_more(null()));
        assert!(!sockeye_connection_wants_time(null()));
        assert!(sockeye_connection_should_close_transport(null()));
        assert!(sockeye_connection_subprotocol(null()).data.is_null());
        assert_eq!(sockeye_connection_frame_remaining(null()), 0);
        assert_eq!(sockeye_connection_round_trip_ns(null()), SOCKEYE_NEVER);
        assert_eq!(sockeye_connection_close_deadline_ns(null()), SOCKEYE_NEVER);
        assert!(sockeye_text(null()).data.is_null());
        sockeye_settings_free(null_mut());
        sockeye_server_free(null_mut());
        sockeye_client_free(null_mut());
        sockeye_connection_free(null_mut());
    }
}

#[test]
fn places_that_are_null_are_told_and_nothing_is_done() {
    let settings = settings();
    let (server, client, ws) =
        (Server::new(&settings), Client::new(&settings), Ws::server(&settings));
    let mut out = Out::new(1000);
    let mut lent = input(&mut [], &mut []);
    let (mut request, mut reply, mut next, mut event): (sockeye_request, sockeye_reply, u64, _) =
        (empty(), empty(), 0, empty());
    let (mut name, mut opened) = (ABSENT, null_mut());
    let raw: *mut sockeye_output = &mut out.raw;
    let host = bytes("h");
    // SAFETY: all that is not null is there.
    let results = unsafe {
        [
            sockeye_config_init(null_mut(), 1000),
            sockeye_settings_new(null(), &mut null_mut()),
            sockeye_settings_new(&config(), null_mut()),
            sockeye_server_new(null(), null_mut()),
            sockeye_client_new(null(), null(), false, host, 80, ABSENT, null_mut()),
            sockeye_connection_new_server(null(), ABSENT, null_mut()),
            sockeye_connection_new_client(null(), null(), ABSENT, null_mut()),
            sockeye_header_find(ABSENT, ABSENT, 0, null_mut()),
            sockeye_server_receive(server.0, bytes(REQUEST), null_mut()),
            sockeye_server_handle_timeout(server.0, 0, null_mut()),
            sockeye_server_reject(server.0, 400, null(), 0, ABSENT, null_mut()),
            sockeye_client_write_request(client.0, null_mut()),
            sockeye_client_handle_timeout(client.0, 0, null_mut()),
            sockeye_connection_receive(ws.0, null_mut(), raw, &mut event),
            sockeye_connection_receive(ws.0, &mut lent, null_mut(), &mut event),
            sockeye_connection_receive(ws.0, &mut lent, raw, null_mut()),
            sockeye_connection_closed(ws.0, null_mut()),
            sockeye_connection_note_time(ws.0, 0, null_mut()),
            sockeye_connection_handle_timeout(ws.0, 0, null_mut(), &mut next),
            sockeye_connection_handle_timeout(ws.0, 0, raw, null_mut()),
            sockeye_connection_send_text(ws.0, ABSENT, null_mut()),
            sockeye_connection_send_binary(ws.0, ABSENT, null_mut()),
            sockeye_connection_send_text_fragment(ws.0, ABSENT, false, null_mut()),
            sockeye_connection_send_binary_fragment(ws.0, ABSENT, false, null_mut()),
            sockeye_connection_send_ping(ws.0, ABSENT, null_mut()),
            sockeye_connection_send_pong(ws.0, ABSENT, null_mut()),
            sockeye_connection_close(ws.0, 1000, ABSENT, null_mut()),
        ]
    };
    assert_eq!(results, [SOCKEYE_NULL_POINTER; 27]);
    assert_eq!(out.raw.len, 0);

    // All of them are as they were.
    assert_eq!(server.receive(REQUEST.as_bytes(), &mut request), SOCKEYE_OK);
    // SAFETY: all that is not null is there.
    let results = unsafe {
        [
            sockeye_server_subprotocol(server.0, null(), 0, &mut name),
            sockeye_server_subprotocol(server.0, &request, 0, null_mut()),
            sockeye_server_accept(server.0, null(), ABSENT, null(), 0, &mut out.raw, &mut opened),
            sockeye_server_accept(server.0, &request, ABSENT, null(), 0, null_mut(), &mut opened),
            sockeye_server_accept(server.0, &request, ABSENT, null(), 0, &mut out.raw, null_mut()),
            sockeye_server_accept(server.0, &request, ABSENT, null(), 1, &mut out.raw, &mut opened),
        ]
    };
    assert_eq!(results, [SOCKEYE_NULL_POINTER; 6]);
    assert!(server.accept(&request, ABSENT, &mut out).is_ok());
    out.take();
    assert_eq!(client.request(&mut out), SOCKEYE_OK);
    out.take();
    // SAFETY: all that is not null is there.
    let results = unsafe {
        [
            sockeye_client_receive(
                client.0,
                bytes("HTTP/1.1 200 OK\r\n\r\n"),
                null_mut(),
                &mut opened,
            ),
            sockeye_client_receive(
                client.0,
                bytes("HTTP/1.1 200 OK\r\n\r\n"),
                &mut reply,
                null_mut(),
            ),
            sockeye_client_receive_eof(
                client.0,
                bytes("HTTP/1.1 200 OK\r\n\r\n"),
                null_mut(),
                &mut opened,
            ),
            sockeye_client_receive_eof(client.0, ABSENT, &mut reply, null_mut()),
        ]
    };
    assert_eq!(results, [SOCKEYE_NULL_POINTER; 4]);
    assert_eq!(client.receive_eof(b"HTTP/1.1 200 OK\r\n\r\n", &mut reply), SOCKEYE_OK);
    assert_eq!(ws.text("still open", &mut out), SOCKEYE_OK);
    // Where it is said that it may be, it may be.
    // SAFETY: the connection is there.
    assert_eq!(unsafe { sockeye_connection_receive_eof(ws.0, null_mut()) }, SOCKEYE_OK);
    // SAFETY: the connection is there.
    assert_eq!(unsafe { sockeye_connection_abort(ws.0, null_mut()) }, SOCKEYE_OK);
}

#[test]
fn functions_in_the_wrong_order_are_told() {
    let settings = settings();
    let mut out = Out::new(1000);
    let (mut request, mut reply, mut name, mut opened) = (empty(), empty(), ABSENT, null_mut());
    let server = Server::new(&settings);
    // SAFETY: all are there.
    let results = unsafe {
        [
            sockeye_server_subprotocol(server.0, &request, 0, &mut name),
            sockeye_server_accept(server.0, &request, ABSENT, null(), 0, &mut out.raw, &mut opened),
            sockeye_server_write_error(server.0, &mut out.raw),
        ]
    };
    assert_eq!(results, [SOCKEYE_WRONG_STATE; 3]);
    assert_eq!(server.receive(REQUEST.as_bytes(), &mut request), SOCKEYE_OK);
    assert_eq!(server.receive(REQUEST.as_bytes(), &mut empty()), SOCKEYE_WRONG_STATE);
    assert!(server.accept(&request, ABSENT, &mut out).is_ok());
    assert_eq!(server.accept(&request, ABSENT, &mut out).err(), Some(SOCKEYE_WRONG_STATE));
    assert_eq!(server.receive(REQUEST.as_bytes(), &mut request), SOCKEYE_WRONG_STATE);
    let client = Client::new(&settings);
    assert_eq!(client.receive(b"", &mut reply).err(), Some(SOCKEYE_WRONG_STATE));
    assert_eq!(client.receive_eof(b"", &mut reply), SOCKEYE_WRONG_STATE);
}

#[test]
fn lengths_that_cannot_be_are_told() {
    let settings = settings();
    let ws = Ws::server(&settings);
    let mut out = Out::new(131);
    let mut event = empty();
    let long = sockeye_bytes { len: IMPOSSIBLE, ..bytes("x") };
    let missing = sockeye_bytes { data: null(), len: 1 };
    // SAFETY: the lengths are what is wrong.
    unsafe {
        let send = |data, out: &mut Out| sockeye_connection_send_binary(ws.0, data, &mut out.raw);
        assert_eq!(send(long, &mut out), SOCKEYE_INVALID_ARGUMENT);
        assert_eq!(send(missing, &mut out), SOCKEYE_NULL_POINTER);
        assert_eq!(send(ABSENT, &mut out), SOCKEYE_OK);
        out.take();
        for wrong in [
            sockeye_output { len: 132, ..out.raw },
            sockeye_output { capacity: IMPOSSIBLE, ..out.raw },
            sockeye_output { len: IMPOSSIBLE, ..out.raw },
        ] {
            let mut wrong = wrong;
            let result = sockeye_connection_send_binary(ws.0, ABSENT, &mut wrong);
            assert_eq!(result, SOCKEYE_INVALID_ARGUMENT);
        }
        let mut nowhere = sockeye_output { data: null_mut(), ..out.raw };
        let result = sockeye_connection_send_binary(ws.0, ABSENT, &mut nowhere);
        assert_eq!(result, SOCKEYE_NULL_POINTER);
        // No memory is an output without room.
        let mut none = sockeye_output { data: null_mut(), capacity: 0, len: 0, needed: 0 };
        let result = sockeye_connection_send_binary(ws.0, ABSENT, &mut none);
        assert_eq!((result, none.needed), (SOCKEYE_OUTPUT_FULL, 2));

        let mut byte = [0x81];
        let right = input(&mut byte, &mut []);
        for (wrong, result) in [
            (sockeye_input { len: IMPOSSIBLE, ..right }, SOCKEYE_INVALID_ARGUMENT),
            (sockeye_input { data: null_mut(), ..right }, SOCKEYE_NULL_POINTER),
            (sockeye_input { scratch: null_mut(), scratch_len: 1, ..right }, SOCKEYE_NULL_POINTER),
            (sockeye_input { scratch_len: IMPOSSIBLE, ..right }, SOCKEYE_INVALID_ARGUMENT),
        ] {
            let mut lent = wrong;
            assert_eq!(ws.receive(&mut lent, &mut out, &mut event), result);
            assert_eq!(lent.len, wrong.len, "nothing was consumed");
        }
        let result = sockeye_server_new(settings.0, ptr::without_provenance_mut(9));
        assert_eq!(result, SOCKEYE_INVALID_ARGUMENT, "a pointer that is not aligned");
        let mut headers = sockeye_header { name: bytes("a"), value: bytes("b") };
        let server = Server::new(&settings);
        let reject = |headers, count, out: &mut Out| {
            sockeye_server_reject(server.0, 400, headers, count, ABSENT, &mut out.raw)
        };
        assert_eq!(reject(&headers, IMPOSSIBLE, &mut out), SOCKEYE_INVALID_ARGUMENT);
        assert_eq!(reject(&headers, IMPOSSIBLE / 32, &mut out), SOCKEYE_INVALID_ARGUMENT);
        headers.value = missing;
        assert_eq!(reject(&headers, 1, &mut out), SOCKEYE_NULL_POINTER);
    }
    assert_eq!(ws.text("still open", &mut out), SOCKEYE_OK);
}

#[test]
fn memory_that_overlaps_is_told() {
    let settings = settings();
    let ws = Ws::server(&settings);
    let mut memory = [0; 400];
    let at = memory.as_mut_ptr();
    let part = |from: usize, len| (at.wrapping_add(from), len);
    let out = |(data, capacity)| sockeye_output { data, capacity, len: 0, needed: 0 };
    let mut event = empty();
    // SAFETY: the memory is there, and nobody looks at it meanwhile.
    unsafe {
        for (input, scratch, output, is_fine) in [
            (part(0, 100), part(100, 100), part(200, 200), true),
            (part(100, 100), part(0, 100), part(200, 200), true),
            (part(0, 101), part(100, 100), part(201, 199), false),
            (part(0, 100), part(99, 100), part(201, 199), false),
            (part(0, 50), part(50, 50), part(99, 200), false),
            (part(299, 50), part(0, 50), part(99, 201), false),
            (part(150, 0), part(0, 50), part(99, 201), true),
            (part(100, 20), part(0, 50), part(50, 200), false),
        ] {
            let mut lent = sockeye_input {
                data: input.0,
                len: input.1,
                scratch: scratch.0,
                scratch_len: scratch.1,
            };
            let ws = Ws::server(&settings);
            let result = sockeye_connection_receive(ws.0, &mut lent, &mut out(output), &mut event);
            assert_eq!(
                result != SOCKEYE_INVALID_ARGUMENT,
                is_fine,
                "{input:?} {scratch:?} {output:?}"
            );
            assert_eq!(lent.len == input.1, !is_fine || input.1 == 0);
        }
        let payload = sockeye_bytes { data: at.wrapping_add(10), len: 10 };
        for (output, is_fine) in [
            (part(20, 50), true),
            (part(19, 50), false),
            (part(0, 10), true),
            (part(0, 400), false),
        ] {
            let result = sockeye_connection_send_ping(ws.0, payload, &mut out(output));
            assert_eq!(result != SOCKEYE_INVALID_ARGUMENT, is_fine, "{output:?}");
        }
        // The texts of a header line, though the line itself is elsewhere.
        memory.fill(b'x');
        for (name, value, is_fine) in [(10, 30, true), (10, 195, false), (199, 10, false)] {
            let text = |from| sockeye_bytes { data: at.wrapping_add(from), len: 10 };
            let line = sockeye_header { name: text(name), value: text(value) };
            let mut server = null_mut();
            assert_eq!(sockeye_server_new(settings.0, &mut server), SOCKEYE_OK);
            let mut output = out(part(200, 200));
            let result = sockeye_server_reject(server, 404, &line, 1, ABSENT, &mut output);
            assert_eq!(result != SOCKEYE_INVALID_ARGUMENT, is_fine, "{name} {value}: {result:?}");
            assert_eq!(output.len > 0, is_fine);
            sockeye_server_free(server);
        }
    }
}

// ---- the lists --------------------------------------------------------------------------

/// The names in an enum of the engine's sources.
fn variants(path: &str, name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src").join(path);
    let code = fs::read_to_string(path).unwrap();
    let body = code.split(&format!("pub enum {name} {{\n")).nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let lines = body.lines().map(str::trim).filter(|line| line.starts_with(char::is_uppercase));
    lines.map(|line| line.split([',', '(', ' ']).next().unwrap().to_owned()).collect()
}

/// As the header writes it.
fn in_c(name: &str) -> String {
    let mut written = String::new();
    for char in name.chars() {
        if char.is_uppercase() && !written.is_empty() {
            written.push('_');
        }
        written.push(char.to_ascii_uppercase());
    }
    written
}

/// The numbers of the header's names with this prefix.
fn numbers(prefix: &str) -> Vec<(String, i32)> {
    let header = include_str!("../include/sockeye.h");
    let lines = header.lines().filter_map(|line| line.trim().strip_prefix(prefix));
    let pairs = lines.filter_map(|line| line.trim_end_matches(',').split_once(" = "));
    pairs.map(|(name, number)| (name.to_owned(), number.parse().unwrap())).collect()
}

#[test]
fn no_error_of_the_engine_is_without_a_number() {
    for (path, name, prefix) in [
        ("error.rs", "ProtocolError", "SOCKEYE_PROTOCOL_"),
        ("handshake/head.rs", "HeadError", "SOCKEYE_HEAD_"),
        ("handshake/request_error.rs", "RequestError", "SOCKEYE_REQUEST_"),
        ("handshake/response.rs", "ResponseError", "SOCKEYE_REPLY_"),
        ("handshake/build.rs", "BuildError", "SOCKEYE_"),
        ("error.rs", "SendError", "SOCKEYE_"),
    ] {
        let known = numbers(prefix);
        for variant in variants(path, name) {
            // Those that have lists of their own, or belong to functions that are not here.
            let others = ["ExtendedConnectDisabled", "Head", "MaskRequired", "MessageCompressed"];
            if others.contains(&variant.as_str()) {
                continue;
            }
            let variant = in_c(&variant);
            assert!(known.iter().any(|(name, _)| *name == variant), "{prefix}{variant}");
        }
    }
}

#[test]
fn every_number_has_words_and_no_other_has() {
    let results = numbers("SOCKEYE_").into_iter().map(|(_, number)| number);
    assert!(results.clone().count() > 90);
    let of = |text: extern "C" fn(i32) -> *const std::ffi::c_char, prefixes: &[&str]| {
        let known: Vec<_> = prefixes.iter().flat_map(|prefix| numbers(prefix)).collect();
        let mut all = Vec::new();
        for number in -200..200 {
            let words = words(text(number));
            let has_words = !words.starts_with("unknown ");
            let name = known.iter().find(|(_, known)| *known == number);
            let is_none =
                name.is_some_and(|(name, _)| ["NONE", "OTHER", "FAILED"].contains(&name.as_str()));
            assert_eq!(has_words, name.is_some() && !is_none, "{number}: {words}");
            all.extend(has_words.then_some(words));
        }
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count, "the same words for two numbers");
        assert!(count >= 19);
    };
    of(sockeye_protocol_error_text, &["SOCKEYE_PROTOCOL_"]);
    of(sockeye_handshake_error_text, &["SOCKEYE_HEAD_", "SOCKEYE_REQUEST_", "SOCKEYE_REPLY_"]);
    for number in -200..200 {
        let words = words(sockeye_result_text(number));
        let known = [0..=2, -8..=-1, -24..=-20, -49..=-40, -99..=-99];
        let is_known = known.iter().any(|range| range.contains(&number));
        assert_eq!(words != "unknown result", is_known, "{number}: {words}");
        assert!(!words.is_empty());
    }
}

#[test]
fn broken_rules_have_the_close_codes_of_the_engine() {
    use sockeye::ProtocolError;
    for (name, number) in numbers("SOCKEYE_PROTOCOL_") {
        let code = sockeye_protocol_error_close_code(number);
        assert_eq!(code != 0, name != "NONE" && name != "OTHER", "{name}");
    }
    let code = |error: sockeye_protocol_error| sockeye_protocol_error_close_code(error as i32);
    let is = |error: ProtocolError| error.close_code().get();
    use sockeye_protocol_error::*;
    assert_eq!(code(SOCKEYE_PROTOCOL_TEXT_NOT_UTF8), is(ProtocolError::TextNotUtf8));
    assert_eq!(code(SOCKEYE_PROTOCOL_RESERVED_BITS), is(ProtocolError::ReservedBits));
    assert_eq!(code(SOCKEYE_PROTOCOL_FRAME_TOO_LONG), is(ProtocolError::FrameTooLong));
    assert_eq!(
        words(sockeye_protocol_error_text(SOCKEYE_PROTOCOL_RESERVED_BITS as i32)),
        ProtocolError::ReservedBits.to_string()
    );
    assert_eq!(
        (sockeye_protocol_error_close_code(-1), sockeye_protocol_error_close_code(20)),
        (0, 0)
    );
}

#[test]
fn c_strings_become_bytes() {
    // SAFETY: C strings.
    unsafe {
        assert_eq!(said(sockeye_text(c"h\u{e9}llo".as_ptr())), "h\u{e9}llo");
        assert_eq!(said(sockeye_text(c"".as_ptr())), "");
    }
    assert_eq!(words(sockeye_version()), env!("CARGO_PKG_VERSION"));
}
