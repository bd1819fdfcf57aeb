//! RFC 7692 in the opening handshake: the header lines of both ends, and the
//! connections that come of them.

#![cfg(feature = "deflate")]

mod common;

use std::sync::Arc;

use common::{Random, Told, any_cut, drain, sent_frames};
use sockeye::deflate::{Offer, Params, WindowBits};
use sockeye::handshake::ResponseError::{self, *};
use sockeye::handshake::{
    Accept, BuildError, Client, ClientRequest, Reply, RequestError, Server, accept_key,
};
use sockeye::{Config, Connection, DeflateConfig, FixedOutput, Input, Output, Seed};

const NAME: &str = "permessage-deflate";
const NO_CONTEXT: &str = "; server_no_context_takeover; client_no_context_takeover";
const SMALL: &str = "; server_max_window_bits=12; client_max_window_bits=12";

/// The defaults, but with these windows.
fn windows(server: u8, client: u8) -> Params {
    let bits = |bits| WindowBits::new(bits).unwrap();
    let (server_max_window_bits, client_max_window_bits) = (bits(server), bits(client));
    Params { server_max_window_bits, client_max_window_bits, ..Params::default() }
}

/// The same without contexts: the server's, the client's.
fn no_context(server: bool, client: bool, windows: Params) -> Params {
    Params { server_no_context_takeover: server, client_no_context_takeover: client, ..windows }
}

/// Ready for this, and compresses messages of any length.
fn config(params: &[Params]) -> Arc<Config> {
    let mut deflate = DeflateConfig::default();
    (deflate.params, deflate.min_len) = (params.to_vec(), 0);
    let mut config = Config::default();
    config.deflate = Some(deflate);
    Arc::new(config)
}

fn default() -> Arc<Config> {
    config(&[Params::default()])
}

/// Configs that agree to no compression.
fn plain() -> [Arc<Config>; 2] {
    [Arc::default(), config(&[])]
}

fn client(config: &Arc<Config>) -> Client {
    let request = ClientRequest::new(false, "example.com", 80, "/chat").header("X-After", "1");
    Client::new(request, Seed::from_bytes([7; 32]), config.clone()).unwrap()
}

fn written(client: &Client) -> String {
    let mut out = Vec::new();
    client.write_request(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// These values of extensions, each in a line of its own.
fn lines(extensions: &[&str]) -> String {
    extensions.iter().map(|value| format!("Sec-WebSocket-Extensions: {value}\r\n")).collect()
}

fn request(extensions: &[&str]) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat\r\n\r\n",
        lines(extensions)
    )
}

/// What a server replies to a request, and what it then holds.
fn serve(
    config: &Arc<Config>,
    accept: &Accept<'_>,
    extensions: &[&str],
) -> Result<(String, Option<Params>), RequestError> {
    let request = request(extensions);
    any_cut(request.len(), |cut| {
        let mut server = Server::new(config.clone());
        let mut end = 0;
        loop {
            end = (end + cut()).min(request.len());
            if let Some(request) = server.receive(&request.as_bytes()[..end])? {
                let mut out = Vec::new();
                let connection = request.accept(accept, &mut out).unwrap();
                return Ok((String::from_utf8(out).unwrap(), connection.deflate_params()));
            }
        }
    })
}

/// The head of a reply with these lines.
fn reply(accept: &str, lines: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    )
}

/// The reply of a server of ours to the request above.
fn replied(lines: &str) -> String {
    reply("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", lines)
}

/// What a client makes of a reply.
fn take(config: &Arc<Config>, extensions: &[&str]) -> Result<Option<Params>, ResponseError> {
    let sent = written(&client(config));
    let key = sent.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = String::from_utf8(accept_key(key.as_bytes()).to_vec()).unwrap();
    let reply = reply(&accept, &lines(extensions));
    any_cut(reply.len(), |cut| {
        let mut client = client(config);
        let mut end = 0;
        loop {
            end = (end + cut()).min(reply.len());
            match client.receive(&reply.as_bytes()[..end])? {
                None => {}
                Some(Reply::Accepted(response)) => {
                    let agreed = response.deflate_params();
                    assert_eq!(response.open().deflate_params(), agreed);
                    return Ok(agreed);
                }
                Some(Reply::Refused(refusal)) => panic!("{refusal:?}"),
            }
        }
    })
}

// ---- what is written -------------------------------------------------------------

