//! The client's side of the opening handshake (RFC 6455, section 4.1).

use std::sync::Arc;

use sockeye::handshake::{Client, ClientRequest, Reply, ResponseError};
use sockeye::{Config, Seed};

use crate::boundary::{self, Place, ask, bytes, enter, enter_with, handle, text};
use crate::connection::sockeye_connection;
use crate::error::sockeye_handshake_error;
use crate::header::place_of;
use crate::memory::{Free, sockeye_bytes, sockeye_output};
use crate::result::sockeye_result::*;
use crate::result::{of_build, sockeye_result};
use crate::settings::sockeye_settings;
use crate::time::{instant, of_instant};

/// Bytes of a seed.
pub const SOCKEYE_SEED_LEN: usize = 32;

/// Asks for a connection and checks the reply (RFC 6455, section 4.1). One thread at a
/// time may use it.
///
/// In order: what is to be added to the request; `sockeye_client_write_request`; then
/// `sockeye_client_receive` with all bytes so far, each time more have come, until
/// there is a reply; `sockeye_client_receive_eof` if they end before. Then free it.
#[derive(Debug)]
pub struct sockeye_client {
    poisoned: bool,
    config: Arc<Config>,
    state: State,
    /// The body of a refusal, where it is not as it came.
    body: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// The request is being put together; with the caller's seed.
    Asking(ClientRequest, Option<[u8; SOCKEYE_SEED_LEN]>),
    /// The request was written.
    Waiting(Client),
    Failed(ResponseError),
    /// The reply has come.
    Answered,
}

handle!(sockeye_client);

/// What a server says to the handshake.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_reply {
    /// The HTTP status: 101 if it accepts; else a redirect, a demand to authenticate,
    /// an error (RFC 6455, section 4.1).
    pub status: u16,
    /// It accepts: there is a connection.
    pub is_accepted: bool,
    /// The body of a refusal is all there. It is not if it was longer than
    /// `max_refusal_len`, or the stream has ended before.
    pub is_complete: bool,
    /// Bytes before the first frame; 0 for a refusal. What lies behind them is the
    /// connection's.
    pub head_len: usize,
    /// The header lines, for `sockeye_header_find`. They point into the bytes that were
    /// given.
    pub headers: sockeye_bytes,
    /// The subprotocol that the server chose of those offered, or absent. It points
    /// into the bytes that were given.
    pub subprotocol: sockeye_bytes,
    /// The body of a refusal. It lasts until the client is used again, or freed.
    pub body: sockeye_bytes,
}

/// Makes a client's side that asks `host` for `target`: a path and query,
/// percent-encoded and without a fragment, or nothing. `host` is a name or an address;
/// `port` is named in the request unless it is that of the scheme, 443 if `secure`
/// (`wss`), else 80 (RFC 6455, sections 3 and 4.1). The texts are copied. Free it with
/// `sockeye_client_free`.
///
/// `seed` is `SOCKEYE_SEED_LEN` bytes that nobody can guess and that are used once: the
/// masking keys come from them (section 10.3), and two connections with one seed mask
/// alike. NULL: they are had from the operating system, when the request is written.
/// `settings` NULL are the defaults.
///
/// Errors: `SOCKEYE_INVALID_HOST`, `SOCKEYE_INVALID_TARGET`, `SOCKEYE_INVALID_TEXT`,
/// `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_new(
    settings: *const sockeye_settings,
    seed: *const u8,
    secure: bool,
    host: sockeye_bytes,
    port: u16,
    target: sockeye_bytes,
    client: *mut *mut sockeye_client,
) -> sockeye_result {
    enter(|| {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::for_object(client) }?;
        // SAFETY: null, or settings.
        let config = unsafe { sockeye_settings::config(settings) };
        // SAFETY: there for as long as the call.
        let host = unsafe { text(host) }?;
        // SAFETY: there for as long as the call.
        let target = unsafe { text(target) }?;
        // SAFETY: null, or so many bytes.
        let seed = unsafe { seed_of(seed) };
        let request = checked(ClientRequest::new(secure, host, port, target), &config)?;
        let state = State::Asking(request, seed);
        place.give(sockeye_client { poisoned: false, config, state, body: Vec::new() });
        Ok(SOCKEYE_OK)
    })
}

/// Frees a client's side; NULL is none. A connection that was made of it stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_free(client: *mut sockeye_client) {
    // SAFETY: the caller's last use of it.
    unsafe { boundary::free(client) }
}

/// Offers a subprotocol; those offered first are preferred (RFC 6455, section 4.1, item
/// 10). It is copied.
///
/// Errors: `SOCKEYE_INVALID_SUBPROTOCOL`, `SOCKEYE_DUPLICATE_SUBPROTOCOL`,
/// `SOCKEYE_INVALID_TEXT`; `SOCKEYE_WRONG_STATE` once the request was written;
/// `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_add_subprotocol(
    client: *mut sockeye_client,
    name: sockeye_bytes,
) -> sockeye_result {
    let body = |client: &mut sockeye_client| {
        // SAFETY: there for as long as the call.
        let name = unsafe { text(name) }?;
        client.add(|request| request.subprotocol(name))
    };
    // SAFETY: null, or a client that nobody else uses.
    unsafe { enter_with(client, body) }
}

