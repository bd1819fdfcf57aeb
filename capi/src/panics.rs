//! No panic gets out of a function, wherever it comes from: tests that put one into each.

#![allow(clippy::multiple_unsafe_ops_per_block)]

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::ptr::{null, null_mut};

use crate::boundary::injected::{ask, has_come};
use crate::sockeye_result::*;
use crate::*;

const NONE: sockeye_bytes = sockeye_bytes::ABSENT;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// One of each.
struct Objects {
    server: *mut sockeye_server,
    client: *mut sockeye_client,
    ws: *mut sockeye_connection,
}

impl Objects {
    fn new() -> Self {
        let (mut server, mut client, mut ws) = (null_mut(), null_mut(), null_mut());
        let host = sockeye_bytes::of(b"h");
        // SAFETY: all are there.
        unsafe {
            assert_eq!(sockeye_server_new(null(), &mut server), SOCKEYE_OK);
            let result = sockeye_client_new(null(), null(), false, host, 80, NONE, &mut client);
            assert_eq!(result, SOCKEYE_OK);
            assert_eq!(sockeye_connection_new_server(null(), NONE, &mut ws), SOCKEYE_OK);
        }
        Self { server, client, ws }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // SAFETY: their last use.
        unsafe {
            sockeye_server_free(self.server);
            sockeye_client_free(self.client);
            sockeye_connection_free(self.ws);
        }
    }
}

