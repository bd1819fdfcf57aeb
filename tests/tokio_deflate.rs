//! Compression through the tokio adapter, over streams in memory.

#![cfg(all(feature = "deflate", feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sockeye::deflate::{Compress, Params};
use sockeye::handshake::Accept;
use sockeye::net::Endpoint;
use sockeye::tokio::{Error, WebSocket, accept_with, handshake};
use sockeye::{
    CloseCode, Config, Connection, DeflateConfig, Event, Message, PreparedMessage, ProtocolError,
    Seed,
};
use tokio::io::{DuplexStream, duplex};
use tokio_common::*;

fn compressing(set: impl FnOnce(&mut DeflateConfig)) -> Arc<Config> {
    let mut deflate = DeflateConfig::default();
    set(&mut deflate);
    config(|config| config.deflate = Some(deflate))
}

/// Our client and our server, which have agreed on this.
fn agreed(
    config: &Arc<Config>,
    params: Params,
) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (client, server) = duplex(64 << 10);
    let seed = Seed::from_bytes([7; 32]);
    let client_end = Connection::client(seed, config.clone()).with_deflate(params);
    let server_end = Connection::server(config.clone()).with_deflate(params);
    (WebSocket::from_parts(client, client_end, b""), WebSocket::from_parts(server, server_end, b""))
}

#[test]
fn both_ends_agree_in_the_opening_handshake() {
    run(|| async {
        for params in [Params::default(), Params::NO_CONTEXT_TAKEOVER] {
            let config = compressing(|deflate| deflate.params = vec![params]);
            let (client, server) = duplex(64 << 10);
            let endpoint = Endpoint::new("localhost", 80, "/").config(config.clone());
            let accepting = accept_with(server, config, |_| Accept::new().into());
            let (client, server) = tokio::join!(handshake(endpoint, client), accepting);
            let (client, server) = (client.unwrap(), server.unwrap().unwrap());
            assert_eq!(client.connection().deflate_params(), Some(params));
            assert_eq!(server.connection().deflate_params(), Some(params));
        }
    });
}

#[test]
fn messages_of_every_length_go_both_ways() {
    run(|| async {
        for params in [Params::default(), Params::NO_CONTEXT_TAKEOVER] {
            let (mut client, mut server) = agreed(&compressing(|_| {}), params);
            let server = tokio::spawn(async move { echo(&mut server).await });
            for len in [0, 1, 63, 64, 126, 4096, 16_384, 65_536, 3_000_001] {
                for message in [Message::from(numbered_lines(len)), bytes_of(len).into()] {
                    client.send(&message).await.unwrap();
                    let back = client.read().await.unwrap().unwrap();
                    assert!(back == message, "{:?} of {len} bytes", message.kind());
                }
            }
            assert!(client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap().is_clean());
            server.await.unwrap().unwrap();
        }
    });
}

#[test]
fn what_is_sent_in_one_call_is_compressed_however_long_it_is() {
    run_each_role(|role| async move {
        let (ours, theirs) = duplex(1 << 20);
        let config = compressing(|_| {});
        let ws = match role {
            Role::Client => Connection::client(Seed::from_bytes([7; 32]), config),
            Role::Server => Connection::server(config),
        };
        let mut ws = WebSocket::from_parts(ours, ws.with_deflate(Params::default()), b"");
        let peer_role = if role == Role::Client { Role::Server } else { Role::Client };
        let mut peer = Peer::new(peer_role, theirs);
        for len in [64, 4096, 100_000] {
            ws.send(numbered_lines(len)).await.unwrap();
            ws.queue(numbered_lines(len)).unwrap();
            ws.flush().await.unwrap();
            ws.command(|ws, out| {
                ws.compress_next(Compress::No);
                ws.send_text(&numbered_lines(len), out)
            })
            .await
            .unwrap();
            ws.compress_next(Compress::No);
            ws.send(numbered_lines(len)).await.unwrap();
            for (first, is_shorter) in [(0xc1, true), (0xc1, true), (0x81, false), (0x81, false)] {
                let (came, payload) = peer.frame().await;
                assert_eq!((came, payload.len() < len), (first, is_shorter), "{len}");
            }
        }
    });
}

