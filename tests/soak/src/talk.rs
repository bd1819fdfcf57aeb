//! What a client says while all is well: messages of any kind and size, whose
//! echoes must be equal, and Pings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye::deflate::Params;
use sockeye::net::{Endpoint, Error};
use sockeye::tokio::{WebSocket, handshake};
use sockeye::{Config, DeflateConfig, Incoming, Message};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::Tally;
use crate::common::Random;

pub type Ws = WebSocket<TcpStream>;

/// Why a visit did not come out as it must.
pub type Wrong = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome = Result<(), Wrong>;

/// Opens a connection: plain, compressed, or compressed without contexts.
pub async fn open(server: SocketAddr, target: &str, random: &mut Random) -> Result<Ws, Error> {
    let mut config = Config::default();
    // The echo of a message that grew by its compression.
    config.max_frame_len += 1 << 20;
    config.handshake_timeout = Some(Duration::from_secs(60));
    config.close_timeout = Some(Duration::from_secs(60));
    match random.below(3) {
        0 => {}
        1 => config.deflate = Some(DeflateConfig::default()),
        _ => {
            let mut deflate = DeflateConfig::default();
            deflate.params = vec![Params::NO_CONTEXT_TAKEOVER];
            config.deflate = Some(deflate);
        }
    }
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let endpoint = Endpoint::new("127.0.0.1", server.port(), target);
    handshake(endpoint.config(Arc::new(config)), stream).await
}

/// Talks for a while, with pauses; every echo must be right. Leaves nothing
/// unread.
pub async fn talk(ws: &mut Ws, random: &mut Random, tally: &Tally, until: Instant) -> Outcome {
    for _ in 0..1 + random.below(8) {
        sleep(Duration::from_millis(100 + random.below(2500) as u64)).await;
        if Instant::now() >= until {
            break;
        }
        if random.below(6) == 0 {
            ping(ws, random).await?;
            tally.add("pings", 1);
        }
        // Several at once, but less than what the network holds: nobody reads
        // while they are sent.
        let messages: Vec<_> = (0..1 + random.below(4)).map(|_| message(random)).collect();
        for message in &messages {
            say(ws, message, random).await?;
        }
        for message in messages {
            let echo = ws.read().await?.ok_or("closed early")?;
            if echo != message {
                return Err("the echo is another".into());
            }
            tally.add("echoes", 1);
            tally.add("bytes", message.as_bytes().len() as u64);
        }
    }
    Ok(())
}

/// Sends a message, now and then in fragments.
async fn say(ws: &mut Ws, message: &Message<'_>, random: &mut Random) -> Result<(), Error> {
    if random.below(4) > 0 {
        return ws.send(message).await;
    }
    let bytes = message.as_bytes();
    let (one, two) = bytes.split_at(random.below(bytes.len() + 1));
    for (piece, fin) in [(one, false), (two, true)] {
        let fragment = |ws: &mut sockeye::Connection, out: &mut dyn sockeye::Output| match message {
            Message::Text(_) => ws.send_text_fragment(piece, fin, out),
            Message::Binary(_) => ws.send_binary_fragment(piece, fin, out),
        };
        ws.command(fragment).await?;
    }
    Ok(())
}

async fn ping(ws: &mut Ws, random: &mut Random) -> Outcome {
    let len = random.below(126);
    let payload = random.bytes(len);
    ws.ping(&payload).await?;
    while ws.ready().await? {
        if let Some(incoming) = ws.next_incoming() {
            return match incoming {
                Incoming::Pong(pong) if *pong == *payload => Ok(()),
                other => Err(format!("no Pong, but {other:?}").into()),
            };
        }
    }
    Err("closed before the Pong".into())
}

/// Mostly short, sometimes long; some can be compressed.
pub fn message(random: &mut Random) -> Message<'static> {
    let max = match random.below(100) {
        0..70 => 200,
        70..90 => 5000,
        90..99 => 70_000,
        _ => 500_000,
    };
    let len = random.below(max);
    match random.below(3) {
        0 => random.bytes(len).into(),
        1 => (0..).flat_map(|n: u32| n.to_be_bytes()).take(len).collect::<Vec<u8>>().into(),
        _ => {
            const LETTERS: [char; 8] =
                ['s', 'a', 'l', ' ', '\u{e9}', '\u{448}', '\u{9c7c}', '\u{1f41f}'];
            (0..len / 2).map(|_| LETTERS[random.below(8)]).collect::<String>().into()
        }
    }
}
