//! An open connection: what is received, the time, and its end (RFC 6455, sections 5 to
//! 7). What is sent is in `send`.

use std::ops::Range;

use sockeye::{Closed, Connection, Seed};

use crate::boundary::{self, Outcome, Place, ask, enter, enter_with, handle, text};
use crate::client::seed_of;
use crate::closed::sockeye_closed;
use crate::event::{Kept, sockeye_event};
use crate::memory::{Free, sockeye_bytes, sockeye_input, sockeye_output};
use crate::memory::{SOCKEYE_OUTPUT_MIN, SOCKEYE_SCRATCH_MIN};
use crate::result::sockeye_result;
use crate::result::sockeye_result::*;
use crate::settings::sockeye_settings;
use crate::time::{SOCKEYE_NEVER, instant, of_duration, of_instant};

/// An open connection: bytes in, events and bytes out. It moves no bytes, reads no clock
/// and starts no thread. One thread at a time may use it; which, may change.
///
/// - Bytes came from the transport: `sockeye_connection_receive` until it gives no more
///   events, then write the output.
/// - The transport ended: `sockeye_connection_receive_eof`.
/// - After either, and after a command: `sockeye_connection_note_time`, if
///   `sockeye_connection_wants_time`. It says when a deadline passes; if nothing has come
///   by then, `sockeye_connection_handle_timeout`.
/// - At any time: commands, then write the output.
/// - When `sockeye_connection_should_close_transport`: write the output, and close the
///   transport.
#[derive(Debug)]
pub struct sockeye_connection {
    pub(crate) ws: Connection,
    kept: Kept,
    poisoned: bool,
}

handle!(sockeye_connection);

/// A million idle connections are a million of these.
const _: () = assert!(size_of::<sockeye_connection>() <= size_of::<Connection>() + 16);

impl sockeye_connection {
    pub(crate) fn new(ws: Connection) -> Self {
        Self { ws, kept: Kept::default(), poisoned: false }
    }
}

// ---- beginning and end of the object -------------------------------------------------

/// Makes a server's end of a connection whose opening handshake was made elsewhere, with
/// the subprotocol that it settled on, or absent. Without compression. Free it with
/// `sockeye_connection_free`. (`sockeye_server_accept` makes one of a request.)
///
/// Errors: `SOCKEYE_INVALID_TEXT`, `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_new_server(
    settings: *const sockeye_settings,
    subprotocol: sockeye_bytes,
    connection: *mut *mut sockeye_connection,
) -> sockeye_result {
    enter(|| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::for_object(connection) }?;
        // SAFETY: null, or settings.
        let ws = Connection::server(unsafe { sockeye_settings::config(settings) });
        // SAFETY: there for as long as the call.
        place.give(sockeye_connection::new(unsafe { named(ws, subprotocol) }?));
        Ok(SOCKEYE_OK)
    })
}

/// The same for a client's end. `seed` as for `sockeye_client_new`.
///
/// Errors: `SOCKEYE_NO_ENTROPY`, and as `sockeye_connection_new_server`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_new_client(
    settings: *const sockeye_settings,
    seed: *const u8,
    subprotocol: sockeye_bytes,
    connection: *mut *mut sockeye_connection,
) -> sockeye_result {
    enter(|| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::for_object(connection) }?;
        // SAFETY: null, or so many bytes.
        let seed = match unsafe { seed_of(seed) } {
            Some(bytes) => Seed::from_bytes(bytes),
            None => Seed::from_os().map_err(|_| SOCKEYE_NO_ENTROPY)?,
        };
        // SAFETY: null, or settings.
        let ws = Connection::client(seed, unsafe { sockeye_settings::config(settings) });
        // SAFETY: there for as long as the call.
        place.give(sockeye_connection::new(unsafe { named(ws, subprotocol) }?));
        Ok(SOCKEYE_OK)
    })
}

/// # Safety
///
/// The name is there for as long as the call.
unsafe fn named(ws: Connection, name: sockeye_bytes) -> Result<Connection, sockeye_result> {
    // SAFETY: passed on.
    let text = unsafe { text(name) }?;
    Ok(if name.data.is_null() { ws } else { ws.with_subprotocol(text) })
}

/// Frees a connection; NULL is none. Nothing is sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_free(connection: *mut sockeye_connection) {
    // SAFETY: the caller's last use of it.
    unsafe { boundary::free(connection) }
}

// ---- receiving -----------------------------------------------------------------------

