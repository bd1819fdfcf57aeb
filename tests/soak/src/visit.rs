//! The ways in which a client comes and goes, and what the server must make of
//! each.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye::{CloseCode, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::Tally;
use crate::common::*;
use crate::talk::{Outcome, Wrong, Ws, open, talk};

/// One connection, from its beginning to its end.
#[derive(Clone, Copy, Debug)]
pub enum Visit {
    /// Closes in good order.
    Closes,
    /// Is closed by the server, in good order.
    IsClosed,
    /// Is closed by the server, and never answers: the server gives up.
    NeverAnswersClose,
    /// Ends TCP without a Close.
    Leaves,
    /// Resets TCP.
    Resets,
    /// Ends its direction of TCP, and waits for the other.
    HalfCloses,
    /// Is gone within a frame.
    VanishesInFrame,
    /// Is gone within a message, between two frames.
    VanishesInMessage,
    /// Breaks a rule of the protocol: the server says which, and ends.
    Violates,
    /// Sends what is no request: the server says so, and ends.
    IsNoClient,
    /// Is gone within its request.
    VanishesInRequest,
    /// Does not end its request: the server gives up.
    NeverAsks,
    /// Is silent for long, and goes on.
    Stalls,
    /// Sends much, and reads it slowly.
    ReadsSlowly,
}

use Visit::*;

/// All of them, those more often that are listed more often.
const ALL: [Visit; 21] = [
    Closes,
    Closes,
    Closes,
    Closes,
    Closes,
    IsClosed,
    IsClosed,
    NeverAnswersClose,
    Leaves,
    Leaves,
    Resets,
    Resets,
    HalfCloses,
    VanishesInFrame,
    VanishesInMessage,
    Violates,
    IsNoClient,
    VanishesInRequest,
    NeverAsks,
    Stalls,
    ReadsSlowly,
];

impl Visit {
    pub fn any(random: &mut Random) -> Self {
        ALL[random.below(ALL.len())]
    }

    pub fn name(self) -> &'static str {
        match self {
            Closes => "closes",
            IsClosed => "is closed",
            NeverAnswersClose => "never answers the Close",
            Leaves => "leaves",
            Resets => "resets",
            HalfCloses => "half-closes",
            VanishesInFrame => "vanishes in a frame",
            VanishesInMessage => "vanishes in a message",
            Violates => "violates",
            IsNoClient => "is no client",
            VanishesInRequest => "vanishes in its request",
            NeverAsks => "never asks",
            Stalls => "stalls",
            ReadsSlowly => "reads slowly",
        }
    }

    pub async fn pay(
        self,
        server: SocketAddr,
        random: &mut Random,
        tally: &Tally,
        until: Instant,
    ) -> Outcome {
        match self {
            IsClosed => {
                return is_closed(open(server, "/?close=4000&reason=go", random).await?).await;
            }
            NeverAnswersClose => {
                let (mut raw, _, early) = open(server, "/?close=4000", random).await?.into_parts();
                return expect_close(&mut raw, early, 4000).await;
            }
            IsNoClient => return is_no_client(server, random).await,
            VanishesInRequest => {
                let mut raw = TcpStream::connect(server).await?;
                return Ok(raw.write_all(b"GET / HTTP/1.1\r\nHost: loc").await?);
            }
            NeverAsks => {
                let mut raw = TcpStream::connect(server).await?;
                raw.write_all(b"GET / HTTP/1.1\r\n").await?;
                return expect_status(&mut raw, "HTTP/1.1 408 ").await;
            }
            _ => {}
        }
        let mut ws = open(server, "/", random).await?;
        talk(&mut ws, random, tally, until).await?;
        match self {
            Stalls => {
                sleep(Duration::from_secs(5 + random.below(15) as u64)).await;
                talk(&mut ws, random, tally, until).await?;
                close_in_good_order(ws).await
            }
            ReadsSlowly => close_in_good_order(read_slowly(ws, random).await?).await,
            Closes => close_in_good_order(ws).await,
            _ => go_badly(self, ws, random).await,
        }
    }
}

