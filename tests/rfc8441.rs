//! RFC 8441 and RFC 9220, both ends: the setting, what goes over the stream once
//! it is open, and how it ends. The rules that engines get wrong have their
//! numbers in their names.

mod common;

use std::sync::Arc;

use common::*;
use sockeye::handshake::extended::{
    self, Client, Outcome, Request, RequestError, Settings, SettingsError,
};
use sockeye::handshake::{Accept, BuildError, ClientRequest, accept_key};
use sockeye::{Cause, CloseCode, Config, Connection, Input, Seed};

fn client() -> Client {
    let request = ClientRequest::new(false, "localhost", 80, "/chat").subprotocol("chat");
    Client::new(request, Seed::from_bytes([7; 32]), Arc::new(Config::default())).unwrap()
}

/// As what came out of HPACK.
fn decoded(fields: &[(String, String)]) -> Vec<(&str, &[u8])> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// Both ends of a connection, as they come out of the handshake.
fn opened() -> (Connection, Connection) {
    let mut client = client();
    let fields = client.fields(&Settings::enabled(true)).unwrap();
    let section = decoded(&fields);
    let request = Request::parse(&section, Arc::default()).unwrap();
    let accept = Accept::new().subprotocol(request.subprotocols().next());
    let (reply, server) = request.accept(&accept).unwrap();
    let section: Vec<_> = reply.fields().map(|(n, v)| (n, v.as_bytes())).collect();
    let outcome = client.receive(reply.status(), &section).unwrap();
    let Some(Outcome::Accepted(response)) = outcome else { panic!("{outcome:?}") };
    (response.open(), server)
}

// ---- SETTINGS (section 3) ----------------------------------------------------------

#[test]
fn rule_92_s3_nothing_is_asked_before_the_setting_is_1() {
    let client = client();
    let mut settings = Settings::new();
    let asked = |settings: &Settings| client.fields(settings).map(|_| ());
    assert_eq!(asked(&settings), Err(BuildError::ExtendedConnectDisabled));
    settings.receive(extended::ENABLE_CONNECT_PROTOCOL, 0).unwrap();
    settings.receive(0x3, 1).unwrap();
    assert_eq!(asked(&settings), Err(BuildError::ExtendedConnectDisabled));
    settings.receive(extended::ENABLE_CONNECT_PROTOCOL, 1).unwrap();
    assert!(settings.is_enabled());
    assert_eq!(asked(&settings), Ok(()));
    assert_eq!(asked(&Settings::enabled(false)), Err(BuildError::ExtendedConnectDisabled));
}

#[test]
fn rule_92_s3_the_setting_is_0_or_1_and_never_goes_back_to_0() {
    const ID: u64 = extended::ENABLE_CONNECT_PROTOCOL;
    for (values, last) in [
        (&[0, 0, 1, 1][..], Ok(())),
        (&[1, 0], Err(SettingsError::Withdrawn)),
        (&[0, 1, 1, 0], Err(SettingsError::Withdrawn)),
        (&[2], Err(SettingsError::InvalidValue)),
        (&[1, u64::MAX], Err(SettingsError::InvalidValue)),
        (&[1, 1 << 32], Err(SettingsError::InvalidValue)),
    ] {
        let mut settings = Settings::new();
        let (end, before) = values.split_last().unwrap();
        for value in before {
            settings.receive(ID, *value).unwrap();
            settings.receive(0x2, 0).unwrap();
        }
        let enabled = settings.is_enabled();
        assert_eq!(settings.receive(ID, *end), last, "{values:?}");
        assert_eq!(settings.is_enabled(), enabled || last.is_ok(), "an error changes nothing");
    }
    let (withdrawn, invalid) = (SettingsError::Withdrawn, SettingsError::InvalidValue);
    assert!(withdrawn.to_string().ends_with("back to 0"));
    assert!(invalid.to_string().ends_with("neither 0 nor 1"));
    // That of the session before, in 0-RTT (RFC 9114, section 7.2.4.2).
    assert_eq!(Settings::enabled(true).receive(ID, 0), Err(SettingsError::Withdrawn));
}

#[test]
fn rule_97_rfc9220_s3_the_setting_is_0x08_and_an_unknown_protocol_gets_501() {
    assert_eq!(extended::ENABLE_CONNECT_PROTOCOL, 0x08);
    let mut fields = client().fields(&Settings::enabled(true)).unwrap();
    assert_eq!(fields[1], (":protocol".into(), "websocket".into()));
    fields[1].1 = "connect-udp".into();
    let error = Request::parse(&decoded(&fields), Arc::default()).unwrap_err();
    assert_eq!((error, error.is_malformed()), (RequestError::ProtocolUnsupported, false));
    assert_eq!(error.reply().status(), 501);
}

// ---- the request and the reply (sections 4 and 5) ------------------------------------

#[test]
fn rule_93_s4_s5_what_our_client_asks_our_server_takes() {
    let (client, server) = opened();
    assert_eq!((client.subprotocol(), server.subprotocol()), (Some("chat"), Some("chat")));
    assert!(client.is_open() && server.is_open() && server.is_server() && !client.is_server());
}

