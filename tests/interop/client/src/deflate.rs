//! The cases with compression. What we send is judged by the frames that came
//! to the peer, with their lengths on the wire.

mod outcome;
mod talk;

use std::sync::Arc;

use sockeye::deflate::{DeflateConfig, Params};
use sockeye::handshake::ResponseError;
use sockeye::net::{Endpoint, Error};
use sockeye::{Cause, CloseFrame, Config, ProtocolError};

pub use self::outcome::Library;
use self::outcome::{Demand, Outcome as Expected};
use self::talk::{Talk, lines};
use crate::Suite;
use crate::peer::{Outcome, Peer, same, same_message};

/// RFC 7692, sections 7.2.3.1 to 7.2.3.5; the second refers to the first.
const HELLO: &str = "c107f248cdc9c90700";
const HELLO_AGAIN: &str = "c105f200110000";
const HELLO_STORED: &str = "c10b000500faff48656c6c6f00";
const HELLO_FINAL: &str = "c108f348cdc9c9070000";
const HELLO_IN_TWO: &str = "c10df24805000000ffffcac9c90700";

/// Frames, and what we have to find wrong with them.
const VIOLATIONS: [(&str, &str, ProtocolError); 8] = [
    ("no DEFLATE", "c103070707", ProtocolError::CompressedDataInvalid),
    ("a reference to before the beginning", HELLO_AGAIN, ProtocolError::CompressedDataInvalid),
    ("cut short", "c104f248cdc9", ProtocolError::CompressedDataInvalid),
    ("cut short in fragments", "4102f248 8002cdc9", ProtocolError::CompressedDataInvalid),
    ("no UTF-8", "c107000100feffff00", ProtocolError::TextNotUtf8),
    ("RSV1 in a continuation", "4102f248 c005cdc9c90700", ProtocolError::ReservedBits),
    ("RSV1 in a Ping", "c900", ProtocolError::ReservedBits),
    ("RSV2", "a107f248cdc9c90700", ProtocolError::ReservedBits),
];

/// What we offer, what the server makes of it, and what we have to say to that.
const INVALID_REPLIES: [(&str, Option<&str>, &str, ResponseError); 13] = [
    ("compression", None, "permessage-deflate", ResponseError::ExtensionNotOffered),
    ("another extension", Some(""), "x-shorter", ResponseError::ExtensionNotOffered),
    (
        "another extension as well",
        Some(""),
        "permessage-deflate, x-shorter",
        ResponseError::ExtensionNotOffered,
    ),
    (
        "compression twice",
        Some(""),
        "permessage-deflate, permessage-deflate",
        ResponseError::ExtensionNotOffered,
    ),
    (
        "a larger window of the server",
        Some("server_max_window_bits=10"),
        "permessage-deflate; server_max_window_bits=11",
        ResponseError::ExtensionParameters,
    ),
    (
        "any window of the server",
        Some("server_max_window_bits=10"),
        "permessage-deflate",
        ResponseError::ExtensionParameters,
    ),
    (
        "a larger window of the client",
        Some("client_max_window_bits=10"),
        "permessage-deflate; client_max_window_bits=11",
        ResponseError::ExtensionParameters,
    ),
    (
        "a window of the client without a value",
        Some(""),
        "permessage-deflate; client_max_window_bits",
        ResponseError::ExtensionParameters,
    ),
    (
        "a window of 7 bits",
        Some(""),
        "permessage-deflate; server_max_window_bits=7",
        ResponseError::ExtensionParameters,
    ),
    (
        "a window of 16 bits",
        Some(""),
        "permessage-deflate; client_max_window_bits=16",
        ResponseError::ExtensionParameters,
    ),
    (
        "context takeover of the server",
        Some("server_no_context_takeover"),
        "permessage-deflate",
        ResponseError::ExtensionParameters,
    ),
    (
        "a parameter twice",
        Some(""),
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ResponseError::ExtensionParameters,
    ),
    (
        "an unknown parameter",
        Some(""),
        "permessage-deflate; level=9",
        ResponseError::ExtensionParameters,
    ),
];

const LIMIT: u64 = 1 << 20;