/// Adds a header line to the request, such as Origin, Cookie or Authorization. It is
/// copied.
///
/// Errors: `SOCKEYE_INVALID_HEADER_NAME`, `SOCKEYE_INVALID_HEADER_VALUE`,
/// `SOCKEYE_RESERVED_HEADER`, `SOCKEYE_INVALID_TEXT`; `SOCKEYE_WRONG_STATE` once the
/// request was written; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`,
/// `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_add_header(
    client: *mut sockeye_client,
    name: sockeye_bytes,
    value: sockeye_bytes,
) -> sockeye_result {
    let body = |client: &mut sockeye_client| {
        // SAFETY: there for as long as the call.
        let name = unsafe { text(name) }?;
        // SAFETY: there for as long as the call.
        let value = unsafe { text(value) }?;
        client.add(|request| request.header(name, value))
    };
    // SAFETY: null, or a client that nobody else uses.
    unsafe { enter_with(client, body) }
}

/// Appends the request, with a fresh key (RFC 6455, section 4.1, item 7).
///
/// Errors: `SOCKEYE_OUTPUT_FULL`; `SOCKEYE_NO_ENTROPY`; `SOCKEYE_WRONG_STATE` once it
/// was written; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_write_request(
    client: *mut sockeye_client,
    output: *mut sockeye_output,
) -> sockeye_result {
    let body = |client: &mut sockeye_client| {
        let State::Asking(request, seed) = &client.state else { return Err(SOCKEYE_WRONG_STATE) };
        let seed = match seed {
            Some(bytes) => Seed::from_bytes(*bytes),
            None => Seed::from_os().map_err(|_| SOCKEYE_NO_ENTROPY)?,
        };
        let waiting = Client::new(request.clone(), seed, client.config.clone());
        let waiting = waiting.map_err(|error| of_build(error, &mut 0))?;
        let append = |out: &mut Free<'_>| match waiting.write_request(out) {
            Ok(()) => Ok(SOCKEYE_OK),
            Err(error) => Err(of_build(error, &mut out.needed)),
        };
        // SAFETY: null, or an output.
        let done = unsafe { sockeye_output::append(output, &[], append) }?;
        client.state = State::Waiting(waiting);
        Ok(done)
    };
    // SAFETY: null, or a client that nobody else uses.
    unsafe { enter_with(client, body) }
}

/// Looks for a complete reply in `received`: all bytes that have come so far, those of
/// earlier calls included, wherever they are now. `SOCKEYE_OK`: `reply` is filled, and
/// if it accepts, `connection` is the open connection, to be freed with
/// `sockeye_connection_free`; else it is NULL. `SOCKEYE_NEED_MORE`: call again when more
/// have come. Interim replies are passed over; a refusal is complete when its body is.
///
/// Give the connection what lies behind `head_len` next, and wait for more after that.
///
/// Errors: `SOCKEYE_HANDSHAKE_FAILED` for a reply that breaks a rule of RFC 6455,
/// section 4.1 (ask `sockeye_client_error`): close the transport.
/// `SOCKEYE_WRONG_STATE` before the request was written, or after a reply;
/// `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_receive(
    client: *mut sockeye_client,
    received: sockeye_bytes,
    reply: *mut sockeye_reply,
    connection: *mut *mut sockeye_connection,
) -> sockeye_result {
    let body = |client: &mut sockeye_client| {
        // SAFETY: passed on.
        unsafe { client.receive(received, false, reply, connection) }
    };
    // SAFETY: null, or a client that nobody else uses.
    unsafe { enter_with(client, body) }
}

/// The transport has ended: gives the refusal if there is one, with what there is of its
/// body. Else, and for a reply that is not complete, `SOCKEYE_HANDSHAKE_FAILED`.
///
/// Otherwise as `sockeye_client_receive`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_receive_eof(
    client: *mut sockeye_client,
    received: sockeye_bytes,
    reply: *mut sockeye_reply,
    connection: *mut *mut sockeye_connection,
) -> sockeye_result {
    let body = |client: &mut sockeye_client| {
        // SAFETY: passed on.
        unsafe { client.receive(received, true, reply, connection) }
    };
    // SAFETY: null, or a client that nobody else uses.
    unsafe { enter_with(client, body) }
}