#[test]
fn s5_offers_are_one_line_of_the_request() {
    // Before and behind the key.
    let head = |config: &Arc<Config>| {
        let head = written(&client(config));
        let (before, after) = head.split_once("Sec-WebSocket-Key: ").unwrap();
        (before.to_owned(), after[24..].to_owned())
    };
    let before = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
                  Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    for (config, extensions) in [
        (default(), "permessage-deflate; client_max_window_bits"),
        (
            config(&[no_context(true, true, windows(9, 10)), Params::default()]),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9; client_max_window_bits=10, \
             permessage-deflate; client_max_window_bits",
        ),
    ] {
        let after = format!("\r\nSec-WebSocket-Extensions: {extensions}\r\nX-After: 1\r\n\r\n");
        assert_eq!(head(&config), (before.into(), after));
    }
    for config in plain() {
        assert_eq!(head(&config), (before.into(), "\r\nX-After: 1\r\n\r\n".into()));
    }
}

#[test]
fn s5_the_agreement_is_one_line_of_the_reply() {
    let accept = Accept::new().subprotocol(Some("chat")).header("X-After", "1");
    let head = |extensions: &str| {
        replied(&format!("Sec-WebSocket-Protocol: chat\r\n{extensions}X-After: 1\r\n"))
    };
    let offer = "permessage-deflate; server_max_window_bits=9; client_max_window_bits";
    for (config, extensions, agreed) in [
        (default(), "; server_max_window_bits=9", windows(9, 15)),
        (
            config(&[no_context(true, true, windows(8, 11))]),
            "; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=8; client_max_window_bits=11",
            no_context(true, true, windows(8, 11)),
        ),
    ] {
        let head = head(&lines(&[&format!("{NAME}{extensions}")]));
        assert_eq!(serve(&config, &accept, &[offer]), Ok((head, Some(agreed))));
    }
    for config in plain() {
        assert_eq!(serve(&config, &accept, &[offer]), Ok((head(""), None)));
    }
    assert_eq!(serve(&default(), &accept, &[]), Ok((head(""), None)), "nobody asked");
    assert_eq!(serve(&default(), &accept, &["x, permessage-deflate; x"]), Ok((head(""), None)));
}

#[test]
fn s5_who_accepts_decides_about_compression() {
    let said = |config: &Arc<Config>, accept: Accept<'_>| {
        serve(config, &accept, &["permessage-deflate; client_max_window_bits"]).unwrap()
    };
    let none = (replied(""), None);
    let some = |params: Params| (replied(&lines(&[&params.to_string()])), Some(params));
    assert_eq!(said(&default(), Accept::new()), some(Params::default()));
    assert_eq!(said(&default(), Accept::new().without_deflate()), none);
    // Another config than the server's, also for a server that had none.
    let other = config(&[windows(10, 11)]);
    for config in plain().into_iter().chain([default()]) {
        let accept = Accept::new().config(other.clone());
        assert_eq!(said(&config, accept.clone()), some(windows(10, 11)));
        assert_eq!(said(&config, accept.without_deflate()), none);
        assert_eq!(said(&default(), Accept::new().config(Arc::default())), none);
        assert_eq!(said(&default(), Accept::new().config(self::config(&[]))), none);
    }
}

#[test]
fn s5_1_several_lines_are_one_list() {
    let limited = config(&[windows(15, 10)]);
    let offers = ["x-webkit-deflate-frame, permessage-deflate", "", "permessage-deflate; x", NAME];
    let said = |config: &Arc<Config>, last: &str| {
        serve(config, &Accept::new(), &[&offers[..], &[last]].concat()).unwrap().1
    };
    let last = "permessage-deflate; client_max_window_bits=12";
    assert_eq!(said(&default(), last), Some(Params::default()));
    assert_eq!((said(&limited, last), said(&limited, NAME)), (Some(windows(15, 10)), None));
}

#[test]
fn s7_1_a_request_says_what_is_offered() {
    let parsed = |element: &str| {
        let request = request(&[element]);
        let mut server = Server::new(Arc::default());
        let request = server.receive(request.as_bytes()).unwrap().unwrap();
        Offer::parse(&request.extensions().next().unwrap())
    };
    for params in [Params::default(), no_context(true, true, windows(8, 9)), windows(15, 14)] {
        let offer = Offer::new(&params);
        assert_eq!(parsed(&offer.to_string()), Some(offer));
        let offer = Offer { client_max_window_bits: None, ..offer };
        assert_eq!(parsed(&offer.to_string()), Some(offer));
    }
    for declined in ["permessage-deflate; server_max_window_bits", "permessage-deflate; x", "x"] {
        assert_eq!(parsed(declined), None, "{declined}");
    }
}