/// The cases for what the client is to offer, and the server to demand.
pub fn run(suite: &mut Suite<'_>, library: Library, offers: &[String], demands: &[String]) {
    let free = Demand::new("");
    let name_of =
        |written: &str| String::from(if written.is_empty() { "nothing" } else { written });
    for offer in offers {
        let (name, offer) = (format!("offered by us, {}", name_of(offer)), params(offer));
        suite.case(&name, |peer| agree(peer, library, offer, &free, 1));
        let name = format!("{name}, in fragments");
        suite.case(&name, |peer| agree(peer, library, offer, &free, 3));
    }
    let narrow = params("server_max_window_bits=12; client_max_window_bits=12");
    for demand in demands {
        let name = format!("demanded by the peer, {}", name_of(demand));
        let demand = Demand::new(demand);
        suite.case(&name, |peer| agree(peer, library, params(""), &demand, 1));
        let name = format!("{name}, in fragments and of a window of 12 bits");
        suite.case(&name, |peer| agree(peer, library, narrow, &demand, 3));
    }
    suite.case("two offers", |peer| two_offers(peer, library));

    for (name, offer, reply, error) in INVALID_REPLIES {
        let name = format!("reply of the peer that answers no offer, {name}");
        suite.case(&name, |peer| invalid_reply(peer, offer, reply, error));
    }

    for (name, frame) in [
        ("without compression", HELLO_STORED),
        ("with BFINAL", HELLO_FINAL),
        ("in two blocks", HELLO_IN_TWO),
    ] {
        suite.case(&format!("message {name}"), |peer| hello(peer, &[frame]));
    }
    for (name, frames, error) in VIOLATIONS {
        suite.case(&format!("violation, {name}"), |peer| {
            let raw = [("raw", &*frames.replace(' ', ""))];
            violation(peer, offering_written(Some("")), &raw, 0, error)
        });
    }
    suite.case("message that refers to the one before", |peer| hello(peer, &[HELLO, HELLO_AGAIN]));
    let twice = format!("{HELLO}{HELLO_AGAIN}");
    let name = "violation, a message that refers to the one before, without context takeover";
    suite.case(name, |peer| {
        let alone = offering_written(Some("server_no_context_takeover"));
        violation(peer, alone, &[("raw", &twice)], 1, ProtocolError::CompressedDataInvalid)
    });
    suite.case("violation, RSV1 without compression", |peer| {
        let raw = [("raw", HELLO)];
        violation(peer, offering_written(None), &raw, 0, ProtocolError::ReservedBits)
    });
    suite.case("message as long as may be", longest);
    for (name, len) in [("64 MiB of zeros", 64 << 20), ("a byte more than may be", LIMIT + 1)] {
        suite.case(&format!("violation, {name}"), |peer| {
            let zeros = [("zeros", &*len.to_string())];
            violation(peer, limited(), &zeros, 0, ProtocolError::MessageTooLong)
        });
    }
    suite.case("violation, a message that grows too much", grows_too_much);
}

/// As written, without the name.
fn params(written: &str) -> Params {
    let separator = if written.is_empty() { "" } else { "; " };
    let element = format!("permessage-deflate{separator}{written}");
    element.parse().unwrap_or_else(|error| panic!("{element}: {error}"))
}

fn offering(offers: Vec<Params>) -> Config {
    let mut deflate = DeflateConfig::default();
    deflate.params = offers;
    let mut config = Config::default();
    config.deflate = Some(deflate);
    config
}

/// Offers none for `None`.
fn offering_written(offer: Option<&str>) -> Config {
    offer.map_or_else(Config::default, |offer| offering(vec![params(offer)]))
}

/// Takes messages of [`LIMIT`] bytes.
fn limited() -> Config {
    let mut config = offering_written(Some(""));
    config.max_message_len = LIMIT;
    config
}

fn endpoint(
    peer: &Peer<'_>,
    query: &[(&str, &str)],
    config: Config,
) -> Result<Endpoint, Box<dyn std::error::Error>> {
    Ok(peer.endpoint(query)?.config(Arc::new(config)))
}

fn agree(
    peer: &Peer<'_>,
    library: Library,
    offer: Params,
    demand: &Demand<'_>,
    pieces: usize,
) -> Outcome {
    connect(peer, offering(vec![offer]), demand, pieces, outcome::of(library, &offer, demand))
}

fn two_offers(peer: &Peer<'_>, library: Library) -> Outcome {
    let (first, second) = (params("server_max_window_bits=8"), params("server_max_window_bits=10"));
    let demand = Demand::new("");
    let expected = match outcome::of(library, &first, &demand) {
        Expected::Agreed(params) => Expected::Agreed(params),
        _ => outcome::of(library, &second, &demand),
    };
    connect(peer, offering(vec![first, second]), &demand, 1, expected)
}

