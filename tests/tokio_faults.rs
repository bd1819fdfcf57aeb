//! The tokio adapter over a stream that fails or gets stuck, at every call and
//! in every way; and one that ends at every byte.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::io::ErrorKind;
use std::sync::Arc;

use common::*;
use sockets::{session, session_messages};
use sockeye::handshake::{Accept, RequestError, ResponseError};
use sockeye::net::Endpoint;
use sockeye::tokio::{Error, WebSocket, accept_with, handshake};
use sockeye::{Closed, Config, Message, Side, Timeout, frame as frames, mask};
use tokio_common::*;

/// Every deadline is on, and what has to be waited for in the end adds up to
/// less than this.
const IN_TIME: std::time::Duration = std::time::Duration::from_secs(60);

fn deadlines() -> Arc<Config> {
    config(|c| {
        c.handshake_timeout = Some(10 * SECOND);
        c.ping_interval = Some(20 * SECOND);
        c.pong_timeout = 5 * SECOND;
        c.close_timeout = Some(5 * SECOND);
    })
}

/// A session as it is meant to go.
struct Plot {
    ours: Role,
    closes: Side,
    is_split: bool,
    /// The peer's frames as it sends them, and where each of them ends.
    frames: Vec<u8>,
    ends: Vec<usize>,
    messages: Vec<(usize, Message<'static>)>,
    /// All that we send: first bytes and payloads.
    answers: Vec<(u8, Vec<u8>)>,
}

impl Plot {
    fn new(ours: Role, closes: Side, is_split: bool) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for frame in session() {
            bytes.extend(encode_for(ours, [frame]));
            ends.push(bytes.len());
        }
        let [hello, _, _, _, binary, close] = session();
        let (count, answers) = match closes {
            Side::Peer => (3, vec![hello, pong("p"), text("h\u{e9}"), binary, close]),
            Side::Local => (1, vec![hello, close]),
        };
        let messages = session_messages().into_iter().take(count).collect();
        Self { ours, closes, is_split, frames: bytes, ends, messages, answers: decoded(answers) }
    }

    /// The network of this session, with no fault as yet.
    fn link(&self) -> Link {
        let link = Link::new("");
        {
            let mut net = link.net();
            net.has_ended = true;
            match self.ours {
                Role::Client => net.behind_reply = Some(self.frames.clone()),
                Role::Server => {
                    let request = request("");
                    net.head_len = request.len();
                    net.to_read = [request.as_bytes(), &self.frames].concat();
                }
            }
        }
        link
    }
}

/// Both roles, a closing by each side, with one task and with halves.
fn plots() -> Vec<Plot> {
    let mut plots = Vec::new();
    for (ours, closes) in ROLES.into_iter().flat_map(|r| [(r, Side::Local), (r, Side::Peer)]) {
        plots.extend([false, true].map(|is_split| Plot::new(ours, closes, is_split)));
    }
    plots
}

/// What became of a session.
struct Outcome {
    read: Vec<Message<'static>>,
    result: Result<Closed, Error>,
}

/// Opens, sends every message back, closes; then tries what should do nothing
/// any more.
async fn run_plot(plot: &Plot, link: &Link) -> Outcome {
    let mut read = Vec::new();
    let (result, took) = timed(async {
        let ws = match plot.ours {
            Role::Client => {
                let endpoint = Endpoint::new("localhost", 80, "/").config(deadlines());
                handshake(endpoint, link.clone()).await?
            }
            Role::Server => {
                let accepted =
                    accept_with(link.clone(), deadlines(), |_| Accept::new().into()).await?;
                accepted.expect("nobody was rejected")
            }
        };
        if plot.is_split {
            converse_split(ws, plot.closes, &mut read, link).await
        } else {
            converse(ws, plot.closes, &mut read, link).await
        }
    })
    .await;
    assert!(took <= IN_TIME, "it took {took:?}");
    let (sent, cut) = sent(link);
    let pings = |frame: &(u8, Vec<u8>)| frame.0 != 0x80 | PING && !is_given_up(frame);
    let sent: Vec<_> = sent.into_iter().filter(pings).collect();
    assert!(plot.answers.starts_with(&sent), "right as far as it goes");
    let is_whole = sent == plot.answers && !cut;
    assert!(link.net().struck.is_some() || result.is_err() || is_whole);
    Outcome { read, result }
}

fn is_given_up(frame: &(u8, Vec<u8>)) -> bool {
    *frame == decoded([close(1011, "no answer to a Ping")]).remove(0)
}

async fn converse(
    mut ws: WebSocket<Link>,
    closes: Side,
    read: &mut Vec<Message<'static>>,
    link: &Link,
) -> Result<Closed, Error> {
    let outcome = async {
        while let Some(message) = ws.read().await? {
            ws.send(&message).await?;
            read.push(message);
            if closes == Side::Local {
                return ws.close(code(1000), "bye").await;
            }
        }
        Ok(ws.closed().unwrap())
    };
    let outcome = outcome.await;
    let written = link.net().written.len();
    assert_shape!(ws.send("late").await, Err(_));
    // What was said before a write failed can be read, and no more.
    while matches!(ws.read().await, Ok(Some(_))) {}
    assert_shape!(ws.read().await, Ok(None) | Err(_));
    let _ = ws.close(code(1000), "late").await;
    if outcome.is_ok() {
        assert_eq!(link.net().written.len(), written, "nothing goes out behind the end");
    }
    outcome
}