#[test]
fn s4_2_2_a_full_output_can_be_tried_again() {
    let expected = replied(&lines(&["permessage-deflate; server_max_window_bits=9"]));
    let (config, received) = (config(&[windows(9, 15)]), request(&[NAME]));
    let mut server = Server::new(config.clone());
    let request = server.receive(received.as_bytes()).unwrap().unwrap();
    let mut memory = vec![0; expected.len()];
    let mut out = FixedOutput::new(&mut memory);
    out.append(b"x");
    for _ in 0..2 {
        match request.accept(&Accept::new(), &mut out) {
            Err(BuildError::OutputFull { needed, .. }) => assert_eq!(needed, expected.len()),
            other => panic!("{other:?}"),
        }
        assert_eq!(out.filled(), b"x");
    }
    out.clear();
    let connection = request.accept(&Accept::new(), &mut out).unwrap();
    assert_eq!(out.filled(), expected.as_bytes());
    assert_eq!(connection.deflate_params(), Some(windows(9, 15)));
    let client = client(&config);
    let mut memory = vec![0; written(&client).len() - 1];
    let mut out = FixedOutput::new(&mut memory);
    assert!(matches!(client.write_request(&mut out), Err(BuildError::OutputFull { .. })));
    assert_eq!(out.filled(), b"");
}

// ---- what is wrong ---------------------------------------------------------------

#[test]
fn s5_1_a_client_that_offers_nothing_takes_nothing() {
    for config in plain() {
        for extensions in [NAME, "permessage-deflate; x", "x", "x, permessage-deflate", "x="] {
            assert_eq!(take(&config, &[extensions]), Err(ExtensionNotOffered), "{extensions}");
        }
        assert_eq!(take(&config, &["", NAME]), Err(ExtensionNotOffered));
        assert_eq!((take(&config, &[]), take(&config, &[""])), (Ok(None), Ok(None)));
    }
}

#[test]
fn s7_1_a_client_fails_on_what_answers_no_offer() {
    for extensions in [
        "permessage-deflate; x",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=016",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ] {
        assert_eq!(take(&default(), &[extensions]), Err(ExtensionParameters), "{extensions}");
    }
    for extensions in ["x", "permessage-deflate, x", "permessage-deflate, permessage-deflate"] {
        assert_eq!(take(&default(), &[extensions]), Err(ExtensionNotOffered), "{extensions}");
    }
    assert_eq!(take(&default(), &[NAME, NAME]), Err(ExtensionNotOffered), "twice");
    let strict = config(&[no_context(true, false, windows(10, 15))]);
    for parameters in ["; server_no_context_takeover", "; server_max_window_bits=10", ""] {
        let reply = format!("{NAME}{parameters}");
        assert_eq!(take(&strict, &[&reply]), Err(ExtensionParameters), "{reply}");
    }
    let both = "permessage-deflate; server_max_window_bits=9; server_no_context_takeover";
    assert_eq!(take(&strict, &[both]), Ok(Some(no_context(true, false, windows(9, 15)))));
    assert_eq!(take(&strict, &[]), Ok(None), "to decline is legal");
}

#[test]
fn s5_1_what_is_no_list_is_refused_and_fails_a_client() {
    for wrong in [
        ";",
        "permessage-deflate;",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; server_max_window_bits=\"8",
        "permessage-deflate; server_max_window_bits=\" 8\"",
        "permessage-deflate; server_max_window_bits=8 9",
        "permessage-deflate; server_max_window_bits=8=8",
        "permessage-deflate client_no_context_takeover",
        "\"permessage-deflate\"",
        "permessage-deflate\u{e9}",
    ] {
        let one_line = format!("{NAME}, {wrong}");
        for extensions in [&[wrong][..], &[NAME, wrong], &[wrong, NAME], &[&one_line]] {
            let refused = serve(&default(), &Accept::new(), extensions);
            assert_eq!(refused, Err(RequestError::ExtensionInvalid), "{wrong}");
            assert_eq!(take(&default(), extensions), Err(ExtensionNotOffered), "{wrong}");
        }
    }
}

// ---- who is there ----------------------------------------------------------------

