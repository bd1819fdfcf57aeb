//! The server's side of the opening handshake (RFC 6455, section 4.2).

use std::mem;
use std::sync::Arc;

use sockeye::Config;
use sockeye::handshake::{Accept, Rejection, Request, RequestError, Server};

use crate::boundary::{self, Place, addresses, ask, bytes, enter, enter_with, handle, text};
use crate::connection::sockeye_connection;
use crate::error::sockeye_handshake_error;
use crate::header::{lines, place_of, sockeye_header, texts_of};
use crate::memory::{Free, sockeye_bytes, sockeye_output};
use crate::result::sockeye_result::*;
use crate::result::{of_build, sockeye_result};
use crate::settings::sockeye_settings;
use crate::time::{instant, of_instant};

/// Waits for a request that opens a connection (RFC 6455, section 4.2). One thread at
/// a time may use it.
///
/// In order: `sockeye_server_receive` with all bytes so far, each time more have come,
/// until it gives a request; then `sockeye_server_accept` or `sockeye_server_reject`.
/// When it fails, `sockeye_server_write_error`. Then free it.
#[derive(Debug)]
pub struct sockeye_server {
    poisoned: bool,
    config: Arc<Config>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The request is coming.
    Waiting(Server),
    /// It has come, and is to be answered.
    Asked,
    Failed(RequestError),
    Answered,
}

handle!(sockeye_server);

/// A request that fulfils every rule of RFC 6455, section 4.2.1. All of it points into
/// the bytes that were given to `sockeye_server_receive`, and lasts as long as they do:
/// leave them where they are until the request is answered.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_request {
    /// The whole head. What follows it are frames that came early: they belong to the
    /// connection.
    pub head: sockeye_bytes,
    /// The path of the target, as sent: percent-encoded, never empty.
    pub path: sockeye_bytes,
    /// What follows the first `?` of the target; absent if there is none.
    pub query: sockeye_bytes,
    /// The host that was asked for, with the port if it was named.
    pub host: sockeye_bytes,
    /// The origin of the page that asks; absent for clients that are no browsers. It
    /// is for the program to refuse foreign pages, with status 403 (section 10.2).
    pub origin: sockeye_bytes,
    /// The header lines, for `sockeye_header_find`.
    pub headers: sockeye_bytes,
}

/// Makes a server's side, with the settings for the handshake and for the connection;
/// NULL are the defaults. Free it with `sockeye_server_free`.
///
/// Errors: `SOCKEYE_NULL_POINTER`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_new(
    settings: *const sockeye_settings,
    server: *mut *mut sockeye_server,
) -> sockeye_result {
    enter(|| {
        // SAFETY: null, or can be written to.
        let server = unsafe { Place::for_object(server) }?;
        // SAFETY: null, or settings.
        let config = unsafe { sockeye_settings::config(settings) };
        let state = State::Waiting(Server::new(config.clone()));
        server.give(sockeye_server { poisoned: false, config, state });
        Ok(SOCKEYE_OK)
    })
}

/// Frees a server's side; NULL is none. A connection that was made of it stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_free(server: *mut sockeye_server) {
    // SAFETY: the caller's last use of it.
    unsafe { boundary::free(server) }
}

/// Looks for a complete request in `received`: all bytes that have come so far, those of
/// earlier calls included, wherever they are now. `SOCKEYE_OK`: `request` is filled.
/// `SOCKEYE_NEED_MORE`: call again when more have come. Each byte is looked at once,
/// however many calls it takes, and nothing is kept.
///
/// Errors: `SOCKEYE_HANDSHAKE_FAILED` for a request that breaks a rule or a limit (ask
/// `sockeye_server_error`); `SOCKEYE_WRONG_STATE` once there was a request;
/// `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_receive(
    server: *mut sockeye_server,
    received: sockeye_bytes,
    request: *mut sockeye_request,
) -> sockeye_result {
    let body = |server: &mut sockeye_server| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::new(request) }?;
        // SAFETY: there for as long as the call.
        let received = unsafe { bytes(received) }?;
        let waiting = match &mut server.state {
            State::Waiting(waiting) => waiting,
            State::Failed(_) => return Err(SOCKEYE_HANDSHAKE_FAILED),
            State::Asked | State::Answered => return Err(SOCKEYE_WRONG_STATE),
        };
        match waiting.receive(received) {
            Ok(None) => Ok(SOCKEYE_NEED_MORE),
            Ok(Some(request)) => {
                place.put(sockeye_request::of(&request, received));
                server.state = State::Asked;
                Ok(SOCKEYE_OK)
            }
            Err(error) => {
                server.state = State::Failed(error);
                Err(SOCKEYE_HANDSHAKE_FAILED)
            }
        }
    };
    // SAFETY: null, or a server that nobody else uses.
    unsafe { enter_with(server, body) }
}

