//! Compression through the blocking adapter, over real sockets.

#![cfg(all(feature = "deflate", feature = "url"))]

mod common;
mod sockets;

use std::sync::Arc;

use common::*;
use sockets::*;
use sockeye::blocking::{Error, WebSocket};
use sockeye::deflate::{Compress, Params};
use sockeye::{CloseCode, Config, DeflateConfig, Event, Message, PreparedMessage, ProtocolError};

/// Deadlines that no good run waits for, and compression.
fn compressing(set: impl FnOnce(&mut DeflateConfig)) -> Arc<Config> {
    let mut deflate = DeflateConfig::default();
    set(&mut deflate);
    config(|config| config.deflate = Some(deflate))
}

/// With and without contexts that are kept.
fn configs() -> [Arc<Config>; 2] {
    [compressing(|_| {}), compressing(|deflate| deflate.params = vec![Params::NO_CONTEXT_TAKEOVER])]
}

#[test]
fn messages_of_every_length_go_both_ways() {
    for config in configs() {
        bounded(move || {
            let (mut client, mut server) = pair(&config);
            assert_eq!(
                client.connection().deflate_params(),
                Some(config.deflate.as_ref().unwrap().params[0])
            );
            assert_eq!(server.connection().deflate_params(), client.connection().deflate_params());
            let server = Task::start(move || echo(&mut server));
            for len in [0, 1, 63, 64, 125, 126, 4096, 16_383, 16_384, 65_536, 3_000_001] {
                for message in
                    [Message::from(numbered_lines(len)), Message::from(Random(7).bytes(len))]
                {
                    client.send(&message).unwrap();
                    let back = client.read().unwrap().unwrap();
                    assert!(back == message, "{:?} of {len} bytes", message.kind());
                }
            }
            assert!(client.close(CloseCode::NORMAL_CLOSURE, "").unwrap().is_clean());
            server.join().unwrap();
        });
    }
}

#[test]
fn what_is_sent_in_one_call_is_compressed_however_long_it_is() {
    bounded(|| {
        for len in [64, 4096, 100_000] {
            for role in ROLES {
                let (mut ws, mut peer) = open_compressing(role);
                ws.send(numbered_lines(len)).unwrap();
                ws.queue(numbered_lines(len)).unwrap();
                ws.flush().unwrap();
                ws.command(|ws, out| {
                    ws.compress_next(Compress::No);
                    ws.send_text(&numbered_lines(len), out)
                })
                .unwrap();
                ws.compress_next(Compress::No);
                ws.send(numbered_lines(len)).unwrap();
                for (first, is_shorter) in
                    [(0xc1, true), (0xc1, true), (0x81, false), (0x81, false)]
                {
                    let (came, payload) = peer.frame();
                    assert_eq!((came, payload.len() < len), (first, is_shorter), "{role:?} {len}");
                }
            }
        }
    });
}

#[test]
fn prepared_messages_are_compressed_once_for_all() {
    bounded(|| {
        let news = PreparedMessage::text(&numbered_lines(10_000));
        let config = compressing(|_| {});
        let (mut client, mut server) = pair(&config);
        let sender = Task::start(move || {
            server.send_prepared(&news).unwrap();
            server.send(numbered_lines(500)).unwrap();
            server.queue_prepared(&news).unwrap();
            server.send(numbered_lines(500)).unwrap();
            server
        });
        for len in [10_000, 500, 10_000, 500] {
            assert_eq!(client.read().unwrap(), Some(numbered_lines(len).into()));
        }
        drop(sender.join());
    });
}

#[test]
fn events_come_in_chunks_and_ready_does_not_wait_while_there_are_more() {
    bounded(|| {
        let (mut client, mut server) = pair(&compressing(|_| {}));
        server.send(numbered_lines(1 << 20)).unwrap();
        // The server says nothing more: whoever waited for it would hang.
        let (mut len, mut chunks) = (0, 0);
        let mut ended = false;
        while !ended && client.ready().unwrap() {
            // One event for each call, to see that none is forgotten.
            if let Some(Event::Text(chunk)) = client.next_event() {
                assert!(chunk.as_str().len() <= 64 << 10);
                len += chunk.as_str().len();
                chunks += 1;
                ended = chunk.is_last();
            }
        }
        assert_eq!(len, 1 << 20);
        assert!(chunks >= 16, "{chunks}");
    });
}

#[test]
fn messages_in_fragments_may_alternate_on_one_thread() {
    bounded(|| {
        let config = configs()[1].clone();
        let (mut a, mut b) = (pair(&config), pair(&config));
        // Each holds a context from the first fragment to the last.
        for fin in [false, false, true] {
            for (n, (client, _)) in [&mut a, &mut b].into_iter().enumerate() {
                let piece = numbered_lines(1000 + n);
                client
                    .command(|ws, out| ws.send_text_fragment(piece.as_bytes(), fin, out))
                    .unwrap();
            }
        }
        for (n, (_, server)) in [&mut a, &mut b].into_iter().enumerate() {
            assert_eq!(server.read().unwrap(), Some(numbered_lines(1000 + n).repeat(3).into()));
        }
    });
}

#[test]
fn a_split_connection_compresses_too() {
    for config in configs() {
        bounded(move || {
            let (mut client, server) = pair(&config);
            let (mut reader, sender) = server.split().unwrap();
            let reading = Task::start(move || {
                let mut lens = Vec::new();
                while let Some(message) = reader.read().unwrap() {
                    lens.push(message.as_bytes().len());
                }
                lens
            });
            let sending = Task::start(move || {
                for len in [10_000, 100, 1 << 20] {
                    sender.send(numbered_lines(len)).unwrap();
                }
            });
            for len in [1000, 300_000] {
                client.send(numbered_lines(len)).unwrap();
            }
            for len in [10_000, 100, 1 << 20] {
                assert_eq!(client.read().unwrap(), Some(numbered_lines(len).into()));
            }
            sending.join();
            client.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
            assert_eq!(reading.join(), [1000, 300_000]);
        });
    }
}

#[test]
fn s8_a_bomb_is_stopped_at_the_limit() {
    bounded(|| {
        let mut config = Config::clone(&compressing(|_| {}));
        config.max_message_len = 100_000;
        let (client, mut server) = pair(&Arc::new(config));
        let sender = Task::start(move || {
            let mut client = client;
            let _ = client.send(vec![0; 20 << 20]);
            client.read()
        });
        assert_shape!(server.read(), Err(Error::Protocol(ProtocolError::MessageTooLong)));
        drop(server);
        assert_shape!(sender.join(), Ok(None) | Err(_));
    });
}

#[test]
fn a_client_that_offers_nothing_fails_on_a_reply_that_agrees() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let peer = Task::start(move || {
            Peer::accept(server, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        });
        assert_shape!(connect(client, &defaults()).map(drop), Err(Error::Response(_)));
        peer.join();
    });
}

/// Our end, which has agreed on compression, and a peer that sees the frames.
fn open_compressing(role: Role) -> (WebSocket<std::net::TcpStream>, Peer) {
    let config = compressing(|_| {});
    let (client, server) = tcp_pair();
    let agreed = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    match role {
        Role::Client => {
            let peer = Task::start(move || Peer::accept(server, agreed));
            (connect(client, &config).unwrap(), peer.join())
        }
        Role::Server => {
            let mut peer = Peer::new(Role::Client, client);
            peer.send_bytes(request(agreed));
            let ws = accept(server, &config).unwrap();
            assert!(peer.head().contains(agreed));
            (ws, peer)
        }
    }
}