#[test]
fn events_come_in_chunks_and_ready_does_not_wait_while_there_are_more() {
    run(|| async {
        let (mut client, mut server) = agreed(&compressing(|_| {}), Params::default());
        // The server says nothing more: whoever waited for it would hang.
        let server = tokio::spawn(async move {
            server.send(numbered_lines(1 << 20)).await.unwrap();
            server
        });
        let (mut len, mut ended) = (0, false);
        while !ended && client.ready().await.unwrap() {
            // One event for each call, to see that none is forgotten.
            if let Some(Event::Text(chunk)) = client.next_event() {
                len += chunk.as_str().len();
                ended = chunk.is_last();
            }
        }
        assert_eq!(len, 1 << 20);
        drop(server.await.unwrap());
    });
}

#[test]
fn a_split_connection_compresses_too() {
    run(|| async {
        for params in [Params::default(), Params::NO_CONTEXT_TAKEOVER] {
            let (mut client, server) = agreed(&compressing(|_| {}), params);
            let (mut reader, sender) = server.split();
            let news = PreparedMessage::text(&numbered_lines(10_000));
            let sending = tokio::spawn(async move {
                sender.send(numbered_lines(100)).await.unwrap();
                sender.send_prepared(&news).await.unwrap();
                sender.queue_prepared(&news).unwrap();
                sender.send(numbered_lines(1 << 20)).await.unwrap();
            });
            let reading = tokio::spawn(async move { reader.read().await });
            client.send(numbered_lines(300_000)).await.unwrap();
            for len in [100, 10_000, 10_000, 1 << 20] {
                assert_eq!(client.read().await.unwrap(), Some(numbered_lines(len).into()));
            }
            sending.await.unwrap();
            assert_eq!(reading.await.unwrap().unwrap(), Some(numbered_lines(300_000).into()));
        }
    });
}

#[test]
fn as_a_stream_and_a_sink_it_compresses_too() {
    run(|| async {
        let (mut client, mut server) = agreed(&compressing(|_| {}), Params::NO_CONTEXT_TAKEOVER);
        let sending = tokio::spawn(async move {
            for len in [100, 200_000] {
                SinkExt::send(&mut client, Message::from(numbered_lines(len))).await.unwrap();
            }
            SinkExt::close(&mut client).await.unwrap();
        });
        assert_eq!(server.next().await.unwrap().unwrap(), numbered_lines(100).into());
        assert_eq!(server.next().await.unwrap().unwrap(), numbered_lines(200_000).into());
        assert!(server.next().await.is_none());
        sending.await.unwrap();
    });
}

#[test]
fn many_connections_of_one_thread_borrow_its_contexts() {
    run(|| async {
        let config = compressing(|_| {});
        let mut pairs: Vec<_> =
            (0..10).map(|_| agreed(&config, Params::NO_CONTEXT_TAKEOVER)).collect();
        // Each holds a context from the first fragment to the last.
        for fin in [false, false, true] {
            for (n, (client, _)) in pairs.iter_mut().enumerate() {
                let piece = numbered_lines(1000 + n);
                let send = |ws: &mut Connection, out: &mut dyn sockeye::Output| {
                    ws.send_text_fragment(piece.as_bytes(), fin, out)
                };
                client.command(send).await.unwrap();
            }
        }
        for (n, (_, server)) in pairs.iter_mut().enumerate() {
            assert_eq!(
                server.read().await.unwrap(),
                Some(numbered_lines(1000 + n).repeat(3).into())
            );
        }
    });
}

#[test]
fn an_idle_compressor_is_freed_when_its_time_comes() {
    run(|| async {
        let wait = Duration::from_secs(60);
        let config = compressing(|deflate| deflate.release_after = Some(wait));
        let (mut client, mut server) = agreed(&config, Params::default());
        let reading = tokio::spawn(async move {
            let mut lens = Vec::new();
            while let Some(message) = client.read().await.unwrap() {
                assert_eq!(message, numbered_lines(message.as_bytes().len()).into());
                lens.push(message.as_bytes().len());
            }
            lens
        });
        let mut sent = Vec::new();
        for pause in [Duration::ZERO, wait / 2, wait / 2, wait * 2] {
            // Whoever reads sees to deadlines.
            let _ = tokio::time::timeout(pause, server.read()).await;
            let len = server
                .command(|ws, out| {
                    let mut made = Vec::new();
                    ws.send_text(&numbered_lines(5000), &mut made)?;
                    out.append(&made);
                    Ok(made.len())
                })
                .await
                .unwrap();
            sent.push(len);
        }
        let [first, second, third, last] = sent[..] else { panic!("{sent:?}") };
        assert!(second < first / 4 && third < first / 4, "the context was kept: {sent:?}");
        assert_eq!(last, first, "the context was freed");
        server.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        assert_eq!(reading.await.unwrap(), [5000; 4]);
    });
}

