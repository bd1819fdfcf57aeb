//! The blocking adapter over a stream that fails, at every call and in every
//! way. The stream is in memory, so that each call can be told apart.

#![cfg(feature = "std")]

mod common;
mod sockets;

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::blocking::{Error, Transport, WebSocket};
use sockeye::handshake::ResponseError;
use sockeye::{Config, Connection, Message, ProtocolError, Side, Timeout, frame, mask};

// ---- the stream ------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
}

/// What a call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It transfers nothing, and so does every later one.
    End,
    Interrupted,
    /// It fails, and so does every later one.
    Reset,
    /// It fails, but the next would work again.
    ResetOnce,
    WouldBlock,
}

const ANY: usize = usize::MAX;

/// A session as it is meant to go.
#[derive(Debug)]
struct Plot {
    ours: Role,
    closes: Side,
    /// The peer's frames as it sends them, and where each of them ends.
    frames: Vec<u8>,
    ends: Vec<usize>,
    messages: Vec<(usize, Message<'static>)>,
    /// All that we send: first bytes and payloads.
    answers: Vec<(u8, Vec<u8>)>,
}

impl Plot {
    fn new(ours: Role, closes: Side) -> Arc<Self> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for frame in session() {
            bytes.extend(if ours == Role::Server { frame.masked() } else { frame.unmasked() });
            ends.push(bytes.len());
        }
        let [hello, _, _, _, binary, close] = session();
        let (count, answers) = match closes {
            Side::Peer => (3, vec![hello, pong("p"), text("h\u{e9}"), binary, close]),
            Side::Local => (1, vec![hello, close]),
        };
        let answers = answers.iter().flat_map(Frame::unmasked).collect::<Vec<_>>();
        Arc::new(Self {
            ours,
            closes,
            frames: bytes,
            ends,
            messages: session_messages().into_iter().take(count).collect(),
            answers: sent_frames(&answers, false),
        })
    }
}

/// Both roles, and a closing by each side.
fn plots() -> Vec<Arc<Plot>> {
    let sides = [Side::Local, Side::Peer];
    ROLES.into_iter().flat_map(|ours| sides.map(|closes| Plot::new(ours, closes))).collect()
}

/// A peer whose words are written down beforehand, and a network that fails
/// once.
#[derive(Clone, Debug)]
struct Script {
    plot: Arc<Plot>,
    /// What the peer says: its head, once that is known, and its frames.
    to_read: Vec<u8>,
    head_len: usize,
    read: usize,
    /// The stream ends when so many bytes have been read.
    end: usize,
    written: Vec<u8>,
    /// Bytes that one call transfers at most.
    max: usize,
    /// What happens to the call with this number, of its kind.
    fault: Option<(Call, usize, Fault)>,
    reads: usize,
    writes: usize,
    /// How many bytes had been read and written when the fault struck.
    struck: Option<(usize, usize)>,
}

impl Script {
    fn new(plot: &Arc<Plot>) -> Self {
        let mut script = Self {
            plot: plot.clone(),
            to_read: Vec::new(),
            head_len: 0,
            read: 0,
            end: ANY,
            written: Vec::new(),
            max: ANY,
            fault: None,
            reads: 0,
            writes: 0,
            struck: None,
        };
        if plot.ours == Role::Server {
            script.say(&request(""));
        }
        script
    }

    fn say(&mut self, head: &str) {
        self.head_len = head.len();
        self.to_read = [head.as_bytes(), &self.plot.frames].concat();
    }

    /// Counts a call; gives what becomes of it if that is a fault.
    fn strike(&mut self, call: Call) -> Option<io::Result<usize>> {
        assert!(self.reads + self.writes < 100_000, "it spins");
        let count = if call == Call::Read { &mut self.reads } else { &mut self.writes };
        let number = *count;
        *count += 1;
        let (on, at, fault) = self.fault?;
        let lasts = matches!(fault, Fault::End | Fault::Reset);
        if on != call || number < at || (number > at && !lasts) {
            return None;
        }
        self.struck.get_or_insert((self.read, self.written.len()));
        Some(match fault {
            Fault::End => Ok(0),
            Fault::Interrupted => Err(ErrorKind::Interrupted.into()),
            Fault::Reset | Fault::ResetOnce => Err(ErrorKind::ConnectionReset.into()),
            Fault::WouldBlock => Err(ErrorKind::WouldBlock.into()),
        })
    }

    /// The frames that we have sent, and whether another was begun.
    fn sent(&self) -> (Vec<(u8, Vec<u8>)>, bool) {
        let head_len = self.written.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        let mut bytes = &self.written[head_len.unwrap_or(self.written.len())..];
        let mut frames = Vec::new();
        while let Some((header, len)) = frame::decode(bytes).unwrap() {
            let end = len + usize::try_from(header.len).unwrap();
            let Some(payload) = bytes.get(len..end) else { break };
            let mut payload = payload.to_vec();
            mask::apply_by_definition(&mut payload, header.mask.unwrap_or_default());
            frames.push((bytes[0], payload));
            bytes = &bytes[end..];
        }
        (frames, !bytes.is_empty())
    }
}

