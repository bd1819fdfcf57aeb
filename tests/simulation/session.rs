//! Scripted sessions, whose transport is lost after any byte of either
//! direction. What must become of them is told from the bytes that were
//! delivered alone.

use core::time::Duration;

#[cfg(feature = "deflate")]
use sockeye::deflate::Params;
use sockeye::{CloseFrame, Config, MessageKind};

use super::command::{Command, Intruder};
use super::log::Sent;
use super::model::{Ending, Outcome};
use super::plan::Plan;
use super::seeds::Run;
use super::wire::Loss;
use super::world::{NAMES, World};
use crate::common::Random;

const CLIENT: usize = 0;
const SERVER: usize = 1;

#[derive(Clone, Debug)]
pub struct Session {
    name: String,
    script: Vec<(usize, Command)>,
    #[cfg(feature = "deflate")]
    deflate: Option<Params>,
}

fn close(code: u16) -> Command {
    Command::Close(Some(code), "bye \u{20ac}".into())
}

fn fragment(kind: MessageKind, payload: &str, fin: bool) -> Command {
    Command::Fragment { kind, payload: payload.into(), fin, by_hand: false }
}

/// Some of everything, without an end.
fn talk() -> Vec<(usize, Command)> {
    use MessageKind::{Binary, Text};
    vec![
        (CLIENT, Command::Text("hello".into())),
        (CLIENT, fragment(Text, "10 \u{20ac}", false)),
        (SERVER, fragment(Binary, "ab", false)),
        (SERVER, Command::Ping(b"are you there".to_vec())),
        (CLIENT, Command::Ping(Vec::new())),
        (CLIENT, fragment(Text, "", false)),
        (CLIENT, fragment(Text, " \u{1f41f} hello", true)),
        (SERVER, fragment(Binary, "c hello hello", true)),
        (SERVER, Command::Binary(vec![b'x'; 130])),
        (SERVER, Command::Text(String::new())),
        (CLIENT, Command::Text("hello".into())),
    ]
}

/// All sessions, plain and compressed.
pub fn all() -> Vec<Session> {
    let cut_short = fragment(MessageKind::Text, "cut short", false);
    let ends = [
        ("the client closes", vec![(CLIENT, close(1000))]),
        ("the server closes", vec![(SERVER, close(3999))]),
        ("both close", vec![(CLIENT, close(4000)), (SERVER, close(4001))]),
        ("no code", vec![(SERVER, Command::Close(None, String::new()))]),
        (
            "closed inside messages",
            vec![(CLIENT, cut_short.clone()), (SERVER, cut_short), (CLIENT, close(1001))],
        ),
        ("data behind a Close", vec![(CLIENT, close(1000)), (SERVER, Command::Text("x".into()))]),
        ("a client's fault", vec![(CLIENT, Command::Intrude(Intruder::ReservedOpcode))]),
        ("a server's fault", vec![(SERVER, Command::Intrude(Intruder::Utf8))]),
        (
            "a fault and a Close",
            vec![(CLIENT, Command::Intrude(Intruder::CloseReason)), (SERVER, close(1000))],
        ),
    ];
    let plain = ends.into_iter().map(|(name, end)| Session {
        name: name.into(),
        script: [talk(), end].concat(),
        #[cfg(feature = "deflate")]
        deflate: None,
    });
    #[cfg(feature = "deflate")]
    let plain = plain.flat_map(|session| {
        let agreed = [None, Some(Params::default()), Some(Params::NO_CONTEXT_TAKEOVER)];
        agreed.map(|deflate| Session { deflate, ..session.clone() })
    });
    plain.collect()
}

/// How a run came out, and what each end was told.
#[derive(Debug, PartialEq)]
struct Story {
    outcomes: [Option<Outcome>; 2],
    told: [usize; 2],
    /// Bytes of each direction that were read.
    read: [u64; 2],
}

impl Session {
    fn world(&self) -> World {
        let mut config = Config::default();
        config.ping_interval = Some(Duration::from_secs(5));
        config.pong_timeout = Duration::from_secs(5);
        #[cfg(feature = "deflate")]
        {
            let mut deflate = sockeye::DeflateConfig::default();
            (deflate.level, deflate.mem_level, deflate.min_len) = (1, 1, 4);
            config.deflate = Some(deflate);
        }
        let plan = Plan::script(&config);
        #[cfg(feature = "deflate")]
        let plan = Plan { deflate: self.deflate, ..plan };
        World::new(plan, Random(7), Run::of(7))
    }

