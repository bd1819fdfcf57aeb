//! A client as the engine knows it: bytes in, bytes out, and the time. From its
//! request to its end; no rule of the protocol is here.

use std::mem;
use std::sync::Arc;

use sockeye::handshake::{Accept, BuildError, Rejection, RequestError, Server};
use sockeye::{Assembler, CloseCode, Config, Connection, Incoming, Input, Instant};

use super::{ENOUGH, LINGER, Memory, PATIENCE, answer};

pub struct Session {
    phase: Phase,
    /// The client sends no more.
    has_ended: bool,
    /// When it last took something.
    taken_at: Instant,
    /// When the engine wants to be told the time.
    engine_due: Option<Instant>,
    due: Option<Instant>,
    /// By when it has to be gone, once all is said.
    leaves_by: Option<Instant>,
}

enum Phase {
    /// The request is coming.
    Opening { server: Server, received: Vec<u8> },
    Open {
        ws: Connection,
        assembler: Assembler,
        /// What has come, and is received when the answers to what came before
        /// are written. Of what is compressed there may be more without any bytes.
        held: Option<Vec<u8>>,
    },
    /// It was no good.
    Refused,
    /// Our direction has ended; what still comes is thrown away.
    Leaving,
}

/// What the loop has to do with a client next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for bytes, for room to write, or until it is due.
    Wait,
    /// End our direction: all is said, and written. Then wait.
    HangUp,
    /// Close the socket.
    Drop,
}

impl Session {
    pub fn new(config: Arc<Config>, now: Instant) -> Self {
        Self {
            phase: Phase::Opening { server: Server::new(config), received: Vec::new() },
            has_ended: false,
            taken_at: now,
            engine_due: None,
            due: None,
            leaves_by: None,
        }
    }

    /// When to look at it if nothing happens; as of the last
    /// [`next_step`](Self::next_step).
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    // ---- bytes ---------------------------------------------------------------------

    /// True if it is to be read from: not who sends no more, nor who is to be
    /// hung up on and not yet is, nor while there is enough to do.
    pub fn wants_bytes(&self) -> bool {
        !self.has_ended && !self.is_done() && !self.holds_input()
    }

    /// True if what has come is not all received: [`go_on`](Self::go_on) when all
    /// is written.
    pub fn holds_input(&self) -> bool {
        matches!(self.phase, Phase::Open { held: Some(_), .. })
    }

    /// Receives what was held back.
    pub fn go_on(&mut self, memory: &mut Memory, out: &mut Vec<u8>) {
        self.receive_frames(&mut [], memory, out);
        if self.has_ended && !self.holds_input() {
            self.receive_eof();
        }
    }