impl Read for &mut Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.to_read.is_empty() {
            let request = String::from_utf8(self.written.clone()).unwrap();
            self.say(&reply(&request, ""));
        }
        if let Some(outcome) = self.strike(Call::Read) {
            return outcome;
        }
        let rest = &self.to_read[self.read..self.end.min(self.to_read.len())];
        let len = rest.len().min(buf.len()).min(self.max);
        buf[..len].copy_from_slice(&rest[..len]);
        self.read += len;
        Ok(len)
    }
}

impl Write for &mut Script {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(outcome) = self.strike(Call::Write) {
            return outcome;
        }
        let before = self.written.len();
        for buf in bufs {
            let left = self.max - (self.written.len() - before);
            self.written.extend_from_slice(&buf[..buf.len().min(left)]);
        }
        Ok(self.written.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

never_waits!(&mut Script);

// ---- the session -----------------------------------------------------------------

/// Opens, sends every message back, closes; then tries what should do nothing
/// any more. Gives the messages read, and how it ended.
fn run(script: &mut Script) -> (Vec<Message<'static>>, Result<(), Error>) {
    let mut read = Vec::new();
    let plot = script.plot.clone();
    let opened = match plot.ours {
        Role::Client => connect(&mut *script, &defaults()),
        Role::Server => accept(&mut *script, &defaults()),
    };
    let outcome = opened.and_then(|mut ws| {
        let outcome = converse(&mut ws, plot.closes, &mut read);
        assert!(outcome.is_err() || ws.closed().unwrap().is_clean());
        let written = ws.stream().written.len();
        assert_shape!(ws.send("late"), Err(_));
        // What was said before a write failed can be read, and no more.
        while matches!(ws.read(), Ok(Some(_))) {}
        assert_shape!(ws.read(), Ok(None) | Err(_));
        let _ = ws.close(code(1000), "late");
        assert_eq!(ws.stream().written.len(), written, "nothing goes out behind the end");
        outcome
    });
    let (sent, cut) = script.sent();
    assert!(plot.answers.starts_with(&sent), "right as far as it goes");
    assert!(script.struck.is_some() || outcome.is_err() || (sent == plot.answers && !cut));
    (read, outcome)
}

fn converse(
    ws: &mut WebSocket<&mut Script>,
    closes: Side,
    read: &mut Vec<Message<'static>>,
) -> Result<(), Error> {
    while let Some(message) = ws.read()? {
        ws.send(&message)?;
        read.push(message);
        if closes == Side::Local {
            return ws.close(code(1000), "bye").map(drop);
        }
    }
    Ok(())
}

/// Runs sessions with this fault, at each of their calls in turn. Hands over
/// what became of each, and whether all but our Close had been written.
fn strike_everywhere(call: Call, fault: Fault, check: impl Fn(&Script, Result<(), Error>, bool)) {
    for (plot, max) in plots().iter().flat_map(|plot| [(plot, 100), (plot, ANY)]) {
        let mut sound = Script { max, ..Script::new(plot) };
        run(&mut sound).1.unwrap();
        let mask_len = if plot.ours == Role::Client { 4 } else { 0 };
        let before_close = sound.written.len() - close(1000, "bye").unmasked().len() - mask_len;
        let count = if call == Call::Read { sound.reads } else { sound.writes };
        for number in 0..count {
            let fault = Some((call, number, fault));
            let mut script = Script { max, fault, ..Script::new(plot) };
            let outcome = run(&mut script).1;
            let (_, written) = script.struck.expect("there is such a call");
            check(&script, outcome, written >= before_close);
        }
    }
}

/// How a session has to end whose stream ends when so much was read.
#[track_caller]
fn assert_ends_as_cut(script: &Script, at: usize, outcome: Result<(), Error>) {
    let plot = &script.plot;
    match at.checked_sub(script.head_len) {
        None if plot.ours == Role::Client => {
            assert_shape!(outcome, Err(Error::Response(ResponseError::EndOfStream)));
        }
        None => {
            assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::UnexpectedEof);
        }
        Some(at) if at == plot.frames.len() => assert_shape!(outcome, Ok(())),
        Some(at) => {
            let cut = at != 0 && !plot.ends.contains(&at);
            assert_shape!(outcome, Err(Error::Lost { inside_frame, .. }) if inside_frame == cut);
        }
    }
}

// ---- tests -----------------------------------------------------------------------

#[test]
fn s5_4_bytes_may_come_and_go_in_pieces_of_any_length() {
    bounded(|| {
        for plot in plots() {
            for max in [1, 2, 3, 7, 100, 4096, ANY] {
                let (read, outcome) = run(&mut Script { max, ..Script::new(&plot) });
                outcome.unwrap();
                assert!(read.iter().eq(plot.messages.iter().map(|(_, message)| message)));
            }
        }
    });
}

#[test]
fn rule_72_the_stream_may_end_at_any_byte() {
    bounded(|| {
        for plot in plots() {
            // What a server says is known only when the client has asked.
            let mut sound = Script::new(&plot);
            run(&mut sound).1.unwrap();
            for end in 0..=sound.to_read.len() {
                let mut script = Script { end, ..Script::new(&plot) };
                let (read, outcome) = run(&mut script);
                assert_ends_as_cut(&script, end, outcome);
                let whole = |frame: usize| script.head_len + plot.ends[frame] <= end;
                let whole = plot.messages.iter().filter(|(frame, _)| whole(*frame));
                assert!(read.iter().eq(whole.map(|(_, message)| message)));
            }
        }
    });
}

#[test]
fn the_stream_may_end_at_any_read() {
    bounded(|| {
        strike_everywhere(Call::Read, Fault::End, |script, outcome, _| {
            assert_ends_as_cut(script, script.struck.unwrap().0, outcome);
        });
    });
}

#[test]
fn a_reset_at_any_read_is_an_error_until_the_closing_handshake_is_done() {
    bounded(|| {
        for fault in [Fault::Reset, Fault::ResetOnce] {
            strike_everywhere(Call::Read, fault, |script, outcome, _| {
                if script.struck.unwrap().0 == script.to_read.len() {
                    assert_shape!(outcome, Ok(()));
                } else {
                    assert_reset(outcome);
                }
            });
        }
    });
}

#[test]
fn a_reset_at_any_write_is_an_error_unless_only_our_close_is_lost() {
    bounded(|| {
        strike_everywhere(Call::Write, Fault::Reset, |_, outcome, at_close| {
            if at_close {
                // The peer's Close can still be read.
                assert_shape!(outcome, Ok(()));
            } else {
                assert_reset(outcome);
            }
        });
    });
}

#[track_caller]
fn assert_reset(outcome: Result<(), Error>) {
    assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionReset);
}