async fn converse_split(
    ws: WebSocket<Link>,
    closes: Side,
    read: &mut Vec<Message<'static>>,
    link: &Link,
) -> Result<Closed, Error> {
    let (mut reader, sender) = ws.split();
    let outcome = async {
        while let Some(message) = reader.read().await? {
            sender.send(&message).await?;
            read.push(message);
            if closes == Side::Local {
                sender.start_close(code(1000), "bye").await.or_else(|error| match error {
                    Error::Io(e) if e.kind() == ErrorKind::ConnectionReset => Ok(()),
                    error => Err(error),
                })?;
                while reader.ready().await? {
                    while reader.next_event().is_some() {}
                }
                break;
            }
        }
        Ok(reader.closed().unwrap())
    };
    let outcome = outcome.await;
    let written = link.net().written.len();
    assert_shape!(sender.send("late").await, Err(_));
    while matches!(reader.read().await, Ok(Some(_))) {}
    assert_shape!(reader.read().await, Ok(None) | Err(_));
    if outcome.is_ok() {
        assert_eq!(link.net().written.len(), written, "nothing goes out behind the end");
    }
    outcome
}

/// The frames that we have sent, and whether another was begun.
fn sent(link: &Link) -> (Vec<(u8, Vec<u8>)>, bool) {
    let net = link.net();
    let head_len = net.written.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
    let mut bytes = &net.written[head_len.unwrap_or(net.written.len())..];
    let mut whole = Vec::new();
    while let Some((header, len)) = frames::decode(bytes).unwrap() {
        let end = len + usize::try_from(header.len).unwrap();
        let Some(payload) = bytes.get(len..end) else { break };
        let mut payload = payload.to_vec();
        mask::apply_by_definition(&mut payload, header.mask.unwrap_or_default());
        whole.push((bytes[0], payload));
        bytes = &bytes[end..];
    }
    (whole, !bytes.is_empty())
}

/// Runs sessions with this fault, at each of their calls in turn. Hands over
/// what became of each, and whether all but our Close had been written.
async fn strike_everywhere(
    call: Call,
    fault: Fault,
    check: impl Fn(&Plot, &Net, Result<Closed, Error>, bool),
) {
    let sizes: [&[usize]; 3] = [&[100], &[1, 2000], &[]];
    for (plot, sizes) in plots().iter().flat_map(|plot| sizes.map(|s| (plot, s))) {
        let link = plot.link();
        link.net().sizes = sizes.into();
        run_plot(plot, &link).await.result.unwrap();
        let (before_close, calls) = {
            let net = link.net();
            let mask_len = if plot.ours == Role::Client { 4 } else { 0 };
            let close_len = close(1000, "bye").unmasked().len() + mask_len;
            (net.written.len() - close_len, net.calls[call as usize])
        };
        assert!(calls > 0);
        for number in 0..calls {
            let link = plot.link();
            {
                let mut net = link.net();
                (net.sizes, net.fault) = (sizes.into(), Some((call, number, fault)));
            }
            let outcome = run_plot(plot, &link).await;
            let net = link.net();
            let (_, written) = net.struck.expect("there is such a call");
            // A flush comes behind what is written.
            let at_close = written >= before_close + usize::from(call == Call::Flush);
            check(plot, &net, outcome.result, at_close);
        }
    }
}

/// How a session has to end whose stream ends when so much was read.
#[track_caller]
fn assert_ends_as_cut(plot: &Plot, net: &Net, at: usize, result: Result<Closed, Error>) {
    match at.checked_sub(net.head_len) {
        None if plot.ours == Role::Client => {
            assert_shape!(result, Err(Error::Response(ResponseError::EndOfStream)));
        }
        None => assert_shape!(result, Err(Error::Io(e)) if e.kind() == ErrorKind::UnexpectedEof),
        Some(at) if at == plot.frames.len() => {
            assert_shape!(result, Ok(closed) if closed.is_clean() && closed.code().get() == 1000);
        }
        Some(at) => {
            let cut = at != 0 && !plot.ends.contains(&at);
            assert_shape!(result, Err(Error::Lost { inside_frame, .. }) if inside_frame == cut);
        }
    }
}

#[track_caller]
fn assert_reset(result: Result<Closed, Error>) {
    assert_shape!(result, Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionReset);
}

// ---- tests -----------------------------------------------------------------------

#[test]
fn s5_4_bytes_may_come_and_go_in_pieces_of_any_length_and_make_us_wait() {
    run(|| async {
        let sizes: [&[usize]; 6] = [&[1], &[2], &[3], &[1, 7, 100], &[4096], &[]];
        for (plot, sizes) in plots().iter().flat_map(|plot| sizes.map(|s| (plot, s))) {
            for (waits, is_vectored) in [(0, true), (0, false), (2, true), (3, false)] {
                let link = plot.link();
                {
                    let mut net = link.net();
                    (net.sizes, net.waits, net.is_vectored) = (sizes.into(), waits, is_vectored);
                }
                let outcome = run_plot(plot, &link).await;
                assert!(outcome.result.unwrap().is_clean());
                assert!(outcome.read.iter().eq(plot.messages.iter().map(|(_, m)| m)));
            }
        }
    });
}

