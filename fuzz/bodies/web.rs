//! Any calls of a script, anything from the network and any tasks in between:
//! the events of a `WebSocket` object keep their order, and its attributes
//! change only when they may.
//!
//! Input: commands, each a byte and what it takes of those that follow it.
//! Bytes that are not there are zero.

use core::time::Duration;
use std::sync::Arc;

use super::script::Script;
use sockeye::web::{Event, Network, Options, ReadyState, WebSocket};
use sockeye::{Instant, Seed, handshake};

pub fn web(data: &[u8]) {
    let mut script = Script::new(data);
    let mut page = Page::new(script.byte());
    while !script.is_over() {
        page.step(&mut script);
        page.check();
    }
    page.wind_up();
}

/// A socket, and what it may be at most.
struct Page {
    ws: Network,
    now: Instant,
    told: Told,
    before: Attributes,
    /// All that was sent, and all of it that the network has taken.
    sent: u64,
    max_buffered: u64,
}

/// What the script knows from events.
#[derive(Default)]
struct Told {
    open: bool,
    error: bool,
    close: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Attributes {
    ready_state: ReadyState,
    buffered_amount: u64,
    extensions: String,
    protocol: String,
}

impl Attributes {
    fn of(ws: &WebSocket) -> Self {
        Self {
            ready_state: ws.ready_state(),
            buffered_amount: ws.buffered_amount(),
            extensions: ws.extensions().into(),
            protocol: ws.protocol().into(),
        }
    }
}

impl Page {
    fn new(kind: u8) -> Self {
        let mut options = Options::default();
        let max_buffered = if kind & 1 == 0 { u64::MAX } else { 100 };
        options.max_buffered = (kind & 1 != 0).then_some(max_buffered);
        options.require_protocol = kind & 2 != 0;
        let url = if kind & 4 == 0 { "ws://host/path" } else { "ws://host:25/" };
        let mut config = (*options.config).clone();
        config.max_message_len = 1000;
        config.ping_interval = (kind & 8 != 0).then_some(Duration::from_secs(7));
        options.config = Arc::new(config);
        let protocols: &[&str] = if kind & 16 == 0 { &[] } else { &["chat"] };
        let seed = Seed::from_bytes([kind; 32]);
        let ws = WebSocket::with_seed(url, protocols, &options, seed).expect("a good URL");
        let ws = Network::new(ws);
        let before = Attributes::of(&ws);
        let now = Instant::from_epoch(Duration::ZERO);
        Self { ws, now, told: Told::default(), before, sent: 0, max_buffered }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let command = script.byte() % 20;
        let ws = &mut self.ws;
        match command {
            // The network: no attribute may change.
            0 => ws.connected(self.now),
            1 => self.reply(script.byte()),
            2 => {
                let bytes = script.some_bytes();
                self.frame(0x80 | command_opcode(script.byte()), bytes);
            }
            3 => {
                let first = script.byte();
                self.frame(first, script.some_bytes());
            }
            4 => ws.receive(&mut script.some_bytes().to_vec()),
            5 => ws.receive_eof(),
            6 => ws.connect_failed("somebody has cut the cable"),
            7 => ws.wrote(script.byte().into()),
            8 => ws.wrote(ws.output().len()),
            9 => {
                ws.note_time(self.now);
            }
            10 => {
                self.now = self.now + Duration::from_millis(100 * u64::from(script.byte()));
                ws.handle_timeout(self.now);
            }
            11 => {
                assert!(!(ws.wants_time() && ws.should_close_transport()));
                return;
            }
            // The event loop.
            12..=14 => return self.turn(),
            // The script.
            _ => return self.call(command, script),
        }
        assert_eq!(Attributes::of(&self.ws), self.before, "command {command}: nobody has turned");
    }

    /// A reply that accepts, or nearly.
    fn reply(&mut self, kind: u8) {
        let request = self.ws.output().to_vec();
        let request = String::from_utf8_lossy(&request);
        let Some((_, rest)) = request.split_once("Sec-WebSocket-Key: ") else { return };
        let key = rest.split("\r\n").next().unwrap_or_default();
        let accept = handshake::accept_key(key.as_bytes());
        let accept = core::str::from_utf8(&accept).expect("base64");
        let protocol = if kind & 1 == 0 { "" } else { "Sec-WebSocket-Protocol: chat\r\n" };
        let deflate =
            if kind & 2 == 0 { "" } else { "Sec-WebSocket-Extensions: permessage-deflate\r\n" };
        let reply = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{protocol}{deflate}\r\n"
        );
        self.ws.wrote(request.len());
        self.ws.receive(&mut reply.into_bytes());
    }

