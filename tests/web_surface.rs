//! The surface: everything that the documents name, by the names it has here,
//! and with the types that they promise.

#![cfg(feature = "web")]

mod common;
mod web_common;

use std::error::Error;
use std::fmt::{Debug, Display};
use std::sync::{Arc, Mutex};

use common::{close, text};
use sockeye::web::{
    BinaryType, BlockedPorts, CloseEvent, ConnectionLimit, Diagnostic, Event, EventKind, Fired,
    ListenerId, MessageEvent, Options, ReadyState, Target, TrySendError, UnknownBinaryType,
    WebError, WebSocket,
};
use web_common::{Page, URL, clean_close, told_text};

#[test]
fn six_attributes_two_methods_and_four_events() {
    // Attributes: five can only be read.
    let url: fn(&WebSocket) -> &str = WebSocket::url;
    let ready_state: fn(&WebSocket) -> ReadyState = WebSocket::ready_state;
    let buffered_amount: fn(&WebSocket) -> u64 = WebSocket::buffered_amount;
    let extensions: fn(&WebSocket) -> &str = WebSocket::extensions;
    let protocol: fn(&WebSocket) -> &str = WebSocket::protocol;
    let binary_type: fn(&WebSocket) -> BinaryType = WebSocket::binary_type;
    let set_binary_type: fn(&mut WebSocket, BinaryType) = WebSocket::set_binary_type;
    // Methods.
    let send: fn(&mut WebSocket, &str) -> Result<(), WebError> = WebSocket::send_text;
    let send_bytes: fn(&mut WebSocket, &[u8]) -> Result<(), WebError> = WebSocket::send_binary;
    type Close = fn(&mut WebSocket, Option<u16>, Option<&str>) -> Result<(), WebError>;
    let close: Close = WebSocket::close;

    let mut page = Page::connecting();
    set_binary_type(&mut page, BinaryType::ArrayBuffer);
    // Events.
    let log = Arc::new(Mutex::new(String::new()));
    let note = |name: &'static str| {
        let log = log.clone();
        move || log.lock().unwrap().push_str(name)
    };
    let (on_open, on_message) = (note("open "), note("message "));
    let (on_error, on_close) = (note("error "), note("close "));
    page.on_open(move |_: &mut WebSocket| on_open());
    page.on_message(move |_: &mut WebSocket, _: &MessageEvent| on_message());
    page.on_error(move |_: &mut WebSocket| on_error());
    page.on_close(move |_: &mut WebSocket, _: &CloseEvent| on_close());

    page.accepts("");
    page.hears_frames([text("x")]);
    page.dispatches();
    send(&mut page, "text").unwrap();
    send_bytes(&mut page, b"bytes").unwrap();
    assert_eq!((url(&page), ready_state(&page)), (URL, ReadyState::Open));
    assert_eq!((extensions(&page), protocol(&page)), ("", ""));
    assert_eq!((buffered_amount(&page), binary_type(&page)), (9, BinaryType::ArrayBuffer));
    close(&mut page, Some(1000), Some("done")).unwrap();
    page.ends();
    page.dispatches();
    assert_eq!(*log.lock().unwrap(), "open message error close ");
}

#[test]
fn both_forms_of_the_constructor() {
    WebSocket::new("ws://www.example.com/socketserver", ()).unwrap();
    WebSocket::new("ws://www.example.com/socketserver", "protocolOne").unwrap();
    let two = ["protocolOne", "protocolTwo"];
    WebSocket::new("ws://www.example.com/socketserver", two).unwrap();
    // Both are there once it is open: one of them.
    let line = "Sec-WebSocket-Protocol: protocolTwo\r\n";
    let page = Page::open_with(two, &Options::default(), line);
    assert_eq!((page.protocol(), page.ready_state()), ("protocolTwo", ReadyState::Open));
}

#[test]
fn debug_output_and_errors_hold_no_secrets() {
    let options = web_common::options(|options| {
        options.headers = vec![("Authorization".into(), "Bearer sesame".into())];
    });
    let page = Page::asking("ws://user:sesame@example.com/?token=sesame", (), &options);
    let error = WebSocket::new("ws://user:sesame@exa mple.com/", ()).unwrap_err();
    let shown = format!("{:?} {options:?} {error:?} {error}", page.ws);
    assert!(!shown.contains("sesame"), "{shown}");
    assert!(shown.contains("ws://example.com"), "{shown}");
}

