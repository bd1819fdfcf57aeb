//! Echoes on a connection, and what must be on the wire for each.

use std::ops::RangeInclusive;

use sockeye::Message;
use sockeye::deflate::{Compress, Params};

use crate::adapter::Socket;
use crate::cases::{frame_name, split};
use crate::peer::{Outcome, Report, hex, same, same_message};

/// The shortest message that is compressed if nothing else is said.
const MIN_LEN: usize = 64;
/// How much less than the window zlib refers back.
const LOOKAHEAD: usize = 262;

/// How many bytes a message is compressed to; `None` if that would gain
/// nothing, so that it goes as it is.
type Bounds = Option<RangeInclusive<usize>>;

/// The frames of a message.
pub struct Wanted {
    len: usize,
    frames: Frames,
    /// Has to be as long as this one.
    like: Option<usize>,
}

enum Frames {
    Plain(Vec<String>),
    /// Names, and the length of all payloads.
    Compressed(Vec<String>, RangeInclusive<usize>),
}

pub struct Talk<'t> {
    ws: &'t mut dyn Socket,
    /// Of ours; `None` if all goes plain.
    bits: Option<u8>,
    windows: Vec<usize>,
    is_alone: bool,
    wanted: Vec<Wanted>,
}

impl<'t> Talk<'t> {
    pub fn new(ws: &'t mut dyn Socket, agreed: Option<Params>) -> Self {
        let params = agreed.unwrap_or_default();
        let (ours, theirs) = (params.client_max_window_bits, params.server_max_window_bits);
        let mut windows = vec![1 << ours.get(), 1 << theirs.get()];
        windows.dedup();
        Self {
            ws,
            bits: agreed.map(|_| ours.get()).filter(|&bits| bits > 8),
            windows,
            is_alone: params.client_no_context_takeover,
            wanted: Vec::new(),
        }
    }

    pub fn into_wanted(self) -> Vec<Wanted> {
        self.wanted
    }

    fn choose(&mut self, choice: Compress) -> Outcome {
        self.ws.command(&mut |ws, _| {
            ws.compress_next(choice);
            Ok(())
        })?;
        Ok(())
    }

    /// Sends a message in one frame, or in several.
    fn send(&mut self, message: &Message<'_>, pieces: usize) -> Outcome {
        if pieces == 1 {
            return Ok(self.ws.send(message.into())?);
        }
        for (n, piece) in split(message.as_bytes(), pieces).into_iter().enumerate() {
            let fin = n == pieces - 1;
            self.ws.command(&mut |ws, out| match message {
                Message::Text(_) => ws.send_text_fragment(piece, fin, out),
                Message::Binary(_) => ws.send_binary_fragment(piece, fin, out),
            })?;
        }
        Ok(())
    }

    fn want(&mut self, message: &Message<'_>, pieces: usize, bounds: Bounds) {
        let bounds = bounds.filter(|_| self.bits.is_some());
        let name = |n: usize| {
            let name = if n == 0 { frame_name(message) } else { "cont" };
            let rsv1 = if n == 0 && bounds.is_some() { "~" } else { "" };
            format!("{name}{rsv1}{}", if n + 1 < pieces { "*" } else { "" })
        };
        let frames = match bounds.clone() {
            Some(bounds) => Frames::Compressed((0..pieces).map(name).collect(), bounds),
            None => {
                let payloads = split(message.as_bytes(), pieces).into_iter().enumerate();
                Frames::Plain(
                    payloads.map(|(n, data)| format!("{}:{}", name(n), data.len())).collect(),
                )
            }
        };
        self.wanted.push(Wanted { len: message.as_bytes().len(), frames, like: None });
    }

    /// Sends a message and gets it back. `kept`, `alone`: the bytes on the wire
    /// with our context and without it.
    fn echo(&mut self, message: &Message<'_>, kept: Bounds, alone: Bounds) -> Outcome {
        self.echo_in(1, message, kept, alone)
    }

