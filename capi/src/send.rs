//! Commands of an open connection that send something (RFC 6455, sections 5.3 to 5.6).

use sockeye::{CloseCode, Connection, SendError};

use crate::boundary::{bytes, enter_with, text};
use crate::connection::sockeye_connection;
use crate::memory::{Free, sockeye_bytes, sockeye_output};
use crate::result::sockeye_result::*;
use crate::result::{of_send, sockeye_result};

/// Sends a text message in one frame, compressed if that was agreed on and it is long
/// enough (RFC 6455, section 5.6; RFC 7692). The text is copied into the output, masked
/// on the way for a client.
///
/// Errors: `SOCKEYE_OUTPUT_FULL`: nothing was sent. `SOCKEYE_CLOSED`,
/// `SOCKEYE_FRAGMENT_IN_PROGRESS`, `SOCKEYE_INVALID_TEXT`, `SOCKEYE_NULL_POINTER`,
/// `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_send_text(
    connection: *mut sockeye_connection,
    text: sockeye_bytes,
    output: *mut sockeye_output,
) -> sockeye_result {
    let send = |ws: &mut Connection, out: &mut Free<'_>| {
        // SAFETY: there for as long as the call.
        ws.send_text(unsafe { self::text(text) }?, out).map_err(Refused::Engine)
    };
    // SAFETY: null, or a connection and an output that nobody else uses.
    unsafe { command(connection, text, output, send) }
}

/// Sends a binary message in one frame, as `sockeye_connection_send_text` does.
///
/// Errors: `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_CLOSED`, `SOCKEYE_FRAGMENT_IN_PROGRESS`,
/// `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_send_binary(
    connection: *mut sockeye_connection,
    data: sockeye_bytes,
    output: *mut sockeye_output,
) -> sockeye_result {
    let send = |ws: &mut Connection, out: &mut Free<'_>| {
        // SAFETY: there for as long as the call.
        ws.send_binary(unsafe { bytes(data) }?, out).map_err(Refused::Engine)
    };
    // SAFETY: null, or a connection and an output that nobody else uses.
    unsafe { command(connection, data, output, send) }
}

/// Sends a fragment of a text message (RFC 6455, section 5.4). The first begins the
/// message, the one with `fin` ends it; Pings and Pongs may go in between. A fragment may
/// end inside a character: the text is validated over all of them.
///
/// Errors: as `sockeye_connection_send_text`; `SOCKEYE_FRAGMENT_IN_PROGRESS` only if the
/// message in progress is binary.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_send_text_fragment(
    connection: *mut sockeye_connection,
    text: sockeye_bytes,
    fin: bool,
    output: *mut sockeye_output,
) -> sockeye_result {
    let send = |ws: &mut Connection, out: &mut Free<'_>| {
        // SAFETY: there for as long as the call.
        ws.send_text_fragment(unsafe { bytes(text) }?, fin, out).map_err(Refused::Engine)
    };
    // SAFETY: null, or a connection and an output that nobody else uses.
    unsafe { command(connection, text, output, send) }
}

/// Sends a fragment of a binary message, as `sockeye_connection_send_text_fragment`.
///
/// Errors: as `sockeye_connection_send_binary`; `SOCKEYE_FRAGMENT_IN_PROGRESS` only if
/// the message in progress is text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_send_binary_fragment(
    connection: *mut sockeye_connection,
    data: sockeye_bytes,
    fin: bool,
    output: *mut sockeye_output,
) -> sockeye_result {
    let send = |ws: &mut Connection, out: &mut Free<'_>| {
        // SAFETY: there for as long as the call.
        ws.send_binary_fragment(unsafe { bytes(data) }?, fin, out).map_err(Refused::Engine)
    };
    // SAFETY: null, or a connection and an output that nobody else uses.
    unsafe { command(connection, data, output, send) }
}

/// Sends a Ping with up to 125 bytes (RFC 6455, section 5.5.2), also between fragments.
/// When its Pong comes, `sockeye_connection_round_trip_ns` is known.
///
/// Errors: `SOCKEYE_CONTROL_TOO_LONG`, `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_CLOSED`,
/// `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_send_ping(
    connection: *mut sockeye_connection,
    payload: sockeye_bytes,
    output: *mut sockeye_output,
) -> sockeye_result {
    let send = |ws: &mut Connection, out: &mut Free<'_>| {
        // SAFETY: there for as long as the call.
        ws.send_ping(unsafe { bytes(payload) }?, out).map_err(Refused::Engine)
    };
    // SAFETY: null, or a connection and an output that nobody else uses.
    unsafe { command(connection, payload, output, send) }
}

/// Sends a Pong with up to 125 bytes (RFC 6455, section 5.5.3): the answer to a Ping when
/// `auto_pong` is 0, or one that nobody asked for.
///
/// Errors: as `sockeye_connection_send_ping`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_send_pong(
    connection: *mut sockeye_connection,
    payload: sockeye_bytes,
    output: *mut sockeye_output,
) -> sockeye_result {
    let send = |ws: &mut Connection, out: &mut Free<'_>| {
        // SAFETY: there for as long as the call.
        ws.send_pong(unsafe { bytes(payload) }?, out).map_err(Refused::Engine)
    };
    // SAFETY: null, or a connection and an output that nobody else uses.
    unsafe { command(connection, payload, output, send) }
}

/// Starts the closing handshake (RFC 6455, section 7.1.2) with this status code, 1000 to
/// 1003, 1007 to 1014 or 3000 to 4999 (section 7.4), or 0 for none. `reason` is UTF-8, and
/// absent or empty without a code; of more than 123 bytes, the beginning is sent. Data may
/// still come until the peer answers; a message being sent in fragments is cut short.
///
/// Errors: `SOCKEYE_INVALID_CLOSE_CODE`, `SOCKEYE_INVALID_TEXT`, `SOCKEYE_OUTPUT_FULL`,
/// `SOCKEYE_CLOSED` if it was started before, `SOCKEYE_NULL_POINTER`,
/// `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_close(
    connection: *mut sockeye_connection,
    code: u16,
    reason: sockeye_bytes,
    output: *mut sockeye_output,
) -> sockeye_result {
    let send = |ws: &mut Connection, out: &mut Free<'_>| {
        let code = (code != 0).then_some(CloseCode::new(code));
        // SAFETY: there for as long as the call.
        ws.close(code, unsafe { text(reason) }?, out).map_err(Refused::Engine)
    };
    // SAFETY: null, or a connection and an output that nobody else uses.
    unsafe { command(connection, reason, output, send) }
}

/// Who refused a command.
enum Refused {
    Boundary(sockeye_result),
    Engine(SendError),
}

impl From<sockeye_result> for Refused {
    fn from(result: sockeye_result) -> Self {
        Self::Boundary(result)
    }
}

/// # Safety
///
/// Both are null, or what they should be, and nobody else uses them.
unsafe fn command(
    connection: *mut sockeye_connection,
    payload: sockeye_bytes,
    output: *mut sockeye_output,
    send: impl FnOnce(&mut Connection, &mut Free<'_>) -> Result<(), Refused>,
) -> sockeye_result {
    let body = |connection: &mut sockeye_connection| {
        let append = |out: &mut Free<'_>| match send(&mut connection.ws, out) {
            Ok(()) => Ok(SOCKEYE_OK),
            Err(Refused::Boundary(result)) => Err(result),
            Err(Refused::Engine(error)) => Err(of_send(error, &mut out.needed)),
        };
        // SAFETY: null, or an output.
        unsafe { sockeye_output::append(output, &[payload.addresses()], append) }
    };
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { enter_with(connection, body) }
}