#[test]
fn rule_94_s5_success_is_a_200_without_proof_and_not_a_101() {
    let fields = client().fields(&Settings::enabled(true)).unwrap();
    let section = decoded(&fields);
    let (reply, _) =
        Request::parse(&section, Arc::default()).unwrap().accept(&Accept::new()).unwrap();
    assert_eq!((reply.status(), reply.fields().count(), reply.body()), (200, 0, ""));
    // What opens a connection of HTTP/1.1 opens none here, and the other way
    // round no proof is asked for.
    let proof = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
    let proof = [("sec-websocket-accept", &proof[..])];
    assert!(client().receive(101, &proof).is_err());
    assert!(matches!(client().receive(200, &[]), Ok(Some(Outcome::Accepted(_)))));
}

// ---- the stream (section 5) ------------------------------------------------------------

#[test]
fn rule_95_s5_masking_stays_in_force() {
    let (mut client, mut server) = opened();
    let mut out = Vec::new();
    client.send_text("hello", &mut out).unwrap();
    assert_eq!(sent_frames(&out, true).len(), 1, "a client masks");
    let mut told = Vec::new();
    drain(&mut server, &mut Input::new(&mut out), &mut Vec::new(), &mut told);
    assert_eq!(told, [told_text("hello")]);
    // Unmasked to a server, or masked to a client, fails (RFC 6455, section 5.1).
    for (mut ws, mut bytes) in [(server, text("x").unmasked()), (client, text("x").masked())] {
        let (mut told, mut out) = (Vec::new(), Vec::new());
        drain(&mut ws, &mut Input::new(&mut bytes), &mut out, &mut told);
        assert!(matches!(told[..], [Told::Failed(error)] if error.close_code().get() == 1002));
        assert!(ws.should_close_transport());
    }
}

#[test]
fn rule_95_s5_borders_of_data_frames_mean_nothing() {
    let frames = [
        text("h\u{e9}"),
        fragment(BINARY, [1; 300]),
        ping("p"),
        frame(CONTINUATION, [2; 200]),
        text(""),
        close(1000, "bye"),
    ];
    for of_client in [true, false] {
        let encode = |f: &Frame| if of_client { f.masked() } else { f.unmasked() };
        let bytes: Vec<u8> = frames.iter().flat_map(encode).collect();
        let (told, _) = any_cut(bytes.len(), |next| {
            let (client, server) = opened();
            let mut ws = if of_client { server } else { client };
            let (mut told, mut out, mut at) = (Vec::new(), Vec::new(), 0);
            while at < bytes.len() {
                // Empty DATA frames are legal as well.
                drain(&mut ws, &mut Input::new(&mut []), &mut out, &mut told);
                let end = at.saturating_add(next()).min(bytes.len());
                let mut data = bytes[at..end].to_vec();
                drain(&mut ws, &mut Input::new(&mut data), &mut out, &mut told);
                at = end;
            }
            (told, sent_frames(&out, !of_client))
        });
        let binary = Told::Binary([[1; 300].as_slice(), &[2; 200]].concat());
        let ping = Told::Ping(b"p".to_vec());
        let told_end = told_close(1000, "bye");
        assert_eq!(told, [told_text("h\u{e9}"), ping, binary, told_text(""), told_end]);
    }
}

#[test]
fn rule_96_s5_the_end_of_the_stream_is_that_of_tcp() {
    // The codes of the two RFCs.
    assert_eq!((extended::CANCEL, extended::H3_REQUEST_CANCELLED), (0x8, 0x10c));
    // END_STREAM where there was no Close: not clean (RFC 6455, section 7.1.5).
    let (mut client, mut server) = opened();
    for ws in [&mut client, &mut server] {
        let closed = ws.receive_eof();
        assert_eq!((closed.code(), closed.is_clean()), (CloseCode::ABNORMAL_CLOSURE, false));
        assert!(matches!(closed.cause(), Cause::EndOfStream { inside_frame: false, .. }));
        assert!(ws.should_close_transport(), "END_STREAM is ours to send as well");
    }
    // After a closing handshake the server sends END_STREAM first (7.1.1).
    let (mut client, mut server) = opened();
    let (mut out, mut answer) = (Vec::new(), Vec::new());
    client.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut out).unwrap();
    drain(&mut server, &mut Input::new(&mut out), &mut answer, &mut Vec::new());
    assert!(server.should_close_transport());
    drain(&mut client, &mut Input::new(&mut answer), &mut Vec::new(), &mut Vec::new());
    assert!(!client.should_close_transport(), "it waits for the server's END_STREAM");
    assert!(client.receive_eof().is_clean() && server.receive_eof().is_clean());
    // A reset that we send is the application's doing.
    let (_, mut server) = opened();
    assert_eq!(server.abort().cause(), Cause::Aborted);
}

#[test]
fn rule_98_rfc8470_s4_a_connect_is_not_for_early_data() {
    // What intermediaries say of early data, a server heeds.
    let mut fields = client().fields(&Settings::enabled(true)).unwrap();
    fields.push(("early-data".into(), "1".into()));
    let error = Request::parse(&decoded(&fields), Arc::default()).unwrap_err();
    assert_eq!((error, error.reply().status()), (RequestError::TooEarly, 425));
    // There is no connection, and so nothing to send, before the reply is there:
    // `Client` gives none for anything but a 2xx. And whoever reads how to send
    // the request is told when not to.
    for status in [100, 103, 425] {
        assert!(!matches!(client().receive(status, &[]), Ok(Some(Outcome::Accepted(_)))));
    }
    for (page, line) in [
        (include_str!("../src/handshake/extended/mod.rs"), "MUST NOT send unsafe methods"),
        (include_str!("../src/handshake/extended/client.rs"), "and not in early data."),
    ] {
        assert!(page.contains(line), "{line}");
    }
}