/// Each function of this library that can be called with objects, by its name: a call that
/// would do, and whether it says what a panicked one says.
type Call = (&'static str, fn(&Objects) -> bool);

/// Lists functions that give a result.
macro_rules! results {
    ($objects:ident, $out:ident, $($name:ident($($argument:expr),*);)*) => {
        [$((stringify!($name), |$objects: &Objects| {
            let _ = $objects;
            let mut memory = [0; 400];
            let mut $out = sockeye_output { data: memory.as_mut_ptr(), capacity: 400, len: 0, needed: 0 };
            let _ = &mut $out;
            // SAFETY: all are there.
            #[allow(unused_unsafe)]
            let result = unsafe { $name($($argument),*) };
            assert_eq!($out.len, 0);
            result == SOCKEYE_PANICKED
        })),*]
    };
}

/// Lists functions that give a value, with the one for a panic.
macro_rules! values {
    ($objects:ident, $($name:ident($($argument:expr),*) => $value:pat),* $(,)?) => {
        [$((stringify!($name), |$objects: &Objects| {
            let _ = $objects;
            // SAFETY: all are there.
            #[allow(unused_unsafe)]
            let value = unsafe { $name($($argument),*) };
            match value {
                $value => true,
                #[allow(unreachable_patterns)]
                _ => false,
            }
        })),*]
    };
}

/// Somewhere to put something. It is leaked.
fn place<T>() -> *mut T {
    Box::leak(Box::new(std::mem::MaybeUninit::<T>::zeroed())).as_mut_ptr()
}

/// Those of an object: it is of no use after a panic.
fn of_objects() -> Vec<Call> {
    let results: [Call; 25] = results! { o, out,
        sockeye_server_receive(o.server, sockeye_bytes::of(REQUEST), place());
        sockeye_server_subprotocol(o.server, place(), 0, place());
        sockeye_server_accept(o.server, place(), NONE, null(), 0, &mut out, place());
        sockeye_server_reject(o.server, 400, null(), 0, NONE, &mut out);
        sockeye_server_handle_timeout(o.server, 0, place());
        sockeye_server_write_error(o.server, &mut out);
        sockeye_client_add_subprotocol(o.client, sockeye_bytes::of(b"a"));
        sockeye_client_add_header(o.client, sockeye_bytes::of(b"a"), NONE);
        sockeye_client_write_request(o.client, &mut out);
        sockeye_client_receive(o.client, NONE, place(), place());
        sockeye_client_receive_eof(o.client, NONE, place(), place());
        sockeye_client_handle_timeout(o.client, 0, place());
        sockeye_connection_receive(o.ws, place(), &mut out, place());
        sockeye_connection_note_time(o.ws, 0, place());
        sockeye_connection_handle_timeout(o.ws, 0, &mut out, place());
        sockeye_connection_receive_eof(o.ws, place());
        sockeye_connection_abort(o.ws, place());
        sockeye_connection_closed(o.ws, place());
        sockeye_connection_send_text(o.ws, NONE, &mut out);
        sockeye_connection_send_binary(o.ws, NONE, &mut out);
        sockeye_connection_send_text_fragment(o.ws, NONE, false, &mut out);
        sockeye_connection_send_binary_fragment(o.ws, NONE, false, &mut out);
        sockeye_connection_send_ping(o.ws, NONE, &mut out);
        sockeye_connection_send_pong(o.ws, NONE, &mut out);
        sockeye_connection_close(o.ws, 1000, NONE, &mut out);
    };
    let values: [Call; 12] = values! { o,
        sockeye_server_error(o.server) => sockeye_handshake_error::SOCKEYE_HANDSHAKE_NONE,
        sockeye_client_error(o.client) => sockeye_handshake_error::SOCKEYE_HANDSHAKE_NONE,
        sockeye_connection_has_more(o.ws) => false,
        sockeye_connection_frame_remaining(o.ws) => 0,
        sockeye_connection_is_open(o.ws) => false,
        sockeye_connection_is_server(o.ws) => false,
        sockeye_connection_is_compressing(o.ws) => false,
        sockeye_connection_subprotocol(o.ws) => sockeye_bytes { len: 0, .. },
        sockeye_connection_wants_time(o.ws) => false,
        sockeye_connection_round_trip_ns(o.ws) => SOCKEYE_NEVER,
        sockeye_connection_close_deadline_ns(o.ws) => SOCKEYE_NEVER,
        sockeye_connection_should_close_transport(o.ws) => true,
    };
    [&results[..], &values[..]].concat()
}

/// Those without an object, or that make one.
fn others() -> Vec<Call> {
    let results: [Call; 7] = results! { o, out,
        sockeye_config_init(place(), size_of::<sockeye_config>());
        sockeye_settings_new(&sockeye_config::default(), place());
        sockeye_server_new(null(), place());
        sockeye_client_new(null(), null(), false, sockeye_bytes::of(b"h"), 80, NONE, place());
        sockeye_connection_new_server(null(), NONE, place());
        sockeye_connection_new_client(null(), null(), NONE, place());
        sockeye_header_find(NONE, NONE, 0, place());
    };
    let values: [Call; 3] = values! { _o,
        sockeye_text(c"x".as_ptr()) => sockeye_bytes { len: 0, .. },
        sockeye_output_bound(1) => usize::MAX,
        sockeye_protocol_error_close_code(1) => 0,
    };
    [&results[..], &values[..]].concat()
}

/// Runs with the panics of tests kept quiet, which are many.
fn quietly(test: impl FnOnce()) {
    // Another test's panic that comes meanwhile is told by its failure.
    std::panic::set_hook(Box::new(|_| {}));
    test();
    let _ = std::panic::take_hook();
}

#[test]
fn a_panic_becomes_a_result_and_the_object_is_of_no_use_any_more() {
    quietly(|| {
        for (name, call) in of_objects() {
            let objects = Objects::new();
            ask();
            assert!(call(&objects) && has_come(), "{name}: a panic is not told");
            // And so does every other function of that object, however often.
            let same_object = |other: &str| other.split('_').nth(1) == name.split('_').nth(1);
            for (other, call) in of_objects() {
                assert!(!same_object(other) || call(&objects), "{other} after {name}");
            }
        }
        for (name, call) in others() {
            let objects = Objects::new();
            ask();
            assert!(call(&objects) && has_come(), "{name}: a panic is not told");
        }
    });
}

#[test]
fn texts_are_there_even_after_a_panic() {
    quietly(|| {
        for text in [sockeye_result_text, sockeye_protocol_error_text, sockeye_handshake_error_text]
        {
            ask();
            let words = text(1);
            assert!(has_come());
            // SAFETY: C strings.
            let words = unsafe { CStr::from_ptr(words) };
            assert!(words.is_empty() || words.to_bytes().starts_with(b"unknown"), "{words:?}");
        }
    });
}

#[test]
fn objects_are_freed_even_with_a_panic() {
    quietly(|| {
        let objects = Objects::new();
        let mut settings = null_mut();
        // SAFETY: both are there.
        let made = unsafe { sockeye_settings_new(&sockeye_config::default(), &mut settings) };
        assert_eq!(made, SOCKEYE_OK);
        ask();
        // SAFETY: its last use.
        unsafe { sockeye_settings_free(settings) };
        ask();
        drop(objects);
    });
}

/// A function that is new has to be in the lists above.
#[test]
fn every_function_was_tried() {
    let header = include_str!("../include/sockeye.h");
    let lines = header.lines().filter(|line| !line.starts_with([' ', '/', '*', '#']));
    let names = lines.filter_map(|line| line.split_once('(')?.0.split([' ', '*']).next_back());
    let declared: BTreeSet<&str> = names.filter(|name| name.starts_with("sockeye_")).collect();
    let mut tried: BTreeSet<&str> =
        of_objects().iter().chain(&others()).map(|(name, _)| *name).collect();
    // By the other tests; and the one that has nothing in it.
    tried.extend(["sockeye_result_text", "sockeye_protocol_error_text"]);
    tried.extend(["sockeye_handshake_error_text", "sockeye_version"]);
    tried.extend(["sockeye_settings_free", "sockeye_server_free", "sockeye_client_free"]);
    tried.insert("sockeye_connection_free");
    assert_eq!(tried, declared);
}