/// Consumes input up to the next event. `SOCKEYE_OK`: there is one; call again.
/// `SOCKEYE_NEED_MORE`: all is consumed, and what belongs to something incomplete is
/// kept: receive more. Answers that the RFC demands (Pong, Close) are in the output when
/// the event for them comes. A peer's violation is an event as well; after that, and
/// after a Close, input is discarded (RFC 6455, section 7.1.7).
///
/// Of one message that is compressed, a short input can give many events.
///
/// Errors: `SOCKEYE_OUTPUT_FULL` if there is no room for an answer, which
/// `SOCKEYE_OUTPUT_MIN` is; `SOCKEYE_SCRATCH_FULL` if there is too little scratch room.
/// In both cases some of the input may have been consumed: call again with the rest.
/// `SOCKEYE_INVALID_ARGUMENT` if any of the memory overlaps; `SOCKEYE_NULL_POINTER`,
/// `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_receive(
    connection: *mut sockeye_connection,
    input: *mut sockeye_input,
    output: *mut sockeye_output,
    event: *mut sockeye_event,
) -> sockeye_result {
    let body = |connection: &mut sockeye_connection| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::new(event) }?;
        place.put(sockeye_event::NONE);
        // SAFETY: null, or an input.
        let mut now = unsafe { boundary::read(input) }?;
        let memory = now.addresses();
        let append = |out: &mut Free<'_>| {
            // SAFETY: the memory is there for as long as the call.
            unsafe { connection.next(&mut now, &memory, &place, out) }
        };
        // SAFETY: null, or an output.
        let outcome = unsafe { sockeye_output::append(output, &memory, append) };
        // SAFETY: it was read from there.
        unsafe { input.write(now) };
        outcome
    };
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { enter_with(connection, body) }
}

impl sockeye_connection {
    /// # Safety
    ///
    /// The memory of the input is there for as long as the call.
    unsafe fn next(
        &mut self,
        now: &mut sockeye_input,
        memory: &[Range<usize>; 2],
        place: &Place<sockeye_event>,
        out: &mut Free<'_>,
    ) -> Outcome {
        loop {
            // SAFETY: passed on.
            let mut input = unsafe { now.lent() }?;
            let event = self.ws.receive(&mut input, out);
            let event = event.map(|event| sockeye_event::of(&event, &mut self.kept, memory));
            let left = input.len();
            now.data = now.data.wrapping_add(now.len - left);
            now.len = left;
            if let Some(event) = event {
                place.put(event);
                return Ok(SOCKEYE_OK);
            }
            if self.ws.wants_room() {
                out.needed = SOCKEYE_OUTPUT_MIN;
                return Err(SOCKEYE_OUTPUT_FULL);
            }
            if !self.ws.wants_scratch() {
                return Ok(SOCKEYE_NEED_MORE);
            }
            if now.scratch_len < SOCKEYE_SCRATCH_MIN {
                return Err(SOCKEYE_SCRATCH_FULL);
            }
            // What was inflated is part of a character: its room is free again.
        }
    }
}

/// True if `sockeye_connection_receive` may give more without more input, since what was
/// consumed is not all inflated yet. A program that stops before there is nothing more,
/// to write its output say, must then call it again, with empty input if need be.
/// False for NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_has_more(
    connection: *const sockeye_connection,
) -> bool {
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, false, |connection| connection.ws.is_inflating()) }
}

/// Payload bytes of the data frame being received that have not come, as its header
/// announced them; 0 between frames, and for NULL. A hint for how much to read; the
/// promise of a peer, so never a size to allocate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_frame_remaining(
    connection: *const sockeye_connection,
) -> u64 {
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, 0, |connection| connection.ws.frame_remaining()) }
}

// ---- what it is ----------------------------------------------------------------------

/// True while data can be sent: no Close frame has been sent or received. False for
/// NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_is_open(connection: *const sockeye_connection) -> bool {
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, false, |connection| connection.ws.is_open()) }
}

/// True for a server's end. False for NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_is_server(
    connection: *const sockeye_connection,
) -> bool {
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, false, |connection| connection.ws.is_server()) }
}

/// True if compression was agreed on (RFC 7692): the input needs scratch room. False for
/// NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_is_compressing(
    connection: *const sockeye_connection,
) -> bool {
    #[cfg(feature = "deflate")]
    let is_compressing = |connection: &sockeye_connection| connection.ws.deflate_params().is_some();
    #[cfg(not(feature = "deflate"))]
    let is_compressing = |_: &sockeye_connection| false;
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, false, is_compressing) }
}

/// The subprotocol in use (RFC 6455, section 4.1), or absent. It lasts as long as the
/// connection. Absent for NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_subprotocol(
    connection: *const sockeye_connection,
) -> sockeye_bytes {
    let body =
        |connection: &sockeye_connection| sockeye_bytes::of_some(connection.ws.subprotocol());
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, sockeye_bytes::ABSENT, body) }
}

// ---- time ------------------------------------------------------------------------------

/// True if `sockeye_connection_note_time` should be called now, since something has
/// happened that a deadline depends on. With all deadlines off the clock need not be
/// read. False for NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_wants_time(
    connection: *const sockeye_connection,
) -> bool {
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, false, |connection| connection.ws.wants_time()) }
}