#[test]
fn rule_72_the_stream_may_end_at_any_byte() {
    run(|| async {
        for plot in plots() {
            let sound = plot.link();
            run_plot(&plot, &sound).await.result.unwrap();
            let len = sound.net().to_read.len();
            // The long message: not each of its bytes.
            let interesting = |end: &usize| *end < 600 || end % 97 == 0 || *end + 200 > len;
            for end in (0..=len).filter(interesting) {
                let link = plot.link();
                link.net().ends_at = end;
                let outcome = run_plot(&plot, &link).await;
                let net = link.net();
                assert_ends_as_cut(&plot, &net, end, outcome.result);
                let whole = |frame: usize| net.head_len + plot.ends[frame] <= end;
                let whole = plot.messages.iter().filter(|(frame, _)| whole(*frame));
                assert!(outcome.read.iter().eq(whole.map(|(_, message)| message)));
            }
        }
    });
}

#[test]
fn the_stream_may_end_at_any_read() {
    run(|| {
        strike_everywhere(Call::Read, Fault::End, |plot, net, result, _| {
            assert_ends_as_cut(plot, net, net.struck.unwrap().0, result);
        })
    });
}

#[test]
fn a_reset_at_any_read_is_an_error_until_the_closing_handshake_is_done() {
    run(|| async {
        for fault in [Fault::Reset, Fault::ResetOnce] {
            strike_everywhere(Call::Read, fault, |_, net, result, _| {
                if net.struck.unwrap().0 == net.to_read.len() {
                    assert_shape!(result, Ok(closed) if closed.is_clean());
                } else {
                    assert_reset(result);
                }
            })
            .await;
        }
    });
}

#[test]
fn a_reset_at_any_write_is_an_error_unless_only_our_close_is_lost() {
    run(|| async {
        for call in [Call::Write, Call::Flush] {
            strike_everywhere(call, Fault::Reset, |_, _, result, at_close| {
                if at_close {
                    // The peer's Close can still be read.
                    assert_shape!(result, Ok(closed) if closed.is_clean());
                } else {
                    assert_shape!(
                        result,
                        Err(Error::Io(e))
                            if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
                    );
                }
            })
            .await;
        }
    });
}

#[test]
fn behind_a_write_that_failed_nothing_more_is_written() {
    run(|| async {
        // Or a frame would begin inside another. `run_plot` looks for that.
        strike_everywhere(Call::Write, Fault::ResetOnce, |_, _, result, at_close| {
            assert!(at_close || result.is_err());
        })
        .await;
    });
}

#[test]
fn a_stream_that_takes_no_more_bytes_is_an_error() {
    run(|| {
        strike_everywhere(Call::Write, Fault::End, |_, _, result, at_close| match result {
            Ok(_) => assert!(at_close),
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WriteZero),
            Err(other) => panic!("{other:?}"),
        })
    });
}

#[test]
fn an_interrupted_write_is_tried_again() {
    run(|| {
        strike_everywhere(Call::Write, Fault::Interrupted, |_, _, result, _| {
            assert!(result.unwrap().is_clean());
        })
    });
}

#[test]
fn how_the_shutdown_of_the_stream_goes_changes_nothing() {
    run(|| async {
        for fault in [Fault::Reset, Fault::Stall] {
            strike_everywhere(Call::Shutdown, fault, |_, _, result, _| {
                assert!(result.unwrap().is_clean());
            })
            .await;
        }
    });
}

#[test]
fn a_stream_that_stalls_at_any_call_ends_with_a_deadline() {
    run(|| async {
        for call in [Call::Read, Call::Write, Call::Flush] {
            strike_everywhere(call, Fault::Stall, |plot, net, result, at_close| {
                let (read, written) = net.struck.unwrap();
                match result {
                    Err(Error::Request(RequestError::Timeout)) => {
                        assert_eq!(plot.ours, Role::Server);
                        assert!(read < net.head_len || written < 200);
                    }
                    Err(Error::Response(ResponseError::Timeout)) => {
                        assert_eq!(plot.ours, Role::Client);
                        assert!(net.head_len == 0 || read < net.head_len);
                    }
                    Err(Error::Timeout(Timeout::Pong)) => {
                        assert!(!at_close || plot.closes == Side::Peer);
                    }
                    Err(Error::Timeout(Timeout::Close)) => assert_eq!(plot.closes, Side::Local),
                    Ok(closed) => {
                        let has_come = read == net.to_read.len() || call != Call::Read;
                        // A sender does not wait for what the stream has taken.
                        let is_sent = at_close || call == Call::Flush && plot.is_split;
                        assert!(closed.is_clean() && is_sent && has_come);
                    }
                    Err(other) => panic!("{other:?} at {call:?} of {:?}", net.struck),
                }
            })
            .await;
        }
    });
}
