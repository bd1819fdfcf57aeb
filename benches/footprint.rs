//! What connections and messages cost in memory: bytes of state, bytes of heap,
//! allocations. Counted, not timed; prints a table.
//!
//! Adapters are in `tests/tokio_idle.rs`, which holds their figures as well.

#![allow(missing_docs)] // a program

use std::sync::Arc;

use sockeye::handshake::{Accept, Client, ClientRequest, Reply, Server};
use sockeye::{Assembler, Config, Connection, Incoming, Input, Seed};

#[path = "../tests/counted/mod.rs"]
mod counted;

use counted::count;

/// Messages that the figures of one are averaged over.
const MESSAGES: usize = 100;

fn main() {
    let config = Arc::new(Config::default());
    println!("{:<52} {:>12} {:>12} {:>12}", "", "allocations", "B left", "B at peak");
    println!("{:<52} {:>38}", "state of a connection, in bytes", size_of::<Connection>());
    row("idle connection, server", 1, || Connection::server(config.clone()));
    row("idle connection, client", 1, || client(&config));
    handshakes(&config);
    for len in [64, 16 << 10, 1 << 20] {
        messages(&config, len);
    }
    #[cfg(feature = "deflate")]
    compressed();
}

/// Prints what `work` allocates, for each of so many operations.
fn row<T>(name: &str, operations: usize, work: impl FnOnce() -> T) {
    let (allocations, left, peak) = count(work);
    let each = |n: usize| n as f64 / operations as f64;
    println!("{name:<52} {:>12.2} {:>12.1} {peak:>12}", each(allocations), each(left));
}

fn client(config: &Arc<Config>) -> Connection {
    Connection::client(Seed::from_bytes([7; 32]), config.clone())
}

fn handshakes(config: &Arc<Config>) {
    let request = ClientRequest::new(false, "example.com", 80, "/chat");
    let client = Client::new(request, Seed::from_bytes([7; 32]), config.clone());
    let mut client = client.expect("a good request");
    let (mut head, mut reply) = (Vec::with_capacity(1024), Vec::with_capacity(1024));
    row("handshake, client: the request", 1, || client.write_request(&mut head));
    row("handshake, server: request to connection", 1, || {
        let mut server = Server::new(config.clone());
        let request = server.receive(&head).expect("a request").expect("all of it");
        request.accept(&Accept::new(), &mut reply).expect("accepted")
    });
    row("handshake, client: reply to connection", 1, || match client.receive(&reply) {
        Ok(Some(Reply::Accepted(response))) => response.open(),
        other => panic!("{other:?}"),
    });
}

/// Messages back and forth, once with memory that has its size.
fn messages(config: &Arc<Config>, len: usize) {
    let mut sender = client(config);
    let payload = vec![7; len];
    let mut wire = Vec::new();
    let mut send = || {
        wire.clear();
        sender.send_binary(&payload, &mut wire).expect("sent");
        wire.clone()
    };
    let mut wires: Vec<_> = (0..=MESSAGES).map(|_| send()).collect();
    let mut ws = Connection::server(config.clone());
    let mut assembler = Assembler::new();
    let mut receive = |wire: &mut Vec<u8>| {
        for read in wire.chunks_mut(16 << 10) {
            let mut input = Input::new(read);
            while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
                if let Some(Incoming::Message(message)) = assembler.push(event) {
                    assembler.put_buffer(message.into_buffer());
                }
            }
        }
    };
    receive(&mut wires[MESSAGES]);
    row(&format!("message of {len} B, received, buffer given back"), MESSAGES, || {
        wires[..MESSAGES].iter_mut().for_each(&mut receive);
    });
    let mut ws = client(config);
    let mut out = Vec::with_capacity(len + 14);
    row(&format!("message of {len} B, sent"), MESSAGES, || {
        for _ in 0..MESSAGES {
            out.clear();
            ws.send_binary(&payload, &mut out).expect("sent");
        }
    });
}

/// Connections with compression: contexts that are kept from message to message.
#[cfg(feature = "deflate")]
fn compressed() {
    use sockeye::deflate::Params;

    let mut config = Config::default();
    config.deflate = Some(sockeye::DeflateConfig::default());
    let config = Arc::new(config);
    let text = "a message of some length, and another. ".repeat(100);
    let mut sender = Connection::server(config.clone()).with_deflate(Params::default());
    let mut ws = client(&config).with_deflate(Params::default());
    let (mut wire, mut scratch) = (Vec::with_capacity(8 << 10), vec![0; 64 << 10]);
    row("first compressed message, sent", 1, || sender.send_text(&text, &mut wire));
    let mut receive = |wire: &mut Vec<u8>| {
        let mut input = Input::with_scratch(wire, &mut scratch);
        while ws.receive(&mut input, &mut Vec::new()).is_some() {}
        assert!(input.is_empty());
    };
    row("first compressed message, received", 1, || receive(&mut wire));
    row("compressed message, sent and received", MESSAGES, || {
        for _ in 0..MESSAGES {
            wire.clear();
            sender.send_text(&text, &mut wire).expect("sent");
            receive(&mut wire);
        }
    });
}
