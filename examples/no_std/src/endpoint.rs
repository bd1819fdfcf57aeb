//! One end of a connection on memory of fixed size: what to lift. It takes two
//! functions for the bytes and a counter for the time, and never waits.

use core::ops::Range;

use sockeye::handshake::{Accept, Client, Reply, Server};
use sockeye::{Closed, Connection, Event, FixedOutput, Input, Instant, Output};

/// Bytes received and not yet processed: the head of a request or reply at the
/// least. (`Config::max_head_len` is to be no more, or a head that is too long
/// for us is not known to be.)
pub const RX_LEN: usize = 512;

/// Bytes to be sent: the echo of what one event may hold, and of as much again
/// while that is on its way.
pub const TX_LEN: usize = 2 * (RX_LEN + OVERHEAD);

/// What a chunk can be longer by than the bytes that it came in, three of a
/// character that was cut, and the header of a frame.
pub const OVERHEAD: usize = 3 + 14;

/// The way of the bytes: a serial line, a modem, a socket of a network stack.
pub trait Wire {
    /// Reads what has come, 0 bytes if that is nothing; `None` at the end.
    fn receive(&mut self, room: &mut [u8]) -> Option<usize>;
    /// Takes as many of these bytes as it can now.
    fn send(&mut self, bytes: &[u8]) -> usize;
    /// Nothing more will be sent.
    fn close(&mut self);
}

/// What the connection is for.
pub trait Application {
    /// Room for what it says to an event, without which it is given none.
    const ROOM: usize;

    /// Hears what has come, and may answer.
    fn hear(&mut self, event: &Event<'_>, ws: &mut Connection, out: &mut FixedOutput<'_>) -> Heard;

    /// Says something of its own, if it wants to and there is room.
    fn speak(&mut self, _now: Instant, _ws: &mut Connection, _out: &mut FixedOutput<'_>) -> Heard {
        Ok(())
    }
}

/// An `Err` says what went wrong, and ends it all.
pub type Heard = Result<(), &'static str>;

pub struct Endpoint {
    phase: Phase,
    rx: [u8; RX_LEN],
    unread: Range<usize>,
    tx: [u8; TX_LEN],
    unsent: Range<usize>,
    /// When to look if nothing happens.
    due: Option<Instant>,
}

enum Phase {
    Asking(Client),
    Answering(Server),
    /// The request was no good: the answer is to be sent.
    Refusing,
    Open(Connection),
    /// Our direction has ended; waits for the end of the other one, until then.
    Leaving(Closed, Option<Instant>),
    Over(Closed),
}