/// A subprotocol that the client offers (RFC 6455, section 4.2.1, item 8), counted from
/// 0 in order of its preference. `name` points into the head of the request.
///
/// Errors: `SOCKEYE_NONE` if there are no more; `SOCKEYE_WRONG_STATE` before there is a
/// request, or after the answer; `SOCKEYE_INVALID_ARGUMENT` if `request` is not what
/// `sockeye_server_receive` gave; `SOCKEYE_NULL_POINTER`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_subprotocol(
    server: *mut sockeye_server,
    request: *const sockeye_request,
    index: usize,
    name: *mut sockeye_bytes,
) -> sockeye_result {
    let body = |server: &mut sockeye_server| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::new(name) }?;
        // SAFETY: null, or a request whose head is there.
        let request = unsafe { server.asked(request) }?;
        let Some(name) = request.subprotocols().nth(index) else { return Ok(SOCKEYE_NONE) };
        place.put(sockeye_bytes::of(name.as_bytes()));
        Ok(SOCKEYE_OK)
    };
    // SAFETY: null, or a server that nobody else uses.
    unsafe { enter_with(server, body) }
}

/// Accepts: appends the reply (RFC 6455, section 4.2.2) and makes the open connection,
/// which is to be freed with `sockeye_connection_free`. `subprotocol` is one of those
/// that the client offers, or absent; `headers` are `header_count` lines to be added,
/// or NULL. Compression is agreed on if the settings and the client want it.
///
/// Give the connection what lies behind the head next, and wait for more after that.
///
/// Errors: `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_SUBPROTOCOL_NOT_OFFERED`,
/// `SOCKEYE_INVALID_SUBPROTOCOL`, `SOCKEYE_INVALID_HEADER_NAME`,
/// `SOCKEYE_INVALID_HEADER_VALUE`, `SOCKEYE_RESERVED_HEADER`, `SOCKEYE_INVALID_TEXT`,
/// and as `sockeye_server_subprotocol`. The request can still be answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_accept(
    server: *mut sockeye_server,
    request: *const sockeye_request,
    subprotocol: sockeye_bytes,
    headers: *const sockeye_header,
    header_count: usize,
    output: *mut sockeye_output,
    connection: *mut *mut sockeye_connection,
) -> sockeye_result {
    let body = |server: &mut sockeye_server| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::for_object(connection) }?;
        // SAFETY: null, or a request whose head is there.
        let asked = unsafe { server.asked(request) }?;
        // SAFETY: there for as long as the call.
        let chosen = unsafe { text(subprotocol) }?;
        let chosen = (!subprotocol.data.is_null()).then_some(chosen);
        let mut accept = Accept::new().subprotocol(chosen);
        // SAFETY: there for as long as the call.
        let lines = unsafe { lines(headers, header_count) }?;
        for (name, value) in &lines {
            accept = accept.header(*name, *value);
        }
        // SAFETY: null, or an output.
        let head = unsafe { boundary::read(request) }?.head.addresses();
        let mut others = texts_of(&lines);
        others.extend([head, subprotocol.addresses(), addresses_of(headers, header_count)]);
        let append = |out: &mut Free<'_>| match asked.accept(&accept, out) {
            Ok(ws) => {
                place.give(sockeye_connection::new(ws));
                Ok(SOCKEYE_OK)
            }
            Err(error) => Err(of_build(error, &mut out.needed)),
        };
        // SAFETY: null, or an output.
        let done = unsafe { sockeye_output::append(output, &others, append) }?;
        server.state = State::Answered;
        Ok(done)
    };
    // SAFETY: null, or a server that nobody else uses.
    unsafe { enter_with(server, body) }
}

/// Refuses, be it a request or whoever may be there: appends an HTTP reply with this
/// status, 200 to 599, these header lines and this body, which is text (RFC 6455,
/// section 4.2.2, item 1). Write it, and close the transport.
///
/// Errors: `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_INVALID_STATUS`, `SOCKEYE_INVALID_TEXT`,
/// `SOCKEYE_INVALID_HEADER_NAME`, `SOCKEYE_INVALID_HEADER_VALUE`,
/// `SOCKEYE_RESERVED_HEADER`; `SOCKEYE_WRONG_STATE` after an answer;
/// `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_reject(
    server: *mut sockeye_server,
    status: u16,
    headers: *const sockeye_header,
    header_count: usize,
    body: sockeye_bytes,
    output: *mut sockeye_output,
) -> sockeye_result {
    let work = |server: &mut sockeye_server| {
        if matches!(server.state, State::Answered) {
            return Err(SOCKEYE_WRONG_STATE);
        }
        // SAFETY: there for as long as the call.
        let mut rejection = Rejection::new(status).body(unsafe { text(body) }?);
        // SAFETY: there for as long as the call.
        let lines = unsafe { lines(headers, header_count) }?;
        for (name, value) in &lines {
            rejection = rejection.header(*name, *value);
        }
        let mut others = texts_of(&lines);
        others.extend([body.addresses(), addresses_of(headers, header_count)]);
        let append = |out: &mut Free<'_>| match rejection.write(out) {
            Ok(()) => Ok(SOCKEYE_OK),
            Err(error) => Err(of_build(error, &mut out.needed)),
        };
        // SAFETY: null, or an output.
        let done = unsafe { sockeye_output::append(output, &others, append) }?;
        server.state = State::Answered;
        Ok(done)
    };
    // SAFETY: null, or a server that nobody else uses.
    unsafe { enter_with(server, work) }
}