#[test]
fn s5_1_clients_in_use_get_their_answers() {
    // Nothing is limited; no contexts are kept; both windows have to be of 12
    // bits; the client's only should be.
    let (small, other) = (windows(12, 12), windows(12, 15));
    let stateless = no_context(true, true, Params::default());
    let servers = [&[Params::default()][..], &[stateless], &[small], &[small, other]].map(config);
    const MAX: &str = "; server_max_window_bits=15";
    let stateless_max = format!("{NO_CONTEXT}{MAX}");
    const FREE: [Option<&str>; 4] = [Some(""), Some(NO_CONTEXT), Some(SMALL), Some(SMALL)];
    for (offer, answers) in [
        // Chromium, net/websockets/websocket_handshake_stream_create_helper.cc;
        // and by default ws for Node (lib/permessage-deflate.js), websockets
        // for Python (enable_client_permessage_deflate) and ClientWebSocket of
        // .NET (WebSocketHandle.Managed.cs, GetDeflateOptions).
        ("permessage-deflate; client_max_window_bits", FREE),
        // Netty, WebSocketClientCompressionHandler and WebSocketExtensionUtil.
        ("permessage-deflate;client_max_window_bits,deflate-frame,x-webkit-deflate-frame", FREE),
        // Firefox, netwerk/protocol/websocket/WebSocketChannel.cpp; Safari from
        // 15 on (sta/websocket-sharp issue 666); OkHttp, RealWebSocket.kt.
        (NAME, [Some(""), Some(NO_CONTEXT), None, Some("; server_max_window_bits=12")]),
        // Safari up to 14 (the same issue, and websockets/ws issue 940).
        ("x-webkit-deflate-frame", [None; 4]),
        // ws, and then .NET, with all options set.
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=11",
            [Some("; server_max_window_bits=10; client_max_window_bits=11"); 4],
        ),
        (
            "permessage-deflate; client_max_window_bits=10; client_no_context_takeover; \
             server_max_window_bits=11; server_no_context_takeover",
            [Some("; server_max_window_bits=11; client_max_window_bits=10"); 4],
        ),
        // gorilla/websocket, client.go.
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            [Some(""), Some(""), None, Some("; server_max_window_bits=12")],
        ),
        // Boost.Beast, detail/pmd_extension.ipp: says 15 too, which is confirmed.
        (
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
            [Some(MAX), Some(&stateless_max), Some(SMALL), Some(SMALL)],
        ),
    ] {
        // Where the client asks for no contexts, all answers grant that.
        let asked = if offer.contains("no_context") { NO_CONTEXT } else { "" };
        for (server, expected) in servers.iter().zip(answers) {
            let expected = expected.map(|said| lines(&[&format!("{NAME}{asked}{said}")]));
            let (head, _) = serve(server, &Accept::new(), &[offer]).unwrap();
            assert_eq!(head, replied(&expected.unwrap_or_default()), "{offer}");
        }
    }
}

// ---- what comes of it ------------------------------------------------------------

#[cfg(feature = "http")]
#[test]
fn s5_a_request_value_is_answered_as_its_bytes_would_be() {
    let ask = |config: Arc<Config>, accept: Accept<'static>, extensions: &[&str]| {
        let mut request = http::Request::get("/")
            .header("Host", "example.com")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Version", "13");
        for value in extensions {
            request = request.header("Sec-WebSocket-Extensions", *value);
        }
        let request = request.body(()).unwrap();
        let (reply, connection) = sockeye::handshake::upgrade(&request, config, |_| accept.into());
        let said = reply.headers().get_all("Sec-WebSocket-Extensions").iter();
        let said: Vec<_> = said.map(|value| value.to_str().unwrap().to_owned()).collect();
        (
            reply.status().as_u16(),
            said,
            connection.and_then(|connection| connection.deflate_params()),
        )
    };
    let offers = ["x", "permessage-deflate; server_max_window_bits=9"];
    let agreed = windows(9, 15);
    let some = (101, vec![agreed.to_string()], Some(agreed));
    let none = || (101, vec![], None);
    assert_eq!(ask(default(), Accept::new(), &offers), some);
    assert_eq!(ask(Arc::default(), Accept::new().config(default()), &offers), some);
    assert_eq!(ask(default(), Accept::new().without_deflate(), &offers), none());
    assert_eq!(ask(default(), Accept::new(), &[]), none());
    for config in plain() {
        assert_eq!(ask(config, Accept::new(), &offers), none());
    }
    assert_eq!(ask(default(), Accept::new(), &[NAME, "x;"]), (400, vec![], None));
}