    fn echo_in(
        &mut self,
        pieces: usize,
        message: &Message<'_>,
        kept: Bounds,
        alone: Bounds,
    ) -> Outcome {
        self.send(message, pieces)?;
        same_message(self.ws.read()?, message, "echo")?;
        self.want(message, pieces, if self.is_alone { alone } else { kept });
        Ok(())
    }

    /// The message just sent, without context takeover, was compressed to as
    /// many bytes as that one.
    fn like(&mut self, index: usize) {
        if let Some(last) = self.wanted.last_mut().filter(|_| self.is_alone) {
            last.like = Some(index);
        }
    }

    /// Exchanges messages, those of the peer in so many fragments.
    pub fn run(&mut self, pieces: usize) -> Outcome {
        if pieces == 1 { self.whole() } else { self.in_fragments(pieces) }
    }

    /// Messages in one frame.
    fn whole(&mut self) -> Outcome {
        for short in ["", "x"] {
            self.echo(&short.into(), None, None)?;
            self.echo(&short.as_bytes().into(), None, None)?;
        }
        let hello = "hello, ".repeat(17) + "hello!";
        self.echo(&hello.into(), Some(1..=60), Some(1..=60))?;
        self.echo(&noise(125).into(), Some(125..=140), None)?;
        self.echo(&words(65536).into(), Some(1..=32768), Some(1..=32768))?;
        self.echo(&noise(65536).into(), Some(65536..=66000), None)?;
        self.echo(&lines(1 << 20), Some(1..=1 << 18), Some(1..=1 << 18))?;
        self.repeated()?;
        self.chosen()?;
        for window in self.windows.clone() {
            self.far_apart(window)?;
        }
        let message = words(3000).into();
        self.echo_in(7, &message, Some(1..=1500), Some(1..=1500))?;
        self.choose(Compress::No)?;
        self.echo_in(7, &message, None, None)?;
        self.many()
    }

    /// The same again and again, with messages in between that are sent plain.
    fn repeated(&mut self) -> Outcome {
        let again = hex_noise();
        let first = self.wanted.len();
        self.echo(&again, Some(90..=179), Some(90..=179))?;
        for _ in 0..2 {
            self.echo(&again, Some(1..=20), Some(90..=179))?;
            self.like(first);
        }
        let between = [(noise(41), Compress::Auto), (noise(301), Compress::No)];
        for (plain, choice) in between {
            self.choose(choice)?;
            self.echo(&plain.into(), None, None)?;
            self.echo(&again, Some(1..=20), Some(90..=179))?;
            self.like(first);
        }
        self.choose(Compress::No)?;
        self.echo(&again, None, None)?;
        self.echo(&again, Some(1..=20), Some(90..=179))?;
        self.like(first);
        Ok(())
    }

    /// Short messages that are compressed all the same.
    fn chosen(&mut self) -> Outcome {
        self.choose(Compress::Yes)?;
        self.echo(&"".into(), Some(1..=1), Some(1..=1))?;
        self.choose(Compress::Yes)?;
        self.echo(&"x".into(), Some(1..=10), None)
    }

    /// A message that is repeated from just inside a window, and from outside
    /// of it.
    fn far_apart(&mut self, window: usize) -> Outcome {
        let mark: Message<'_> = noise(120).into();
        self.echo(&mark, Some(1..=140), None)?;
        for between in [window.saturating_sub(400).max(10), window] {
            let bounds = (between >= MIN_LEN).then_some(between..=between + 100);
            self.echo(&noise(between).into(), bounds, None)?;
            let reach = self.bits.map_or(0, |bits| (1 << bits) - LOOKAHEAD);
            let is_found = 120 + between <= reach;
            self.echo(&mark, Some(if is_found { 1..=30 } else { 120..=140 }), None)?;
        }
        Ok(())
    }