    /// These bytes have come. What is to be written for them is appended to `out`.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        memory: &mut Memory,
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        match &mut self.phase {
            Phase::Opening { server, received } => {
                // Most requests come whole, and are read where they lie.
                let mut gathered = mem::take(received);
                let bytes = if gathered.is_empty() {
                    bytes
                } else {
                    gathered.extend_from_slice(bytes);
                    &mut gathered[..]
                };
                let (ws, head_len) = match server.receive(bytes) {
                    Ok(Some(request)) => {
                        let ws = request.accept(&Accept::new(), out)?;
                        (ws, request.head_len())
                    }
                    Ok(None) => {
                        *received = bytes.to_vec();
                        return Ok(());
                    }
                    Err(error) => return self.refuse(&error, out),
                };
                let mut assembler = Assembler::new();
                assembler.set_max_len(ws.config().max_message_len);
                self.phase = Phase::Open { ws, assembler, held: None };
                self.engine_due = None;
                // A client may not wait for the reply before it sends.
                self.receive_frames(&mut bytes[head_len..], memory, out);
            }
            Phase::Open { .. } => self.receive_frames(bytes, memory, out),
            Phase::Refused | Phase::Leaving => {}
        }
        Ok(())
    }

    /// Where the next bytes are best read to, if not to memory of the loop's: a
    /// large message that is coming has room for them. Then
    /// [`receive_room`](Self::receive_room).
    pub fn room(&mut self) -> &mut [u8] {
        match &mut self.phase {
            Phase::Open { ws, assembler, held: None } => assembler.room(ws),
            _ => &mut [],
        }
    }

    /// The first `len` bytes of the [room](Self::room) have come.
    pub fn receive_room(&mut self, len: usize, memory: &mut Memory, out: &mut Vec<u8>) {
        let Phase::Open { ws, assembler, .. } = &mut self.phase else { return };
        // A `Vec` has room for what may have to be said.
        if let Some(message) = assembler.receive_room(len, ws, out) {
            let _ = answer(&message, ws, out);
            memory.keep(message.into_buffer());
        }
    }

    fn receive_frames(&mut self, bytes: &mut [u8], memory: &mut Memory, out: &mut Vec<u8>) {
        let Phase::Open { ws, assembler, held } = &mut self.phase else { return };
        let mut gathered = held.take().unwrap_or_default();
        let bytes = if gathered.is_empty() {
            bytes
        } else {
            gathered.extend_from_slice(bytes);
            &mut gathered[..]
        };
        assembler.put_buffer(mem::take(&mut memory.spare));
        let mut left = bytes.len();
        loop {
            let start = bytes.len() - left;
            let mut input = Input::with_scratch(&mut bytes[start..], &mut memory.scratch);
            while out.len() < ENOUGH {
                let Some(event) = ws.receive(&mut input, out) else { break };
                if let Some(Incoming::Message(message)) = assembler.push(event) {
                    // After our Close, what still comes has no answer.
                    let _ = answer(&message, ws, out);
                    assembler.put_buffer(message.into_buffer());
                }
            }
            left = input.len();
            if out.len() >= ENOUGH || !ws.wants_scratch() {
                break;
            }
        }
        if out.len() >= ENOUGH && (left > 0 || ws.is_inflating()) {
            *held = Some(bytes[bytes.len() - left..].to_vec());
        }
        memory.keep(assembler.take_buffer());
    }

    /// The client sends no more.
    pub fn receive_eof(&mut self) {
        self.has_ended = true;
        // If something is held back, it comes before.
        if let Phase::Open { ws, held: None, .. } = &mut self.phase {
            let closed = ws.receive_eof();
            if !closed.is_clean() {
                eprintln!("connection: {closed:?}");
            }
        }
    }

    /// Tells the client what is wrong with its request.
    fn refuse(&mut self, error: &RequestError, out: &mut Vec<u8>) -> Result<(), BuildError> {
        eprintln!("handshake: {error}");
        self.phase = Phase::Refused;
        error.write_response(out)
    }

    /// The server is about to end: tells the client so, and waits for its answer.
    pub fn go_away(&mut self, out: &mut Vec<u8>) {
        match &mut self.phase {
            Phase::Opening { .. } => {
                self.phase = Phase::Refused;
                // A `Vec` has room, and there is nothing in it to be wrong.
                let _ = Rejection::new(503).body("going away").write(out);
            }
            // An error means that it is being closed already.
            Phase::Open { ws, .. } => drop(ws.close(Some(CloseCode::GOING_AWAY), "", out)),
            Phase::Refused | Phase::Leaving => {}
        }
    }

    // ---- time ----------------------------------------------------------------------

    /// The client has taken some of what waited for it, or nothing did.
    pub fn has_taken(&mut self, now: Instant) {
        self.taken_at = now;
    }

    /// Tells the engine the time, if it cares; after reading, and when it is due.
    /// A deadline counts if `has_looked`: there was nothing to read, and nothing
    /// kept us from reading. What would keep it may be waiting there.
    pub fn keep_time(&mut self, has_looked: bool, now: Instant, out: &mut Vec<u8>) {
        let is_due = has_looked && self.engine_due.is_some_and(|due| due <= now);
        match &mut self.phase {
            Phase::Opening { server, .. } => match server.handle_timeout(now) {
                Ok(due) => self.engine_due = due,
                // A `Vec` has room.
                Err(error) => drop(self.refuse(&error, out)),
            },
            Phase::Open { ws, .. } if is_due => self.engine_due = ws.handle_timeout(now, out),
            Phase::Open { ws, .. } => self.engine_due = ws.note_time(now),
            Phase::Refused | Phase::Leaving => {}
        }
    }

    /// What to do next; after [`keep_time`](Self::keep_time), and writing.
    pub fn next_step(&mut self, is_flushed: bool, now: Instant) -> Step {
        let is_leaving = matches!(self.phase, Phase::Leaving);
        if is_leaving || self.is_done() {
            let until = *self.leaves_by.get_or_insert(now + LINGER);
            self.due = Some(until);
            if until <= now || self.has_ended && is_flushed {
                return Step::Drop;
            }
            if is_flushed && !is_leaving {
                self.phase = Phase::Leaving;
                return Step::HangUp;
            }
        } else if is_flushed {
            self.due = self.engine_due;
        } else {
            // Who is not read from cannot be heard to answer.
            let until = self.taken_at + PATIENCE;
            self.due = Some(until);
            if until <= now {
                return Step::Drop;
            }
        }
        Step::Wait
    }

    /// True if our direction is to be ended, once all is written.
    fn is_done(&self) -> bool {
        match &self.phase {
            Phase::Open { ws, .. } => ws.should_close_transport(),
            Phase::Refused => true,
            Phase::Opening { .. } | Phase::Leaving => self.has_ended,
        }
    }
}