/// The ends that are none of the protocol's.
async fn go_badly(visit: Visit, ws: Ws, random: &mut Random) -> Outcome {
    let (mut raw, ..) = ws.into_parts();
    match visit {
        Resets => {
            // What comes back finds nobody.
            raw.write_all(&binary([7; 3000]).masked()).await?;
            raw.set_zero_linger()?;
        }
        HalfCloses => {
            raw.shutdown().await?;
            if raw.read(&mut [0; 100]).await? > 0 {
                return Err("the server had something to say to nobody".into());
            }
        }
        VanishesInFrame => {
            let bytes = binary([7; 1000]).masked();
            raw.write_all(&bytes[..1 + random.below(bytes.len() - 1)]).await?;
        }
        VanishesInMessage => {
            let bytes = [fragment(TEXT, "but").masked(), ping("").masked()].concat();
            raw.write_all(&bytes).await?;
        }
        Violates => {
            let (code, bytes) = match random.below(6) {
                0 => (1002, frame(3, "reserved").masked()),
                1 => (1002, text("not masked").unmasked()),
                2 => (1002, frame(CONTINUATION, "of nothing").masked()),
                3 => (1002, frame(CLOSE, [3]).masked()),
                4 => (1007, frame(TEXT, b"\xff").masked()),
                _ => (1009, announce(0x80 | BINARY, 1 << 40, true)),
            };
            raw.write_all(&bytes).await?;
            expect_close(&mut raw, Vec::new(), code).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn close_in_good_order(mut ws: Ws) -> Outcome {
    let closed = ws.close(CloseCode::NORMAL_CLOSURE, "bye").await?;
    if closed.is_clean() && closed.code() == CloseCode::NORMAL_CLOSURE {
        return Ok(());
    }
    Err(format!("{closed:?}").into())
}

async fn is_closed(mut ws: Ws) -> Outcome {
    if ws.read().await?.is_some() {
        return Err("a message before the Close".into());
    }
    let closed = ws.closed().ok_or("no end")?;
    if closed.is_clean() && closed.code().get() == 4000 && closed.reason() == "go" {
        return Ok(());
    }
    Err(format!("{closed:?}").into())
}

/// Sends far more than it has read, for the server to keep.
async fn read_slowly(ws: Ws, random: &mut Random) -> Result<Ws, Wrong> {
    const COUNT: usize = 16;
    let long: Vec<Vec<u8>> = (0..COUNT).map(|_| random.bytes(64 << 10)).collect();
    let (mut reader, sender) = ws.split();
    let send = async {
        for bytes in &long {
            sender.send(&bytes[..]).await?;
        }
        Ok::<(), sockeye::net::Error>(())
    };
    let read = async {
        for bytes in &long {
            sleep(Duration::from_millis(50 + random.below(300) as u64)).await;
            if reader.read().await? != Some(Message::from(&bytes[..])) {
                return Err("the echo is another".into());
            }
        }
        Ok::<(), Wrong>(())
    };
    let (sent, read) = tokio::join!(send, read);
    sent?;
    read?;
    reader.reunite(sender).map_err(|_| "two halves of one".into())
}

async fn is_no_client(server: SocketAddr, random: &mut Random) -> Outcome {
    let mut raw = TcpStream::connect(server).await?;
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec();
    bytes.extend(random.bytes(20));
    bytes.push(0); // no byte of a head, whatever the others were
    raw.write_all(&bytes).await?;
    expect_status(&mut raw, "HTTP/1.1 400 ").await
}

/// Such a reply comes, and then the end.
async fn expect_status(raw: &mut TcpStream, start: &str) -> Outcome {
    let mut reply = Vec::new();
    raw.read_to_end(&mut reply).await?;
    if reply.starts_with(start.as_bytes()) {
        return Ok(());
    }
    Err(format!("not {start}, but \"{}\"", reply.escape_ascii()).into())
}

/// A Close with this code comes, or has begun to, and then the end.
async fn expect_close(raw: &mut TcpStream, mut bytes: Vec<u8>, code: u16) -> Outcome {
    raw.read_to_end(&mut bytes).await?;
    let frames = sent_frames(&bytes, false);
    match frames.as_slice() {
        [(0x88, payload)] if payload.starts_with(&code.to_be_bytes()) => Ok(()),
        _ => Err(format!("not a Close with {code}, but {frames:?}").into()),
    }
}
