//! What a seed decides before anything happens: limits, deadlines, room, what
//! was negotiated, and the trouble there will be.

use core::time::Duration;
use std::sync::Arc;

use sockeye::Config;
#[cfg(feature = "deflate")]
use sockeye::Connection;

use super::command::Intruder;
#[cfg(feature = "deflate")]
use super::end::{ContextBudget, End};
#[cfg(feature = "deflate")]
use super::pool::Pool;
use super::wire::Loss;
use crate::common::Random;

/// What goes wrong, once.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The application of this end drops the connection.
    Abort(usize),
    /// This end sends what no engine would.
    Intrude(usize, Intruder),
    /// Of what this end has to say, a part arrives and then nothing.
    Lose(usize, Loss),
    /// The same for both.
    LoseBoth(Loss),
    /// This end takes nothing from the transport until all winds up.
    Pause(usize),
    /// What this end sends arrives so much later.
    Stall(usize, Duration),
}

#[derive(Debug)]
pub struct Plan {
    /// No trouble, all limits far away, and deadlines longer than any delay.
    pub is_calm: bool,
    /// Of the client and the server, as everything that comes in twos.
    pub configs: [Arc<Config>; 2],
    #[cfg(feature = "deflate")]
    pub deflate: Option<sockeye::deflate::Params>,
    /// Contexts of compression are lent.
    pub is_lent: bool,
    /// Bytes of output, of scratch room, and on their way.
    pub rooms: [usize; 2],
    pub scratches: [usize; 2],
    pub windows: [usize; 2],
    pub steps: usize,
    /// And at which step.
    pub trouble: Option<(usize, Trouble)>,
    /// The ends that close when all winds up: bits.
    pub closers: usize,
    /// Before that, everything arrives.
    pub settles: bool,
    /// And so long nobody says anything but what deadlines make them say.
    pub lingers: Duration,
    /// Nothing winds up: it is looked at in the middle of it all.
    pub stops: bool,
}

fn pick<T: Copy>(random: &mut Random, choice: &[T]) -> T {
    choice[random.below(choice.len())]
}

fn millis(random: &mut Random, from: usize, below: usize) -> Duration {
    Duration::from_millis((from + random.below(below - from)) as u64)
}

/// One time in so many.
fn rarely(random: &mut Random, times: usize) -> bool {
    random.below(times) == 0
}

impl Plan {
    pub fn calm(random: &mut Random) -> Self {
        let configs = [config(random, true), config(random, true)];
        Self::new(random, true, configs)
    }

    pub fn storm(random: &mut Random) -> Self {
        let configs = [config(random, false), config(random, false)];
        let mut plan = Self::new(random, false, configs);
        let end = random.below(2);
        let loss = pick(random, &[Loss::End, Loss::Silence]);
        let trouble = match random.below(8) {
            0 => Trouble::Abort(end),
            1 => Trouble::Intrude(end, pick(random, &Intruder::ALL)),
            2..=3 => Trouble::Lose(end, loss),
            4 => Trouble::LoseBoth(loss),
            5 => Trouble::Pause(end),
            6 => Trouble::Stall(end, millis(random, 1, 9000)),
            _ => return plan,
        };
        plan.trouble = Some((random.below(plan.steps), trouble));
        plan
    }

    fn new(random: &mut Random, is_calm: bool, configs: [Config; 2]) -> Self {
        let room = |random: &mut Random| match rarely(random, 3) {
            true => pick(random, &[131, 140, 300, 2000]),
            false => 1 << 20,
        };
        let window = |random: &mut Random| match !is_calm && rarely(random, 4) {
            true => pick(random, &[100, 1000, 10_000]),
            false => usize::MAX,
        };
        let scratch = |random: &mut Random| pick(random, &[16, 17, 100, 4096, 16 << 10]);
        Self {
            is_calm,
            #[cfg(feature = "deflate")]
            deflate: deflate(random),
            is_lent: !rarely(random, 64),
            rooms: [room(random), room(random)],
            scratches: [scratch(random), scratch(random)],
            windows: [window(random), window(random)],
            steps: 1 + random.below(48),
            trouble: None,
            closers: 1 + random.below(3),
            settles: rarely(random, 2),
            lingers: match rarely(random, 4) {
                true => millis(random, 0, 9000),
                false => Duration::ZERO,
            },
            stops: rarely(random, 16),
            configs: configs.map(Arc::new),
        }
    }

    /// A plan without chance, for scripts.
    pub fn script(config: &Config) -> Self {
        let configs = [config.clone(), config.clone()];
        Self {
            is_lent: true,
            rooms: [1 << 20; 2],
            scratches: [16 << 10; 2],
            closers: 0,
            stops: false,
            #[cfg(feature = "deflate")]
            deflate: None,
            ..Self::new(&mut Random(0), true, configs)
        }
    }