#[test]
fn behind_a_write_that_failed_nothing_more_is_written() {
    bounded(|| {
        // Or a frame would begin inside another. `run` looks for that.
        strike_everywhere(Call::Write, Fault::ResetOnce, |_, outcome, at_close| {
            assert!(at_close || outcome.is_err());
        });
    });
}

#[test]
fn a_stream_that_takes_no_more_bytes_is_an_error() {
    bounded(|| {
        strike_everywhere(Call::Write, Fault::End, |_, outcome, at_close| match outcome {
            Ok(()) => assert!(at_close),
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WriteZero),
            Err(other) => panic!("{other:?}"),
        });
    });
}

#[test]
fn interruptions_and_time_outs_change_nothing() {
    bounded(|| {
        for fault in [Fault::Interrupted, Fault::WouldBlock] {
            for call in [Call::Read, Call::Write] {
                strike_everywhere(call, fault, |script, outcome, _| {
                    outcome.unwrap();
                    let (sent, cut) = script.sent();
                    assert!(sent == script.plot.answers && !cut);
                });
            }
        }
    });
}

// ---- a peer that never stops -----------------------------------------------------

/// Sends the same frame again and again, as fast as it is read, so that a read
/// never has to wait.
struct Chatter {
    frame: Vec<u8>,
    at: usize,
    /// An end that is too late for every test, so that none of them spins on.
    until: Instant,
}

impl Read for Chatter {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.until {
            return Ok(0);
        }
        for byte in &mut *buf {
            *byte = self.frame[self.at];
            self.at = (self.at + 1) % self.frame.len();
        }
        Ok(buf.len())
    }
}

impl Write for Chatter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

never_waits!(Chatter);

const SOON: Duration = Duration::from_millis(50);

/// A server's end whose client sends this frame for ever.
fn server_of(chatter: Frame, set: impl FnOnce(&mut Config)) -> WebSocket<Chatter> {
    let until = Instant::now() + PATIENCE / 3;
    let stream = Chatter { frame: chatter.masked(), at: 0, until };
    let config = config(|c| {
        c.close_timeout = Some(SOON);
        set(c);
    });
    WebSocket::from_parts(stream, Connection::server(config), b"")
}

#[test]
fn s7_1_1_a_peer_that_never_stops_talking_is_hung_up_on() {
    bounded(|| {
        let mut ws = server_of(text("blah"), |_| {});
        assert_shape!(ws.close(code(1000), ""), Err(Error::Timeout(Timeout::Close)));
        // It closes in good order, and talks on.
        let mut ws = server_of(close(1000, ""), |_| {});
        assert_shape!(ws.close(code(1000), ""), Ok(_));
        let mut ws = server_of(text("blah").rsv(1), |_| {});
        assert_shape!(ws.read(), Err(Error::Protocol(ProtocolError::ReservedBits)));
    });
}

#[test]
fn a_deadline_ends_reading_from_a_peer_that_never_stops_talking() {
    bounded(|| {
        let mut ws = server_of(ping("never a message"), |_| {});
        ws.set_deadline(Some(Instant::now() + SOON));
        assert_shape!(ws.read(), Err(Error::DeadlineExceeded));
    });
}

#[test]
fn pings_without_end_do_not_keep_an_idle_connection() {
    bounded(|| {
        let mut ws = server_of(ping("not data"), |c| c.idle_timeout = Some(SOON));
        assert_shape!(ws.read(), Err(Error::Timeout(Timeout::Idle)));
    });
}
