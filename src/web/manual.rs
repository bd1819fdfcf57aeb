//! The same programs in JavaScript and in Rust, and where the two differ.
//!
//! The JavaScript is what introductions to the `WebSocket` object show; the Rust
//! beside it does the same with `blocking::web` or `tokio::web`. There is a chat of
//! both, a page and a terminal client for one server, in `examples/chat`.
//!
//! # Creating a socket
//!
//! ```js
//! const socket = new WebSocket("wss://www.example.com/socketserver", "protocolOne");
//! socket.readyState; // 0, CONNECTING
//! ```
//!
//! ```
//! use sockeye::blocking::web::WebSocket;
//! use sockeye::web::ReadyState;
//!
//! let socket = WebSocket::connect("wss://www.example.com/socketserver", "protocolOne")?;
//! assert_eq!(socket.ready_state(), ReadyState::Connecting);
//! # Ok::<(), sockeye::web::WebError>(())
//! ```
//!
//! That is all it takes to connect. It begins when the program returns to its event
//! loop: in JavaScript when the script ends, in Rust when it first waits for an event.
//!
//! Several protocols are a list, of which the server takes one; none is `()`:
//!
//! ```js
//! const socket = new WebSocket("wss://www.example.com/socketserver",
//!                              ["protocolOne", "protocolTwo"]);
//! socket.onopen = () => console.log(socket.protocol);
//! ```
//!
//! ```no_run
//! use sockeye::blocking::web::WebSocket;
//!
//! let protocols = ["protocolOne", "protocolTwo"];
//! let mut socket = WebSocket::connect("wss://www.example.com/socketserver", protocols)?;
//! socket.on_open(|socket| println!("{}", socket.protocol()));
//! # socket.run();
//! # Ok::<(), sockeye::web::WebError>(())
//! ```
//!
//! # What can be wrong with the arguments
//!
//! ```js
//! try {
//!     new WebSocket("ftp://www.example.com/");
//! } catch (error) {
//!     console.log(error.name); // SyntaxError
//! }
//! ```
//!
//! ```
//! use sockeye::blocking::web::WebSocket;
//!
//! let error = WebSocket::connect("ftp://www.example.com/", ()).unwrap_err();
//! assert_eq!(error.name(), "SyntaxError");
//! assert_eq!(error.legacy_name(), "SYNTAX_ERR"); // as older documents have it
//! ```
//!
//! # Events
//!
//! ```js
//! const socket = new WebSocket("wss://www.example.com/echo");
//! socket.onopen = () => socket.send("Here's some text for the server.");
//! socket.onmessage = (event) => console.log(event.data);
//! socket.onerror = () => console.log("error");
//! socket.onclose = (event) => console.log(event.code, event.reason, event.wasClean);
//! socket.addEventListener("message", (event) => console.log(event.origin));
//! ```
//!
//! With handlers, in the same words:
//!
//! ```no_run
//! use sockeye::blocking::web::WebSocket;
//! use sockeye::web::{Event, EventKind};
//!
//! let mut socket = WebSocket::connect("wss://www.example.com/echo", ())?;
//! socket.on_open(|socket| {
//!     socket.send_text("Here's some text for the server.").expect("it is open");
//! });
//! socket.on_message(|_, event| println!("{:?}", event.data));
//! socket.on_error(|_| println!("error"));
//! socket.on_close(|_, event| println!("{} {} {}", event.code, event.reason, event.was_clean));
//! socket.add_listener(EventKind::Message, |_, event| {
//!     if let Event::Message(message) = event {
//!         println!("{}", message.origin);
//!     }
//! });
//! socket.run();
//! # Ok::<(), sockeye::web::WebError>(())
//! ```
//!
//! Without, as most Rust programs would have it, here on tokio:
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn f() -> Result<(), sockeye::web::WebError> {
//! use sockeye::tokio::web::WebSocket;
//! use sockeye::web::Event;
//!
//! let mut socket = WebSocket::connect("wss://www.example.com/echo", ())?;
//! while let Some(event) = socket.next_event().await {
//!     match event {
//!         Event::Open => socket.send_text("Here's some text for the server.")?,
//!         Event::Message(event) => println!("{:?} {}", event.data, event.origin),
//!         Event::Error => println!("error: {:?}", socket.diagnostic()),
//!         Event::Close(event) => println!("{} {}", event.code, event.reason),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Objects as JSON
//!
//! ```js
//! function sendText(socket, text, clientID) {
//!     const msg = { type: "message", text, id: clientID, date: Date.now() };
//!     socket.send(JSON.stringify(msg));
//! }
//!
//! socket.onmessage = (event) => {
//!     const msg = JSON.parse(event.data);
//!     switch (msg.type) {
//!         case "id":
//!             clientID = msg.id;
//!             break;
//!         case "message":
//!             console.log(`(${new Date(msg.date).toLocaleTimeString()}) ${msg.name}: ${msg.text}`);
//!             break;
//!     }
//! };
//! ```
//!
//! ```
//! use serde_json::{Value, json};
//! use sockeye::web::{MessageEvent, WebError, WebSocket};
//!
//! fn send_text(socket: &mut WebSocket, text: &str, id: u64, now: u64) -> Result<(), WebError> {
//!     let msg = json!({ "type": "message", "text": text, "id": id, "date": now });
//!     socket.send_text(&msg.to_string())
//! }
//!
//! fn on_message(event: &MessageEvent, id: &mut Option<u64>) {
//!     let Ok(msg) = serde_json::from_slice::<Value>(event.data.as_bytes()) else { return };
//!     match msg["type"].as_str() {
//!         Some("id") => *id = msg["id"].as_u64(),
//!         Some("message") => println!("({}) {}: {}", msg["date"], msg["name"], msg["text"]),
//!         _ => {}
//!     }
//! }
//! ```
//!
//! # Binary data
//!
//! ```js
//! socket.binaryType = "arraybuffer";
//! socket.onmessage = (event) => console.log(new Uint8Array(event.data));
//! socket.send(new Uint8Array([1, 2, 3]));
//! ```
//!
//! ```no_run
//! # use sockeye::web::WebError;
//! # fn f(socket: &mut sockeye::blocking::web::WebSocket) -> Result<(), WebError> {
//! use sockeye::Message;
//!
//! socket.on_message(|_, event| {
//!     if let Message::Binary(bytes) = &event.data {
//!         println!("{bytes:?}");
//!     }
//! });
//! socket.send_binary(&[1, 2, 3])?;
//! # Ok(())
//! # }
//! ```
//!
//! # Closing
//!
//! ```js
//! if (socket.bufferedAmount === 0) {
//!     socket.close(1000, "Work complete");
//! }
//! ```
//!
//! ```no_run
//! # fn f(socket: &mut sockeye::blocking::web::WebSocket) -> Result<(), sockeye::web::WebError> {
//! if socket.buffered_amount() == 0 {
//!     socket.close(Some(1000), Some("Work complete"))?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! There is no need to look at what is buffered first: what was sent before goes
//! out before the Close frame.
//!
//! # Where it differs
//!
//! From what older documents say, as the standard of today does:
//!
//! | they say | it does |
//! |---|---|
//! | a blocked port throws `SECURITY_ERR` | `error` and `close`; [`BlockedPorts::Throw`](super::BlockedPorts::Throw) is what they say |
//! | `close()` closes with 1000 | it sends an empty Close frame, seen as 1005; to say 1000, say it |
//! | `send()` throws `INVALID_STATE_ERR` unless it is open | only while it is connecting; later, the message is dropped and counted. [`try_send`](super::WebSocket::try_send) tells |
//! | unpaired surrogates throw `SYNTAX_ERR` | each becomes U+FFFD |
//! | without a protocol the empty string is asked for | nothing is asked for |
//! | `bufferedAmount` has 32 bits | it has 64 |
//!
//! From browsers, on purpose:
//!
//! - A `Blob` is bytes like an `ArrayBuffer`; events say which was asked for.
//! - Cookies are for a [`CookieStore`](super::CookieStore), if there is one.
//! - A page may not know why a connection failed; a program may:
//!   [`diagnostic`](super::WebSocket::diagnostic).
//! - A message may be 64 MiB long, and what is sent is buffered without a limit;
//!   [`Options`](super::Options) change both.