    fn play(&self, world: &mut World) -> Story {
        for (i, command) in &self.script {
            world.execute(*i, command);
            // Two that close in a row do so at once.
            if !matches!(command, Command::Close(..)) {
                world.settle(Duration::ZERO);
            }
        }
        world.settle(Duration::ZERO);
        world.wind_up();
        let of = |i: usize| world.ends[i].model.outcome();
        let told = |i: usize| world.ends[1 - i].out.log.told_so_far().len();
        Story {
            outcomes: [of(0), of(1)],
            told: [told(0), told(1)],
            read: [world.wires[0].read_len(), world.wires[1].read_len()],
        }
    }

    /// Nothing is lost, and how the bytes are cut makes no difference. Gives
    /// how many there are in each direction.
    fn play_whole(&self) -> [u64; 2] {
        let whole = self.play(&mut self.world());
        for longest_read in [1, 2, 7] {
            let mut world = self.world();
            world.longest_read = longest_read;
            assert_eq!(self.play(&mut world), whole, "{}, cut by {longest_read}", self.name);
        }
        whole.read
    }

    /// Loses one direction after each of its bytes, or before the first; gives
    /// how often.
    pub fn lose_after_every_byte(&self) -> usize {
        let lens = self.play_whole();
        let mut count = 0;
        for (i, name) in NAMES.iter().enumerate() {
            for at in 0..=lens[i] {
                for loss in [Loss::End, Loss::Silence] {
                    for longest_read in [1, usize::MAX] {
                        let mut world = self.world();
                        world.longest_read = longest_read;
                        world.wires[i].lost = Some((at, loss));
                        self.play(&mut world);
                        let lost = format!(
                            "{}: of {} bytes by the {name}, {at} arrived, then {loss:?}",
                            self.name, lens[i],
                        );
                        check_loss(&world, i, at, loss, &lost);
                        count += 1;
                    }
                }
            }
        }
        count
    }
}

/// The stream away from `sender` was lost after `at` bytes.
fn check_loss(world: &World, sender: usize, at: u64, loss: Loss, lost: &str) {
    let receiver = 1 - sender;
    let log = &world.ends[sender].out.log;

    // All that was complete by then, and no more.
    let told = log.told_so_far();
    assert_eq!(told, log.sent_with(at), "{lost}");

    // Sections 7.1.4 to 7.1.6, and what ended it.
    let closed = world.ends[receiver].ws.closed().expect(lost);
    let has_sent = world.ends[receiver].out.log.is_closed;
    let is_at_border = at == 0 || log.frame_ends().contains(&at);
    let timeout = |timeout| Ending::Timeout(timeout);
    let (cause, code, is_clean) = match told.last() {
        Some(Sent::Close(payload)) => (Ending::ClosingHandshake, code_of(payload), true),
        Some(Sent::Violation(error)) => (Ending::Protocol(*error), 1006, false),
        _ if loss == Loss::End => {
            (Ending::EndOfStream { inside_frame: !is_at_border }, 1006, false)
        }
        _ if closed.sent().is_some_and(|sent| sent.code().is_none_or(|c| c.get() != 1011)) => {
            (timeout(sockeye::Timeout::Close), 1006, false)
        }
        _ => (timeout(sockeye::Timeout::Pong), 1006, false),
    };
    assert_eq!(Ending::from(closed.cause()), cause, "{lost}");
    assert_eq!((closed.code().get(), closed.is_clean()), (code, is_clean), "{lost}");
    assert_eq!(has_sent, closed.sent().is_some(), "{lost}");

    // The other end has all that this one has said, and it is clean if there
    // was a Close frame among it.
    let replies = &world.ends[receiver].out.log;
    let other = world.ends[sender].ws.closed().expect(lost);
    let (code, is_clean) = match replies.told_so_far().last() {
        Some(Sent::Close(payload)) => (code_of(payload), true),
        _ => (1006, false),
    };
    assert_eq!((other.code().get(), other.is_clean()), (code, is_clean), "{lost}");
    if loss == Loss::End {
        assert_eq!(replies.told_so_far(), replies.sent_with(u64::MAX), "{lost}");
    }
}

/// Section 7.1.5.
fn code_of(payload: &[u8]) -> u16 {
    let frame = CloseFrame::parse(payload).expect("a Close frame that is valid");
    frame.code().map_or(1005, |code| code.get())
}