impl Endpoint {
    /// A client, which begins with its request.
    pub fn client(client: Client) -> Result<Self, &'static str> {
        let mut tx = [0; TX_LEN];
        let mut out = FixedOutput::new(&mut tx);
        client.write_request(&mut out).map_err(|_| "the request is too long")?;
        let unsent = 0..out.filled().len();
        Ok(Self { tx, unsent, ..Self::new(Phase::Asking(client)) })
    }

    pub fn server(server: Server) -> Self {
        Self::new(Phase::Answering(server))
    }

    const fn new(phase: Phase) -> Self {
        Self { phase, rx: [0; RX_LEN], unread: 0..0, tx: [0; TX_LEN], unsent: 0..0, due: None }
    }

    /// How it ended, when it has.
    pub fn closed(&self) -> Option<&Closed> {
        if let Phase::Over(closed) = &self.phase { Some(closed) } else { None }
    }

    /// Does what can be done now. To be called when bytes have come, or can be
    /// sent, or [`due`](Self::due) has; or just again and again.
    pub fn poll(
        &mut self,
        wire: &mut impl Wire,
        now: Instant,
        app: &mut impl Application,
    ) -> Heard {
        self.send(wire);
        let has_ended = !self.read(wire);
        match self.phase {
            Phase::Asking(_) | Phase::Answering(_) => self.shake_hands(now)?,
            Phase::Open(_) => self.receive(now, app)?,
            // Thrown away.
            Phase::Refusing | Phase::Leaving(..) | Phase::Over(_) => self.unread = 0..0,
        }
        self.send(wire);
        self.end(wire, has_ended, now)
    }

    /// When to call [`poll`](Self::poll) if nothing happens before that.
    #[allow(dead_code)] // for those who sleep until then; this example never does
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    // ---- bytes ---------------------------------------------------------------------

    fn send(&mut self, wire: &mut impl Wire) {
        self.unsent.start += wire.send(&self.tx[self.unsent.clone()]);
        if self.unsent.is_empty() {
            self.unsent = 0..0;
        }
    }

    /// Reads, if there is room. False at the end of the stream.
    fn read(&mut self, wire: &mut impl Wire) -> bool {
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
        match self.rx.get_mut(self.unread.end..) {
            Some(room) if !room.is_empty() => match wire.receive(room) {
                Some(len) => self.unread.end += len,
                None => return false,
            },
            _ => {}
        }
        true
    }

    // ---- the engine ----------------------------------------------------------------

    fn shake_hands(&mut self, now: Instant) -> Heard {
        let received = &self.rx[self.unread.clone()];
        let mut out = FixedOutput::new(&mut self.tx[self.unsent.end..]);
        let opened = match &mut self.phase {
            Phase::Asking(client) => {
                self.due = client.handle_timeout(now).map_err(|_| "no reply in time")?;
                match client.receive(received).map_err(|_| "no good reply")? {
                    Some(Reply::Accepted(response)) => Some((response.head_len(), response.open())),
                    Some(_) => return Err("the server refuses"),
                    None => None,
                }
            }
            Phase::Answering(server) => {
                let due = server.handle_timeout(now);
                match due.and_then(|due| Ok((due, server.receive(received)?))) {
                    Ok((_, Some(request))) => {
                        let accepted = request.accept(&Accept::new(), &mut out);
                        let ws = accepted.map_err(|_| "the reply is too long")?;
                        Some((request.head_len(), ws))
                    }
                    Ok((due, None)) => {
                        self.due = due;
                        None
                    }
                    Err(error) => {
                        error.write_response(&mut out).map_err(|_| "no room to refuse")?;
                        self.phase = Phase::Refusing;
                        None
                    }
                }
            }
            _ => None,
        };
        self.unsent.end += out.filled().len();
        if let Some((head_len, mut ws)) = opened {
            // What follows is frames.
            self.unread.start += head_len;
            self.due = ws.note_time(now);
            self.phase = Phase::Open(ws);
        }
        Ok(())
    }

    fn receive<A: Application>(&mut self, now: Instant, app: &mut A) -> Heard {
        let Phase::Open(ws) = &mut self.phase else { return Ok(()) };
        let mut out = FixedOutput::new(&mut self.tx[self.unsent.end..]);
        let had_nothing = self.unread.is_empty();
        let mut input = Input::new(&mut self.rx[self.unread.clone()]);
        // Without room for the answer an event is not asked for: what it is
        // about stays where it is, is not read from the wire in the end, and the
        // peer has to wait. If the engine needs room, it gives none either.
        while out.has_room(A::ROOM) {
            let Some(event) = ws.receive(&mut input, &mut out) else { break };
            app.hear(&event, ws, &mut out)?;
        }
        self.unread.start = self.unread.end - input.len();
        if ws.is_open() {
            app.speak(now, ws, &mut out)?;
        }
        if had_nothing && self.due.is_some_and(|due| due <= now) {
            self.due = ws.handle_timeout(now, &mut out);
        } else if ws.wants_time() {
            self.due = ws.note_time(now);
        }
        self.unsent.end += out.filled().len();
        Ok(())
    }

    /// Ends our direction when all is said, and it all when the other one has.
    fn end(&mut self, wire: &mut impl Wire, has_ended: bool, now: Instant) -> Heard {
        let is_sent = self.unsent.is_empty();
        let is_late = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        match &mut self.phase {
            Phase::Asking(_) | Phase::Answering(_) if has_ended => {
                return Err("the wire has ended in the handshake");
            }
            Phase::Refusing if is_sent || has_ended => {
                wire.close();
                return Err("no good request");
            }
            Phase::Open(ws) if has_ended && self.unread.is_empty() => {
                wire.close();
                self.phase = Phase::Over(ws.receive_eof());
            }
            Phase::Open(ws) if ws.should_close_transport() => {
                let until = ws.close_deadline();
                if is_sent || is_late(until) {
                    wire.close();
                    self.due = until;
                    self.phase = Phase::Leaving(ws.receive_eof(), until);
                }
            }
            Phase::Leaving(closed, until) if has_ended || is_late(*until) => {
                self.due = None;
                self.phase = Phase::Over(*closed);
            }
            _ => {}
        }
        Ok(())
    }
}