/// Also while whoever sees to deadlines waits in another task.
#[test]
fn an_idle_compressor_of_a_split_connection_is_freed_too() {
    run(|| async {
        let wait = Duration::from_secs(60);
        let config = compressing(|deflate| deflate.release_after = Some(wait));
        let (mut client, server) = agreed(&config, Params::default());
        let (mut reader, sender) = server.split();
        tokio::spawn(async move { while let Ok(Some(_)) = reader.read().await {} });
        tokio::spawn(async move { while let Ok(Some(_)) = client.read().await {} });
        let mut sent = Vec::new();
        for pause in [Duration::ZERO, wait / 2, wait * 2] {
            tokio::time::sleep(pause).await;
            let send = |ws: &mut Connection, out: &mut dyn sockeye::Output| {
                let mut made = Vec::new();
                ws.send_text(&numbered_lines(5000), &mut made)?;
                out.append(&made);
                Ok(made.len())
            };
            sent.push(sender.command(send).await.unwrap());
        }
        let [first, second, last] = sent[..] else { panic!("{sent:?}") };
        assert!(second < first / 4, "the context was kept: {sent:?}");
        assert_eq!(last, first, "the context was freed");
    });
}

/// What was read becomes a thousand times as much: others get their turn.
#[test]
fn inflating_much_leaves_turns_to_others() {
    let config = compressing(|_| {});
    for (len, count) in [(4 << 20, 1), (100_000, 40)] {
        let mut wire = Vec::new();
        let mut server = Connection::server(config.clone()).with_deflate(Params::default());
        for _ in 0..count {
            server.send_binary(&vec![0; len], &mut wire).unwrap();
        }
        assert!(wire.len() < 16 << 10, "one read has it all");
        let client = Connection::client(Seed::from_bytes([7; 32]), config.clone());
        let client = client.with_deflate(Params::default());
        let mut ws = WebSocket::from_parts(Link::new(wire.clone()), client, b"");
        let (mut came, mut turns) = (0, 1);
        while came < count {
            match poll_times(ws.read(), 1) {
                Some(message) => {
                    assert_eq!(message.unwrap().unwrap().as_bytes().len(), len);
                    came += 1;
                }
                None => turns += 1,
            }
        }
        assert!((12..=20).contains(&turns), "{turns} turns for 4 MiB");

        // In pieces it is the same.
        let client = Connection::client(Seed::from_bytes([7; 32]), config.clone());
        let client = client.with_deflate(Params::default());
        let mut ws = WebSocket::from_parts(Link::new(wire), client, b"");
        let (mut came, mut turns) = (0, 1);
        while came < len * count {
            match poll_times(ws.ready(), 1) {
                Some(ready) => assert!(ready.unwrap()),
                None => turns += 1,
            }
            while let Some(Event::Binary(chunk)) = ws.next_event() {
                came += chunk.as_bytes().len();
            }
        }
        assert!((12..=20).contains(&turns), "{turns} turns for 4 MiB in pieces");
    }
}

#[test]
fn s8_a_bomb_is_stopped_at_the_limit() {
    run(|| async {
        let mut config = Config::clone(&compressing(|_| {}));
        config.max_message_len = 100_000;
        let (mut client, mut server) = agreed(&Arc::new(config), Params::default());
        tokio::spawn(async move {
            let _ = client.send(vec![0; 20 << 20]).await;
            let _ = client.read().await;
        });
        assert_shape!(server.read().await, Err(Error::Protocol(ProtocolError::MessageTooLong)));
    });
}