/// Opens a connection, checks what was agreed on, and talks; the peer sends in
/// so many fragments.
fn connect(
    peer: &Peer<'_>,
    config: Config,
    demand: &Demand<'_>,
    pieces: usize,
    expected: Expected,
) -> Outcome {
    let key = peer.key();
    let offered = config.deflate.as_ref().map(|config| config.offers().to_string());
    let fragments = pieces.to_string();
    let mut query = vec![("record", &*key), ("deflate", demand.written), ("plain", "")];
    if pieces > 1 {
        query.push(("fragment", &fragments));
    }
    let endpoint = endpoint(peer, &query, config)?;
    let agreed = match expected {
        Expected::Agreed(params) => Some(params),
        Expected::Declined => None,
        Expected::Refused(status) => {
            return match peer.open(endpoint) {
                Err(Error::Refused(refused)) => same(&refused.status(), &status, "status"),
                Err(error) => Err(error.into()),
                Ok(_) => Err("not refused".into()),
            };
        }
    };
    let mut wanted = Vec::new();
    let report = peer.talk(endpoint, &key, |ws| {
        same(&ws.connection().deflate_params(), &agreed, "agreed on")?;
        let mut talk = Talk::new(ws, agreed);
        talk.run(pieces)?;
        wanted = talk.into_wanted();
        Ok(())
    })?;
    report.check_deflate(&offered.unwrap_or_default(), agreed)?;
    talk::check_frames(&report, &wanted)?;
    let (sent, echoed) = (report.get("sent")?.parse::<usize>()?, talk::sum(&wanted));
    if agreed.is_some() && sent > echoed / 2 {
        return Err(format!("the peer sent {sent} bytes for {echoed}").into());
    }
    Ok(())
}

fn invalid_reply(
    peer: &Peer<'_>,
    offer: Option<&str>,
    reply: &str,
    error: ResponseError,
) -> Outcome {
    match peer.open(endpoint(peer, &[("extensions", reply)], offering_written(offer))?) {
        Err(Error::Response(found)) => same(&found, &error, "error"),
        Err(error) => Err(error.into()),
        Ok(_) => Err("connected".into()),
    }
}

fn hello(peer: &Peer<'_>, frames: &[&str]) -> Outcome {
    let key = peer.key();
    let raw = frames.concat();
    let query = [("record", &*key), ("raw", &raw)];
    let report = peer.talk(endpoint(peer, &query, offering_written(Some("")))?, &key, |ws| {
        for _ in frames {
            same_message(ws.read()?, &"Hello".into(), "message")?;
        }
        Ok(())
    })?;
    report.check_frames(&[])
}

/// The peer sends what is wrong as soon as the connection is open, behind so
/// many messages.
fn violation(
    peer: &Peer<'_>,
    config: Config,
    wishes: &[(&str, &str)],
    before: usize,
    error: ProtocolError,
) -> Outcome {
    let key = peer.key();
    let query = [wishes, &[("record", &*key)]].concat();
    let mut ws = peer.open(endpoint(peer, &query, config)?)?;
    for _ in 0..before {
        same_message(ws.read()?, &"Hello".into(), "message")?;
    }
    match ws.read() {
        Err(Error::Protocol(found)) => same(&found, &error, "error")?,
        Err(error) => return Err(error.into()),
        Ok(message) => return Err(format!("no error but {message:?}").into()),
    }
    let closed = ws.closed().ok_or("still open")?;
    same(&closed.cause(), &Cause::Protocol(error), "cause")?;
    same(&closed.sent().and_then(CloseFrame::code), &Some(error.close_code()), "code")?;
    drop(ws);
    let code = error.close_code().get().to_string();
    same(peer.report(&key)?.get("code")?, &*code, "code that the peer saw")
}

fn longest(peer: &Peer<'_>) -> Outcome {
    let key = peer.key();
    let query = [("record", &*key), ("zeros", &LIMIT.to_string())];
    let config = limited();
    let len = usize::try_from(LIMIT)?;
    peer.talk(endpoint(peer, &query, config)?, &key, |ws| {
        same_message(ws.read()?, &vec![0; len].into(), "message")?;
        let message = lines(len);
        ws.send((&message).into())?;
        same_message(ws.read()?, &message, "echo")
    })?;
    Ok(())
}

fn grows_too_much(peer: &Peer<'_>) -> Outcome {
    let mut config = offering_written(Some(""));
    if let Some(deflate) = &mut config.deflate {
        deflate.max_ratio = Some(100);
    }
    let zeros = [("zeros", &*LIMIT.to_string())];
    violation(peer, config, &zeros, 0, ProtocolError::CompressionRatioTooHigh)
}