/// The two ends of a connection: the client, the server.
fn connect(client_config: &Arc<Config>, server_config: &Arc<Config>) -> [Connection; 2] {
    let mut client = client(client_config);
    let request = written(&client);
    let mut server = Server::new(server_config.clone());
    let request = server.receive(request.as_bytes()).unwrap().unwrap();
    let mut reply = Vec::new();
    let server = request.accept(&Accept::new(), &mut reply).unwrap();
    match client.receive(&reply).unwrap() {
        Some(Reply::Accepted(response)) => {
            assert_eq!(response.deflate_params(), server.deflate_params());
            [response.open(), server]
        }
        other => panic!("{other:?}"),
    }
}

/// Sends a message. Gives its length on the wire, if it was compressed.
fn carry(from: &mut Connection, to: &mut Connection, message: &[u8]) -> Option<usize> {
    let mut bytes = Vec::new();
    from.send_binary(message, &mut bytes).unwrap();
    let frames = sent_frames(&bytes, to.is_server());
    let (mut told, mut scratch, mut start) = (Vec::new(), [0; 1000], 0);
    loop {
        let mut input = Input::with_scratch(&mut bytes[start..], &mut scratch);
        drain(to, &mut input, &mut Vec::new(), &mut told);
        let left = input.len();
        start = bytes.len() - left;
        if !to.wants_scratch() {
            break;
        }
    }
    assert!(told == [Told::Binary(message.to_vec())], "{:?}", to.deflate_params());
    assert_eq!(frames.len(), 1);
    (frames[0].0 == 0xC2).then_some(frames[0].1.len())
}

/// RFC 6455, section 9.1: an offer is no leave to use what it offers.
#[test]
fn s5_what_was_declined_is_not_used() {
    for server_config in plain() {
        let [mut client, mut server] = connect(&default(), &server_config);
        assert_eq!((client.deflate_params(), server.deflate_params()), (None, None));
        assert_eq!(carry(&mut client, &mut server, &[b'x'; 1000]), None);
        // Nor is it taken from the other end.
        let mut compressed = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec();
        let mut told = Vec::new();
        drain(&mut client, &mut Input::new(&mut compressed), &mut Vec::new(), &mut told);
        assert_eq!(told, [Told::Failed(sockeye::ProtocolError::ReservedBits)]);
    }
}

#[test]
fn s7_2_messages_are_carried_both_ways_as_agreed() {
    let random = |len| Random(9).bytes(len);
    // What is within reach of a window of 12 bits, and of no smaller one; and
    // what is only if a context is kept.
    let (far, near) = ([random(3000), random(3000)].concat(), random(100));
    let mut ends = vec![Params::default(), windows(8, 15), windows(15, 8), windows(9, 9)];
    ends.extend([windows(11, 12), windows(12, 11)]);
    let contexts = [(false, false), (false, true), (true, false), (true, true)];
    for wanted in ends.into_iter().flat_map(|w| contexts.map(|(s, c)| no_context(s, c, w))) {
        // Whichever end it is that wants it.
        for (a, b) in [(wanted, Params::default()), (Params::default(), wanted)] {
            let [mut client, mut server] = connect(&config(&[a]), &config(&[b]));
            assert_eq!(
                (client.deflate_params(), server.deflate_params()),
                (Some(wanted), Some(wanted))
            );
            let bits = [wanted.client_max_window_bits, wanted.server_max_window_bits];
            let resets = [wanted.client_no_context_takeover, wanted.server_no_context_takeover];
            for (i, (bits, resets)) in bits.into_iter().zip(resets).enumerate() {
                let mut send = |message: &[u8]| match i {
                    0 => carry(&mut client, &mut server, message),
                    _ => carry(&mut server, &mut client, message),
                };
                // zlib has no window of 8 bits.
                let is_possible = bits.get() > 8;
                assert_eq!(send(&[b'x'; 1000]).is_some_and(|len| len < 100), is_possible);
                let is_reached = bits.get() >= 12;
                assert_eq!(send(&far).is_some_and(|len| len < 3500), is_reached, "{wanted}");
                send(&near);
                let is_known = is_possible && !resets;
                assert_eq!(send(&near).is_some_and(|len| len < 50), is_known, "{wanted}");
            }
        }
    }
    for [mut client, mut server] in plain().map(|config| connect(&config, &default())) {
        assert_eq!((client.deflate_params(), server.deflate_params()), (None, None));
        assert_eq!(carry(&mut client, &mut server, &far), None);
        assert_eq!(carry(&mut server, &mut client, &far), None);
    }
}