    /// The end of a connection that compresses as planned, and what its contexts
    /// may take.
    #[cfg(feature = "deflate")]
    pub fn compressing(&self, ws: Connection, pool: &'static Pool) -> (Connection, ContextBudget) {
        let Some(params) = self.deflate else { return (ws, ContextBudget::default()) };
        let mut ws = ws.with_deflate(params);
        // As the documentation of `sockeye::deflate` has it.
        let mut contexts =
            ContextBudget { inflater: 48_500, deflater: 270_000, is_compressing: true };
        if self.is_lent {
            ws.set_lender(pool);
            (contexts.inflater, contexts.deflater) = (0, 0);
        }
        (ws, contexts)
    }

    /// Whether this end may have a decompressor and a compressor just now.
    #[cfg(feature = "deflate")]
    pub fn contexts_kept(&self, ends: &[End; 2], i: usize) -> (bool, bool) {
        let Some(params) = self.deflate else { return (false, false) };
        let by_client = !params.client_no_context_takeover;
        let by_server = !params.server_no_context_takeover;
        let (receives, sends) =
            if i == 0 { (by_server, by_client) } else { (by_client, by_server) };
        (receives || ends[i].is_receiving(), sends || ends[i].is_inside_message())
    }

    /// Contexts that are lent are nobody's own: without them, all memory counts.
    pub fn is_counted(&self) -> bool {
        #[cfg(feature = "deflate")]
        return self.deflate.is_none() || !self.is_lent;
        #[cfg(not(feature = "deflate"))]
        return true;
    }

    /// The most time that can pass before all is over once nobody says more.
    pub fn longest_end(&self) -> Duration {
        let of_end = |config: &Arc<Config>| {
            let times = [config.ping_interval, config.idle_timeout, config.close_timeout];
            let time = times.iter().flatten().sum::<Duration>() + config.pong_timeout;
            #[cfg(feature = "deflate")]
            let time =
                time + config.deflate.as_ref().and_then(|d| d.release_after).unwrap_or_default();
            time
        };
        let stall = match self.trouble {
            Some((_, Trouble::Stall(_, time))) => time,
            _ => Duration::ZERO,
        };
        // Twice, since what has stalled may begin them anew.
        2 * self.configs.iter().map(of_end).sum::<Duration>() + stall + Duration::from_secs(1)
    }
}

fn config(random: &mut Random, is_calm: bool) -> Config {
    let mut config = Config::default();
    // Calm is what all delays that there are fit into.
    let (shortest, longest) = if is_calm { (3000, 9000) } else { (200, 6000) };
    if rarely(random, 2) {
        config.ping_interval = Some(millis(random, 500, 5000));
        config.pong_timeout = millis(random, shortest, longest);
    }
    if rarely(random, 3) {
        config.idle_timeout = Some(millis(random, shortest, longest));
    }
    config.close_timeout = Some(millis(random, shortest, longest));
    if !is_calm {
        if rarely(random, 8) {
            config.close_timeout = None;
        }
        if rarely(random, 4) {
            config.max_message_len = pick(random, &[62, 99, 100, 126, 300, 65_535]);
        }
        if rarely(random, 4) {
            config.max_frame_len = pick(random, &[62, 99, 100, 126, 300, 65_535]);
        }
        if rarely(random, 4) {
            config.max_fragments = pick(random, &[1, 2, 5]);
        }
        config.auto_pong = !rarely(random, 8);
    }
    #[cfg(feature = "deflate")]
    {
        let mut deflate = sockeye::DeflateConfig::default();
        (deflate.level, deflate.mem_level) = (1, 1);
        deflate.min_len = pick(random, &[0, 64, 200]);
        deflate.release_after = rarely(random, 8).then(|| millis(random, 1, 2000));
        config.deflate = Some(deflate);
    }
    config
}

#[cfg(feature = "deflate")]
fn deflate(random: &mut Random) -> Option<sockeye::deflate::Params> {
    use sockeye::deflate::{Params, WindowBits};
    let mut bits = || WindowBits::new(pick(random, &[8, 9, 12, 15])).expect("8 to 15");
    let (server_max_window_bits, client_max_window_bits) = (bits(), bits());
    let params = Params {
        server_no_context_takeover: rarely(random, 2),
        client_no_context_takeover: rarely(random, 2),
        server_max_window_bits,
        client_max_window_bits,
    };
    rarely(random, 3).then_some(params)
}