/// Notes that what has happened since the last call happened now, and says in `next_ns`
/// when `sockeye_connection_handle_timeout` is due: `SOCKEYE_NEVER` if not before
/// something happens. Call it once when the connection opens, so that silence from the
/// start is noticed. Times are nanoseconds since any point of the program's choice, and
/// must not go backwards.
///
/// Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_note_time(
    connection: *mut sockeye_connection,
    now_ns: u64,
    next_ns: *mut u64,
) -> sockeye_result {
    let body = |connection: &mut sockeye_connection| {
        // SAFETY: null, or can be written to.
        let next = unsafe { Place::new(next_ns) }?;
        next.put(of_instant(connection.ws.note_time(instant(now_ns))));
        Ok(SOCKEYE_OK)
    };
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { enter_with(connection, body) }
}

/// Does what is due (a keep-alive Ping, closing an idle connection, giving up on a silent
/// peer) and says in `next_ns` when to call next, as `sockeye_connection_note_time`,
/// which it includes. Call it when a deadline has passed and there is nothing to be
/// read: the Pong that is waited for may lie there. Early and repeated calls are
/// harmless. Without room in the output it does what it can.
///
/// Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_handle_timeout(
    connection: *mut sockeye_connection,
    now_ns: u64,
    output: *mut sockeye_output,
    next_ns: *mut u64,
) -> sockeye_result {
    let body = |connection: &mut sockeye_connection| {
        // SAFETY: null, or can be written to.
        let next = unsafe { Place::new(next_ns) }?;
        let append = |out: &mut Free<'_>| {
            next.put(of_instant(connection.ws.handle_timeout(instant(now_ns), out)));
            Ok(SOCKEYE_OK)
        };
        // SAFETY: null, or an output.
        unsafe { sockeye_output::append(output, &[], append) }
    };
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { enter_with(connection, body) }
}

/// The time in nanoseconds between the latest Ping that was answered and its Pong;
/// `SOCKEYE_NEVER` if there was none, for NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_round_trip_ns(
    connection: *const sockeye_connection,
) -> u64 {
    let body = |connection: &sockeye_connection| of_duration(connection.ws.round_trip_time());
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, SOCKEYE_NEVER, body) }
}

// ---- the end -----------------------------------------------------------------------------

/// True when the transport should be closed, once the output is written: the closing
/// handshake is done (a server goes first, a client waits for it: RFC 6455, section
/// 7.1.1), or the connection has failed. To close a socket whose input was not all read
/// makes the kernel send a reset, which can overtake the Close frame: so end the sending
/// direction, read on until the end or `sockeye_connection_close_deadline_ns`, and close
/// it then. True for NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_should_close_transport(
    connection: *const sockeye_connection,
) -> bool {
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, true, |connection| connection.ws.should_close_transport()) }
}

/// When to stop waiting for the peer to close the transport, on the program's clock;
/// known once the closing has begun and the time was noted. `SOCKEYE_NEVER` otherwise,
/// for NULL, and after a panic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_close_deadline_ns(
    connection: *const sockeye_connection,
) -> u64 {
    let body = |connection: &sockeye_connection| of_instant(connection.ws.close_deadline());
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { ask(connection, SOCKEYE_NEVER, body) }
}

/// The transport will deliver no more bytes: fills `closed`, which may be NULL, with how
/// the connection ended. Calling it again says the same.
///
/// Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_receive_eof(
    connection: *mut sockeye_connection,
    closed: *mut sockeye_closed,
) -> sockeye_result {
    let body = |connection: &mut sockeye_connection| {
        // SAFETY: null, or can be written to.
        unsafe { tell(closed, Connection::receive_eof, connection) }
    };
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { enter_with(connection, body) }
}

/// Ends the connection here and now, with no closing handshake: drop the transport.
/// Fills `closed`, which may be NULL.
///
/// Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_abort(
    connection: *mut sockeye_connection,
    closed: *mut sockeye_closed,
) -> sockeye_result {
    let body = |connection: &mut sockeye_connection| {
        // SAFETY: null, or can be written to.
        unsafe { tell(closed, Connection::abort, connection) }
    };
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { enter_with(connection, body) }
}

/// How the connection ended. `SOCKEYE_NONE` while data can still come or go.
///
/// Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_connection_closed(
    connection: *mut sockeye_connection,
    closed: *mut sockeye_closed,
) -> sockeye_result {
    let body = |connection: &mut sockeye_connection| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::new(closed) }?;
        let Some(closed) = connection.ws.closed() else { return Ok(SOCKEYE_NONE) };
        place.put(sockeye_closed::of(&closed));
        Ok(SOCKEYE_OK)
    };
    // SAFETY: null, or a connection that nobody else uses.
    unsafe { enter_with(connection, body) }
}

/// # Safety
///
/// `place` is null, or can be written to.
unsafe fn tell(
    place: *mut sockeye_closed,
    end: impl FnOnce(&mut Connection) -> Closed,
    connection: &mut sockeye_connection,
) -> Outcome {
    // SAFETY: passed on.
    let wanted = if place.is_null() { None } else { Some(unsafe { Place::new(place) }?) };
    let closed = end(&mut connection.ws);
    if let Some(place) = wanted {
        place.put(sockeye_closed::of(&closed));
    }
    Ok(SOCKEYE_OK)
}