    /// A frame as a server sends it.
    fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first, payload.len() as u8];
        frame.extend_from_slice(payload);
        self.ws.receive(&mut frame);
    }

    fn turn(&mut self) {
        let had_tasks = self.ws.has_tasks();
        let fired = self.ws.turn();
        assert_eq!(fired.is_some(), had_tasks);
        let after = Attributes::of(&self.ws);
        assert!(after.ready_state >= self.before.ready_state, "states only grow");
        assert!(after.buffered_amount <= self.before.buffered_amount, "nothing was sent");
        for event in fired.into_iter().flatten() {
            assert!(!self.told.close, "{event:?} after close");
            match event {
                Event::Open => {
                    assert!(!self.told.open && !self.told.error);
                    assert_eq!(self.before.ready_state, ReadyState::Connecting);
                    assert_eq!(after.ready_state, ReadyState::Open);
                    self.told.open = true;
                }
                Event::Message(_) => {
                    assert!(self.told.open && !self.told.error);
                    assert_eq!(after.ready_state, ReadyState::Open);
                }
                Event::Error => {
                    assert!(!self.told.error);
                    assert!(self.ws.diagnostic().is_some(), "there is a cause");
                    self.told.error = true;
                }
                Event::Close(close) => {
                    assert_eq!(after.ready_state, ReadyState::Closed);
                    assert_eq!(self.told.error, !close.was_clean);
                    assert!(!close.was_clean || self.told.open);
                    assert!(!self.ws.has_tasks(), "nothing comes after close");
                    self.told.close = true;
                }
            }
        }
        self.before = after;
    }

    fn call(&mut self, command: u8, script: &mut Script<'_>) {
        let ws = &mut self.ws;
        let state = ws.ready_state();
        match command {
            15 | 16 => {
                let data = script.some_bytes();
                let text = String::from_utf8_lossy(data);
                let (len, result) = match command {
                    15 => (data.len(), ws.send_binary(data)),
                    _ => (text.len(), ws.send_text(&text)),
                };
                assert_eq!(result.is_err(), state == ReadyState::Connecting);
                if result.is_ok() {
                    self.sent += len as u64;
                    self.before.buffered_amount += len as u64;
                }
            }
            17 => {
                let data = script.some_bytes();
                let result = ws.try_send(data);
                assert!(result.is_err() || state == ReadyState::Open);
                if result.is_ok() {
                    self.sent += data.len() as u64;
                    self.before.buffered_amount += data.len() as u64;
                    assert!(self.before.buffered_amount <= self.max_buffered);
                }
            }
            18 => {
                let code = u16::from_be_bytes([script.byte(), script.byte()]);
                let code = (code > 0).then_some(code);
                let reason = String::from_utf8_lossy(script.some_bytes()).repeat(3);
                let is_good = code.is_none_or(|c| c == 1000 || (3000..5000).contains(&c))
                    && reason.len() <= 123;
                let result = ws.close(code, Some(&reason));
                assert_eq!(result.is_ok(), is_good);
                if is_good {
                    self.before.ready_state = state.max(ReadyState::Closing);
                }
            }
            _ => {
                ws.go_away();
                self.before.ready_state = state.max(ReadyState::Closing);
            }
        }
        assert_eq!(Attributes::of(&self.ws), self.before, "command {command}");
    }

    fn check(&self) {
        assert!(self.ws.buffered_amount() <= self.sent);
        assert!(self.ws.target().is_none() || self.ws.is_opening());
        if self.told.close {
            assert!(self.ws.should_close_transport());
        }
    }

    /// Whatever came before, the end of the transport is the end.
    fn wind_up(mut self) {
        self.ws.receive_eof();
        while self.ws.has_tasks() {
            self.turn();
        }
        assert!(self.told.close, "close comes, always");
        assert!(self.ws.should_close_transport() && self.ws.target().is_none());
    }
}

fn command_opcode(byte: u8) -> u8 {
    [0x1, 0x2, 0x8, 0x9, 0xA, 0x0][usize::from(byte % 6)]
}