/// Says in `next_ns` when to call next, `SOCKEYE_NEVER` if not at all. Times are
/// nanoseconds since any point of the program's choice, and must not go backwards.
///
/// Errors: `SOCKEYE_HANDSHAKE_FAILED` when `handshake_timeout_ns` has passed since the
/// first call; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_handle_timeout(
    server: *mut sockeye_server,
    now_ns: u64,
    next_ns: *mut u64,
) -> sockeye_result {
    let body = |server: &mut sockeye_server| {
        // SAFETY: null, or can be written to.
        let next = unsafe { Place::new(next_ns) }?;
        let due = match &mut server.state {
            State::Waiting(waiting) => waiting.handle_timeout(instant(now_ns)),
            State::Failed(_) => return Err(SOCKEYE_HANDSHAKE_FAILED),
            State::Asked | State::Answered => Ok(None),
        };
        match due {
            Ok(due) => {
                next.put(of_instant(due));
                Ok(SOCKEYE_OK)
            }
            Err(error) => {
                server.state = State::Failed(error);
                Err(SOCKEYE_HANDSHAKE_FAILED)
            }
        }
    };
    // SAFETY: null, or a server that nobody else uses.
    unsafe { enter_with(server, body) }
}

/// What was wrong with the request, after `SOCKEYE_HANDSHAKE_FAILED`; else
/// `SOCKEYE_HANDSHAKE_NONE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_error(
    server: *const sockeye_server,
) -> sockeye_handshake_error {
    let none = sockeye_handshake_error::SOCKEYE_HANDSHAKE_NONE;
    let body = |server: &sockeye_server| match server.state {
        State::Failed(error) => sockeye_handshake_error::of_request(error),
        _ => none,
    };
    // SAFETY: null, or a server that nobody else uses.
    unsafe { ask(server, none, body) }
}

/// Appends the HTTP reply that the fault deserves, such as 400, 408 or 426 (RFC 6455,
/// sections 4.2.2 and 4.4). Write it, and close the transport.
///
/// Errors: `SOCKEYE_OUTPUT_FULL`; `SOCKEYE_WRONG_STATE` unless it has failed, or after
/// an answer; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_server_write_error(
    server: *mut sockeye_server,
    output: *mut sockeye_output,
) -> sockeye_result {
    let body = |server: &mut sockeye_server| {
        let State::Failed(error) = server.state else { return Err(SOCKEYE_WRONG_STATE) };
        let append = |out: &mut Free<'_>| match error.write_response(out) {
            Ok(()) => Ok(SOCKEYE_OK),
            Err(error) => Err(of_build(error, &mut out.needed)),
        };
        // SAFETY: null, or an output.
        let done = unsafe { sockeye_output::append(output, &[], append) }?;
        server.state = State::Answered;
        Ok(done)
    };
    // SAFETY: null, or a server that nobody else uses.
    unsafe { enter_with(server, body) }
}

impl sockeye_server {
    /// The request that is to be answered. It is read once more, so that nothing has to
    /// be believed of memory that was the caller's in between.
    ///
    /// # Safety
    ///
    /// `request` is null, or a request whose head is there for `'a`.
    unsafe fn asked<'a>(
        &self,
        request: *const sockeye_request,
    ) -> Result<Request<'a>, sockeye_result> {
        if !matches!(self.state, State::Asked) {
            return Err(SOCKEYE_WRONG_STATE);
        }
        // SAFETY: null, or a request.
        let request = unsafe { boundary::read(request) }?;
        // SAFETY: there for `'a`.
        let head = unsafe { bytes(request.head) }?;
        match Server::new(self.config.clone()).receive(head) {
            Ok(Some(request)) => Ok(request),
            _ => Err(SOCKEYE_INVALID_ARGUMENT),
        }
    }
}

impl sockeye_request {
    fn of(request: &Request<'_>, received: &[u8]) -> Self {
        Self {
            head: sockeye_bytes::of(received.get(..request.head_len()).unwrap_or_default()),
            path: sockeye_bytes::of(request.path().as_bytes()),
            query: sockeye_bytes::of_some(request.query()),
            host: sockeye_bytes::of(request.host().as_bytes()),
            origin: sockeye_bytes::of_some(request.origin()),
            headers: place_of(received, request.headers().iter()),
        }
    }
}

fn addresses_of(headers: *const sockeye_header, count: usize) -> std::ops::Range<usize> {
    addresses(headers.cast(), count.saturating_mul(mem::size_of::<sockeye_header>()))
}
