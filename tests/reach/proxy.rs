//! Proxies that do as they are told, and the server behind them.

#![allow(dead_code)] // each test file uses some of it

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use sockeye::net::{Endpoint, Error};

use super::{Adapter, Client, Script, listen};
use crate::common::{close, text};
use crate::sockets::{Role, Task};

/// A name that nobody has: only a proxy can be asked for it.
pub const THERE: &str = "server.invalid";

pub fn dial(endpoint: Endpoint) -> Result<Client, Error> {
    Adapter::Tokio.connect(endpoint)
}

/// A proxy that does this with its one client; and its port.
pub fn proxy_that<T: Send + 'static>(
    work: impl FnOnce(Script<TcpStream>) -> T + Send + 'static,
) -> (u16, Task<T>) {
    let (listener, port) = listen();
    let work = move || work(Script::of(Role::Server, listener.accept().unwrap().0));
    (port, Task::start(work))
}

/// Plays the server at the end of the tunnel, up to the closing handshake.
/// Gives the request.
pub fn serve<S: Read + Write>(peer: &mut Script<S>) -> String {
    let request = peer.accept();
    peer.expect(text("hello"));
    peer.send(text("hello"));
    peer.expect(close(1000, ""));
    peer.send(close(1000, ""));
    request
}

/// Lets the client through, as an HTTP proxy. Gives what it asked for.
pub fn let_through<S: Read + Write>(peer: &mut Script<S>) -> String {
    let request = peer.head();
    peer.send_bytes("HTTP/1.1 200 Connection established\r\nX-Proxy: y\r\n\r\n");
    request
}

/// What a SOCKS proxy is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Name(String, u16),
    Address(IpAddr, u16),
}

pub const SUCCEEDED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// Lets the client through, as a SOCKS proxy (RFC 1928) that wants this name
/// and password (RFC 1929).
pub fn socks(peer: &mut Script<TcpStream>, password: Option<(&str, &str)>) -> Asked {
    negotiate(peer, password);
    let asked = asked(peer);
    peer.send_bytes(SUCCEEDED);
    asked
}

pub fn negotiate(peer: &mut Script<TcpStream>, password: Option<(&str, &str)>) {
    let [version, methods] = peer.bytes();
    assert_eq!(version, 5);
    let offered: Vec<u8> = (0..methods).map(|_| peer.bytes::<1>()[0]).collect();
    let Some(expected) = password else {
        assert!(offered.contains(&0), "{offered:?}");
        return peer.send_bytes([5, 0]);
    };
    assert!(offered.contains(&2), "{offered:?}");
    peer.send_bytes([5, 2]);
    assert_eq!(peer.bytes(), [1]);
    assert_eq!((string(peer).as_str(), string(peer).as_str()), expected);
    peer.send_bytes([1, 0]);
}

/// A string with its length before it.
pub fn string(peer: &mut Script<TcpStream>) -> String {
    let [len] = peer.bytes();
    let bytes = (0..len).map(|_| peer.bytes::<1>()[0]).collect();
    String::from_utf8(bytes).unwrap()
}

pub fn asked(peer: &mut Script<TcpStream>) -> Asked {
    let [version, command, _, kind] = peer.bytes();
    assert_eq!((version, command), (5, 1));
    let port = |peer: &mut Script<TcpStream>| u16::from_be_bytes(peer.bytes());
    match kind {
        1 => Asked::Address(peer.bytes::<4>().into(), port(peer)),
        3 => Asked::Name(string(peer), port(peer)),
        4 => Asked::Address(peer.bytes::<16>().into(), port(peer)),
        other => panic!("an address of kind {other}"),
    }
}
