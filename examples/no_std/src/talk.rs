//! The two applications: a server that sends everything back, and a client that
//! has much to say and looks at what it hears.

use core::time::Duration;

use sockeye::{CloseCode, Connection, Event, FixedOutput, Instant, Output, SendError};

use crate::endpoint::{Application, Heard, OVERHEAD, RX_LEN};

/// Sends back chunk by chunk: a message may be longer than all memory there is.
pub struct Echo;

impl Application for Echo {
    const ROOM: usize = RX_LEN + OVERHEAD;

    fn hear(&mut self, event: &Event<'_>, ws: &mut Connection, out: &mut FixedOutput<'_>) -> Heard {
        let sent = match event {
            Event::Text(t) => ws.send_text_fragment(t.as_str().as_bytes(), t.is_last(), out),
            Event::Binary(b) => ws.send_binary_fragment(b.as_bytes(), b.is_last(), out),
            Event::Failed(_) => return Err("the server has heard something wrong"),
            // Answered already.
            _ => Ok(()),
        };
        sent.map_err(|_| "the echo did not go out")
    }
}

/// Messages that the client sends.
pub const MESSAGES: u32 = 8000;

/// How long each of them is, again and again: all ways to write a length that
/// fit into memory, empty ones, and some that have to go in fragments.
const LENS: [usize; 9] = [0, 1, 7, 125, 126, 200, 700, 0, 5000];

/// Bytes of a frame at most.
const FRAGMENT_LEN: usize = 300;

/// The first half of the messages goes without Pings. After so many messages
/// the client says nothing for a while, long enough to be asked if it is there.
const PAUSE_AFTER: u32 = MESSAGES / 2 + 1000;
const PAUSE: Duration = Duration::from_secs(3);

/// Texts and bytes in turn, with Pings before some fragments.
pub struct Speaker {
    sending: Place,
    hearing: Place,
    /// Its payload is its number, in 125 bytes for every third.
    pub pings: u32,
    pongs: u32,
    asked: bool,
    speaks_again_at: Option<Instant>,
    pub bytes: u64,
    pub keep_alives: u32,
}

/// How far it is in the messages.
#[derive(Clone, Copy)]
struct Place {
    message: u32,
    at: usize,
}

impl Place {
    const START: Self = Self { message: 0, at: 0 };

    fn is_text(self) -> bool {
        self.message % 2 == 0
    }

    fn len(self) -> usize {
        LENS[self.message as usize % LENS.len()]
    }

    /// The byte here: of a text whose characters are one to four bytes long, or
    /// some byte.
    fn byte(self) -> u8 {
        const TEXT: &[u8] = "h\u{e9}\u{20ac}\u{1f41f}".as_bytes();
        if !self.is_text() {
            return (self.message as usize * 31 + self.at * 7) as u8;
        }
        // What is too little for all of them is not in the pattern.
        let whole = self.len() - self.len() % TEXT.len();
        if self.at < whole { TEXT[self.at % TEXT.len()] } else { b'.' }
    }

    fn advance(&mut self) {
        *self = Self { message: self.message + 1, at: 0 };
    }
}

impl Speaker {
    pub const fn new() -> Self {
        Self {
            sending: Place::START,
            hearing: Place::START,
            pings: 0,
            pongs: 0,
            asked: false,
            speaks_again_at: None,
            bytes: 0,
            keep_alives: 0,
        }
    }

    /// Messages that have come back.
    pub fn echoed(&self) -> u32 {
        self.hearing.message
    }

    fn check(&mut self, is_text: bool, bytes: &[u8], is_last: bool) -> Heard {
        if is_text != self.hearing.is_text() {
            return Err("an echo of another kind");
        }
        for byte in bytes {
            if self.hearing.at == self.hearing.len() || *byte != self.hearing.byte() {
                return Err("an echo of something else");
            }
            self.hearing.at += 1;
        }
        self.bytes += bytes.len() as u64;
        if is_last {
            if self.hearing.at != self.hearing.len() {
                return Err("an echo that is too short");
            }
            self.hearing.advance();
        }
        Ok(())
    }

    fn ping_payload(number: u32, memory: &mut [u8; 125]) -> &[u8] {
        memory[..4].copy_from_slice(&number.to_be_bytes());
        if number % 3 == 0 { memory } else { &memory[..4] }
    }

    fn say(&mut self, ws: &mut Connection, out: &mut FixedOutput<'_>) -> Result<(), SendError> {
        let mut fragment = [0; FRAGMENT_LEN];
        let mut place = self.sending;
        let fragment = &mut fragment[..FRAGMENT_LEN.min(place.len() - place.at)];
        for byte in fragment.iter_mut() {
            *byte = place.byte();
            place.at += 1;
        }
        let is_last = place.at == place.len();
        if place.is_text() {
            ws.send_text_fragment(fragment, is_last, out)?;
        } else {
            ws.send_binary_fragment(fragment, is_last, out)?;
        }
        if is_last {
            place.advance();
        }
        self.sending = place;
        Ok(())
    }
}

impl Application for Speaker {
    const ROOM: usize = 0;

    fn hear(&mut self, event: &Event<'_>, _: &mut Connection, _: &mut FixedOutput<'_>) -> Heard {
        match event {
            Event::Text(t) => self.check(true, t.as_str().as_bytes(), t.is_last())?,
            Event::Binary(b) => self.check(false, b.as_bytes(), b.is_last())?,
            Event::Pong(payload) => {
                self.pongs += 1;
                if **payload != *Self::ping_payload(self.pongs, &mut [0; 125]) {
                    return Err("a Pong to something else");
                }
            }
            Event::Ping(_) => self.keep_alives += 1,
            Event::Close(_) if self.pongs == self.pings => {}
            Event::Close(_) => return Err("a Ping has no Pong"),
            _ => return Err("the client has heard something wrong"),
        }
        Ok(())
    }

    /// There is always left what the answer to a Ping takes: who waits for room
    /// to answer hears nothing, and two such ends would wait for each other.
    fn speak(&mut self, now: Instant, ws: &mut Connection, out: &mut FixedOutput<'_>) -> Heard {
        if self.speaks_again_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        while out.has_room(FRAGMENT_LEN + OVERHEAD + 2 * FixedOutput::MIN_LEN) {
            let sent = if self.echoed() == MESSAGES {
                return ws
                    .close(Some(CloseCode::NORMAL_CLOSURE), "that was all", out)
                    .map_err(|_| "the client cannot close");
            } else if self.sending.message == MESSAGES {
                return Ok(());
            } else if !self.asked
                && self.sending.message >= MESSAGES / 2
                && self.sending.message % 5 == 0
            {
                self.asked = true;
                self.pings += 1;
                ws.send_ping(Self::ping_payload(self.pings, &mut [0; 125]), out)
            } else {
                self.asked = false;
                self.say(ws, out)
            };
            sent.map_err(|_| "the client cannot send")?;
            if self.sending.at == 0 && self.sending.message % PAUSE_AFTER == 0 {
                self.speaks_again_at = Some(now + PAUSE);
                break;
            }
        }
        Ok(())
    }
}