    /// Without waiting for echoes.
    fn many(&mut self) -> Outcome {
        let message = |n: usize| {
            let mut text = format!("message {n}, ").repeat(n % 40);
            text.truncate(n * 37 % 400);
            Message::from(text)
        };
        for n in 0..300 {
            self.send(&message(n), 1)?;
        }
        for n in 0..300 {
            let (message, len) = (message(n), message(n).as_bytes().len());
            same_message(self.ws.read()?, &message, "echo")?;
            self.want(&message, 1, (len >= MIN_LEN).then_some(1..=len));
        }
        Ok(())
    }

    /// Each in so many frames.
    fn in_fragments(&mut self, pieces: usize) -> Outcome {
        let again = hex_noise();
        let all: [(Message<'_>, _, _); 8] = [
            (again.clone(), 90..=215, 90..=215),
            (again.clone(), 1..=60, 90..=215),
            ("".into(), 1..=10, 1..=10),
            ("x".into(), 1..=20, 1..=20),
            (again, 1..=60, 90..=215),
            (noise(5001).into(), 5001..=5200, 5001..=5200),
            (words(65536).into(), 1..=32768, 1..=32768),
            (words(65536).into_bytes().into(), 1..=32768, 1..=32768),
        ];
        for (n, (message, kept, alone)) in all.into_iter().enumerate() {
            self.echo_in(pieces, &message, Some(kept), Some(alone))?;
            if n == 1 || n == 4 {
                self.like(0);
            }
        }
        Ok(())
    }
}

/// The frames that the peer got are those wanted, with no other but Pongs and a
/// Close.
pub fn check_frames(report: &Report, wanted: &[Wanted]) -> Outcome {
    let mut frames = report
        .frames()?
        .into_iter()
        .filter(|f| !f.starts_with("pong:") && !f.starts_with("close:"));
    let mut lens: Vec<usize> = Vec::new();
    for (n, Wanted { frames: wanted, like, .. }) in wanted.iter().enumerate() {
        let what = format!("frames of message {n}");
        let (Frames::Plain(all) | Frames::Compressed(all, _)) = wanted;
        let got: Vec<&str> = frames.by_ref().take(all.len()).collect();
        let (mut names, mut sum) = (Vec::new(), 0);
        for frame in &got {
            let (name, len) = frame.split_once(':').ok_or("a frame without a length")?;
            names.push(name);
            sum += len.parse::<usize>()?;
        }
        lens.push(sum);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        match wanted {
            Frames::Plain(_) => same(&got, &all, &what)?,
            Frames::Compressed(_, bounds) => {
                same(&names, &all, &what)?;
                if !bounds.contains(&sum) {
                    return Err(format!("{what}: {got:?}, expected {bounds:?} bytes").into());
                }
            }
        }
        if let Some(like) = like {
            same(&sum, &lens[*like], &format!("length of message {n}, as of {like}"))?;
        }
    }
    same(&frames.next(), &None, "one frame more")
}

/// Bytes of all messages, not compressed.
pub fn sum(wanted: &[Wanted]) -> usize {
    wanted.iter().map(|wanted| wanted.len).sum()
}

/// Bytes that cannot be compressed, others for every length.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ len as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    };
    (0..16).for_each(|_| {
        next();
    });
    (0..len).map(|_| next()).collect()
}

/// Text that four bits for each of its characters are enough for.
fn hex_noise() -> Message<'static> {
    hex(&noise(90)).into()
}

/// Text of so many bytes that is compressed to less than half, with references
/// over any distance.
fn words(len: usize) -> String {
    let word = |byte: u8| format!("aé{:x} ", u32::from(byte) * u32::from(byte));
    let mut text: String = noise(len / 4).into_iter().map(word).collect();
    let cut = (0..=len).rev().find(|&cut| text.is_char_boundary(cut)).unwrap_or_default();
    text.truncate(cut);
    text + &" ".repeat(len - cut)
}

/// Bytes that are compressed to very few.
pub fn lines(len: usize) -> Message<'static> {
    let line = |n| format!("{n} bottles of milk on the wall\n");
    let mut text: String = (0..=len / 30).map(line).collect();
    text.truncate(len);
    text.into_bytes().into()
}