#[test]
fn errors_have_the_names_and_codes_of_exceptions() {
    let mut page = Page::connecting();
    let secure = web_common::options(|options| options.secure_context = true);
    let cases = [
        (WebSocket::new("no URL", ()).unwrap_err(), ("SyntaxError", "SYNTAX_ERR", 12)),
        (page.close(Some(1), None).unwrap_err(), ("InvalidAccessError", "INVALID_ACCESS_ERR", 15)),
        (page.send_text("x").unwrap_err(), ("InvalidStateError", "INVALID_STATE_ERR", 11)),
        (
            WebSocket::with_options(URL, (), &secure).unwrap_err(),
            ("SecurityError", "SECURITY_ERR", 18),
        ),
    ];
    for (error, (name, legacy_name, legacy_code)) in cases {
        assert_eq!(error.name(), name);
        assert_eq!((error.legacy_name(), error.legacy_code()), (legacy_name, legacy_code));
        assert!(!error.message().is_empty());
        assert_eq!(error.to_string(), format!("{name}: {}", error.message()));
        let _: &dyn Error = &error;
    }
}

#[test]
fn every_state_of_affairs_can_be_printed() {
    // Those that a log shows, in words that differ.
    let diagnostics = [
        Diagnostic::BlockedPort(25),
        Diagnostic::ClosedWhileConnecting,
        Diagnostic::Connect("no such host".into()),
        Diagnostic::Full,
        Diagnostic::Refused(404),
        Diagnostic::Request("no".into()),
        Diagnostic::Response(sockeye::handshake::ResponseError::AcceptInvalid),
        Diagnostic::SubprotocolMissing,
        Diagnostic::TooManyConnections,
    ];
    let words: std::collections::BTreeSet<String> =
        diagnostics.iter().map(|diagnostic| diagnostic.to_string()).collect();
    assert_eq!(words.len(), diagnostics.len());
    assert!(words.contains("port 25 is blocked"));
    assert!(words.contains("server answered with HTTP status 404"));
    assert!(words.contains("not connected: no such host"));
    assert_ne!(TrySendError::Full.to_string(), TrySendError::NotOpen.to_string());
    assert!("x".parse::<BinaryType>().unwrap_err().to_string().contains("arraybuffer"));
    // Without secrets of the request.
    let options = web_common::options(|options| {
        options.headers = vec![("Authorization".into(), "Bearer secret".into())];
    });
    assert!(!format!("{:?}", Page::new(URL, (), &options).ws).contains("secret"));
}

#[test]
fn it_can_be_sent_to_a_worker() {
    fn is_for_workers<T: Send + 'static>() {}
    is_for_workers::<WebSocket>();
    is_for_workers::<Event>();
    is_for_workers::<Fired>();
    is_for_workers::<Options>();
    is_for_workers::<WebError>();
    is_for_workers::<Diagnostic>();
    is_for_workers::<ListenerId>();
    fn is_shared<T: Sync>() {}
    is_shared::<Options>();
    is_shared::<Event>();
    is_shared::<ConnectionLimit>();

    let mut page = Page::open();
    page.on_message(|ws: &mut WebSocket, _: &_| ws.send_text("from the worker").unwrap());
    page.hears_frames([text("x")]);
    let mut page = std::thread::spawn(move || {
        assert_eq!(page.dispatches(), [told_text("x")]);
        page
    })
    .join()
    .unwrap();
    page.sends([text("from the worker")]);
    page.hears_frames([close(1000, "")]);
    page.ends();
    assert_eq!(page.turns(), [clean_close(1000, "")]);
}

#[test]
fn values_are_values() {
    fn is_plain<T: Copy + Debug + PartialEq>() {}
    is_plain::<ReadyState>();
    is_plain::<BinaryType>();
    is_plain::<BlockedPorts>();
    is_plain::<EventKind>();
    is_plain::<ListenerId>();
    is_plain::<Target<'_>>();
    is_plain::<TrySendError>();
    is_plain::<UnknownBinaryType>();
    fn is_error<T: Error + Display + Clone>() {}
    is_error::<WebError>();
    is_error::<TrySendError>();
    is_error::<UnknownBinaryType>();
}
