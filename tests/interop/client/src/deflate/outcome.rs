//! What a handshake comes to, by the RFC and by what the libraries cannot do.

use sockeye::deflate::Params;

/// The peer.
#[derive(Clone, Copy, PartialEq)]
pub enum Library {
    /// Has no compressor for a window of 8 bits: declines an offer that asks
    /// for it, and cannot be set to it either. Every other demand it narrows
    /// to what is offered.
    Websockets,
    /// Is no smaller than what it is set to: refuses an offer of less. With 8
    /// bits it has zlib compress in a window of 9, which does not refer back
    /// further than 250 bytes; that is within 256.
    Ws,
}

impl Library {
    /// By the name of the peer.
    pub fn by_peer(name: &str) -> Option<Self> {
        match name {
            "python" => Some(Self::Websockets),
            "node" => Some(Self::Ws),
            _ => None,
        }
    }
}

/// What the peer's server is set to.
pub struct Demand<'d> {
    pub written: &'d str,
    params: Params,
    server_window: Option<u8>,
    client_window: Option<u8>,
}

impl<'d> Demand<'d> {
    pub fn new(written: &'d str) -> Self {
        let params = super::params(written);
        let is_set = |name: &str| written.contains(name);
        let server = params.server_max_window_bits.get();
        let client = params.client_max_window_bits.get();
        Self {
            written,
            params,
            server_window: is_set("server_max_window_bits").then_some(server),
            client_window: is_set("client_max_window_bits").then_some(client),
        }
    }
}

pub enum Outcome {
    /// Both sides compress like this.
    Agreed(Params),
    /// A connection without compression.
    Declined,
    /// No connection, but this status.
    Refused(u16),
}

/// What comes of our offer.
pub fn of(library: Library, offer: &Params, demand: &Demand<'_>) -> Outcome {
    let limits = &demand.params;
    let server = offer.server_max_window_bits.min(limits.server_max_window_bits);
    let client = offer.client_max_window_bits.min(limits.client_max_window_bits);
    match library {
        // `peer.py` says 501 for what the library cannot be set to.
        Library::Websockets if demand.server_window == Some(8) => return Outcome::Refused(501),
        Library::Websockets if server.get() == 8 => return Outcome::Declined,
        Library::Websockets => {}
        Library::Ws => {
            // A window of 15 bits is not in our offers.
            let exceeds = |demand: Option<u8>, offered: u8| {
                offered < 15 && demand.is_some_and(|demand| demand > offered)
            };
            if exceeds(demand.server_window, offer.server_max_window_bits.get())
                || exceeds(demand.client_window, offer.client_max_window_bits.get())
            {
                return Outcome::Refused(400);
            }
        }
    }
    Outcome::Agreed(Params {
        server_no_context_takeover: offer.server_no_context_takeover
            || limits.server_no_context_takeover,
        client_no_context_takeover: offer.client_no_context_takeover
            || limits.client_no_context_takeover,
        server_max_window_bits: server,
        client_max_window_bits: client,
    })
}