/// Says in `next_ns` when to call next, as `sockeye_server_handle_timeout` does.
///
/// Errors: `SOCKEYE_HANDSHAKE_FAILED` when `handshake_timeout_ns` has passed since the
/// first call; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_handle_timeout(
    client: *mut sockeye_client,
    now_ns: u64,
    next_ns: *mut u64,
) -> sockeye_result {
    let body = |client: &mut sockeye_client| {
        // SAFETY: null, or can be written to.
        let next = unsafe { Place::new(next_ns) }?;
        let due = match &mut client.state {
            State::Waiting(waiting) => waiting.handle_timeout(instant(now_ns)),
            State::Failed(_) => return Err(SOCKEYE_HANDSHAKE_FAILED),
            State::Asking(..) | State::Answered => Ok(None),
        };
        match due {
            Ok(due) => {
                next.put(of_instant(due));
                Ok(SOCKEYE_OK)
            }
            Err(error) => Err(client.failed(error)),
        }
    };
    // SAFETY: null, or a client that nobody else uses.
    unsafe { enter_with(client, body) }
}

/// What was wrong with the reply, after `SOCKEYE_HANDSHAKE_FAILED`; else
/// `SOCKEYE_HANDSHAKE_NONE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_client_error(
    client: *const sockeye_client,
) -> sockeye_handshake_error {
    let none = sockeye_handshake_error::SOCKEYE_HANDSHAKE_NONE;
    let body = |client: &sockeye_client| match client.state {
        State::Failed(error) => sockeye_handshake_error::of_reply(error),
        _ => none,
    };
    // SAFETY: null, or a client that nobody else uses.
    unsafe { ask(client, none, body) }
}

impl sockeye_client {
    fn add(&mut self, add: impl FnOnce(ClientRequest) -> ClientRequest) -> boundary::Outcome {
        let State::Asking(request, _) = &mut self.state else { return Err(SOCKEYE_WRONG_STATE) };
        *request = checked(add(request.clone()), &self.config)?;
        Ok(SOCKEYE_OK)
    }

    /// # Safety
    ///
    /// Pointers are null or can be written to; `received` is there during the call.
    unsafe fn receive(
        &mut self,
        received: sockeye_bytes,
        is_all: bool,
        reply: *mut sockeye_reply,
        connection: *mut *mut sockeye_connection,
    ) -> boundary::Outcome {
        // SAFETY: null, or can be written to.
        let place = unsafe { Place::new(reply) }?;
        // SAFETY: null, or can be written to.
        let opened = unsafe { Place::for_object(connection) }?;
        // SAFETY: there for as long as the call.
        let received = unsafe { bytes(received) }?;
        let waiting = match &mut self.state {
            State::Waiting(waiting) => waiting,
            State::Failed(_) => return Err(SOCKEYE_HANDSHAKE_FAILED),
            State::Asking(..) | State::Answered => return Err(SOCKEYE_WRONG_STATE),
        };
        let came = match is_all {
            true => waiting.receive_eof(received).map(Some),
            false => waiting.receive(received),
        };
        match came {
            Ok(None) => return Ok(SOCKEYE_NEED_MORE),
            Err(error) => return Err(self.failed(error)),
            Ok(Some(Reply::Accepted(response))) => {
                place.put(sockeye_reply {
                    status: 101,
                    is_accepted: true,
                    is_complete: true,
                    head_len: response.head_len(),
                    headers: place_of(received, response.headers().iter()),
                    subprotocol: sockeye_bytes::of_some(response.subprotocol()),
                    body: sockeye_bytes::ABSENT,
                });
                opened.give(sockeye_connection::new(response.open()));
            }
            Ok(Some(Reply::Refused(refusal))) => {
                self.body = refusal.body().to_vec();
                place.put(sockeye_reply {
                    status: refusal.status(),
                    is_accepted: false,
                    is_complete: refusal.is_complete(),
                    head_len: 0,
                    headers: place_of(received, refusal.headers().iter()),
                    subprotocol: sockeye_bytes::ABSENT,
                    body: sockeye_bytes::of(&self.body),
                });
            }
        }
        self.state = State::Answered;
        Ok(SOCKEYE_OK)
    }

    fn failed(&mut self, error: ResponseError) -> sockeye_result {
        self.state = State::Failed(error);
        SOCKEYE_HANDSHAKE_FAILED
    }
}

/// A request without a mistake so far: the engine tells of one when it is used.
fn checked(request: ClientRequest, config: &Arc<Config>) -> Result<ClientRequest, sockeye_result> {
    let unused = Seed::from_bytes([0; SOCKEYE_SEED_LEN]);
    match Client::new(request.clone(), unused, config.clone()) {
        Ok(_) => Ok(request),
        Err(error) => Err(of_build(error, &mut 0)),
    }
}

/// # Safety
///
/// Null, or that many bytes.
pub(crate) unsafe fn seed_of(seed: *const u8) -> Option<[u8; SOCKEYE_SEED_LEN]> {
    // SAFETY: null, or that many bytes, of which no alignment is asked.
    unsafe { seed.cast::<[u8; SOCKEYE_SEED_LEN]>().as_ref() }.copied()
}
