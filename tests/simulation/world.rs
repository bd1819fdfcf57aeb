//! Two ends, two wires, one clock, and a scheduler that draws what happens next.

use core::time::Duration;
use std::sync::Arc;

use sockeye::{Assembler, Cause, Connection, Instant, Seed};

use super::command::{self, Command};
use super::end::End;
use super::invariants::{self, short};
use super::plan::{Plan, Trouble};
#[cfg(feature = "deflate")]
use super::pool::Pool;
use super::seeds::Run;
use super::wire::{Loss, Wire};
use crate::common::Random;

pub const NAMES: [&str; 2] = ["client", "server"];

/// Makes what all worlds share, so that its memory counts for none of them.
pub fn prepare() {
    command::prepare();
    #[cfg(feature = "deflate")]
    Pool::both();
}

/// Bytes that an engine keeps for itself: its masking keys, its deadlines, a
/// Ping and how it ended.
const KEPT: usize = 2 << 10;

pub struct World {
    pub ends: [End; 2],
    /// `wires[i]` leads away from end `i`.
    pub wires: [Wire; 2],
    pub now: Instant,
    pub plan: Plan,
    /// The most bytes that a reader takes at a time.
    pub longest_read: usize,
    random: Random,
    run: Run,
    #[cfg(feature = "deflate")]
    pools: [&'static Pool; 2],
}

impl World {
    pub fn new(plan: Plan, random: Random, run: Run) -> Self {
        prepare();
        run.tell(|| format!("{plan:?}"));
        #[cfg(feature = "deflate")]
        let pools = Pool::both();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&run.seed.to_be_bytes());
        let make = |i: usize| {
            let config = Arc::clone(&plan.configs[i]);
            let ws = match i {
                0 => Connection::client(Seed::from_bytes(key), config),
                _ => Connection::server(config),
            };
            #[cfg(feature = "deflate")]
            let (ws, contexts) = plan.compressing(ws, pools[i]);
            let peer_limits = Arc::clone(&plan.configs[1 - i]);
            let end = End::new(ws, peer_limits, plan.rooms[i], plan.scratches[i]);
            #[cfg(feature = "deflate")]
            let end = end.with_contexts(contexts);
            end
        };
        let mut world = Self {
            ends: [make(0), make(1)],
            wires: plan.windows.map(Wire::new),
            now: Instant::from_epoch(Duration::ZERO),
            plan,
            longest_read: usize::MAX,
            random,
            run,
            #[cfg(feature = "deflate")]
            pools,
        };
        for i in 0..2 {
            world.ends[i].note_time(world.now);
        }
        world
    }

    /// The whole life of a seed.
    pub fn live(mut self) -> Self {
        let steps = self.plan.steps.min(self.run.max_steps);
        for step in 0..steps {
            match self.plan.trouble {
                Some((at, trouble)) if at == step => self.trouble(trouble),
                _ => self.step(),
            }
            self.check();
        }
        if self.plan.settles {
            self.settle(self.plan.lingers);
        }
        if !self.plan.stops {
            self.wind_up();
            self.check_outcomes();
        }
        self
    }

    /// Bytes that both engines may have now: what each keeps, its contexts until
    /// it is gone, and of an unfinished message twice what has come of it.
    pub fn memory_budget(&self) -> usize {
        if !self.plan.is_counted() {
            return usize::MAX;
        }
        let of_end = |end: &End| {
            let contexts = if end.model.is_gone() { 0 } else { end.contexts().total() };
            KEPT + contexts + 2 * end.assembler.len()
        };
        self.ends.iter().map(of_end).sum()
    }

    /// What is left when the world is gone.
    pub fn into_engines(self) -> [(Connection, Assembler); 2] {
        self.ends.map(|end| (end.ws, end.assembler))
    }

    fn tell(&self, i: usize, what: impl FnOnce() -> String) {
        self.run.tell(|| format!("{:?} {}: {}", self.now.since_epoch(), NAMES[i], what()));
    }

    // ---- what can happen ----------------------------------------------------------

    fn step(&mut self) {
        let i = self.random.below(2);
        let is_calm = self.plan.is_calm;
        match self.random.below(32) {
            0..=9 => {
                let command = command::traffic(&mut self.random);
                self.execute(i, &command);
            }
            10 if !is_calm => {
                let command = command::close(&mut self.random);
                self.execute(i, &command);
            }
            10..=14 => {
                let len = self.piece_len();
                self.flush(i, len);
            }
            15..=20 => {
                let len = self.piece_len();
                self.deliver(i, len);
            }
            21..=24 => {
                let longest = if !is_calm && self.random.below(8) == 0 { 4000 } else { 50 };
                let millis = self.random.below(longest) as u64;
                self.pass(Duration::from_millis(millis));
            }
            // Early, late, or twice: calls are harmless.
            25..=26 => self.handle_timeout(i),
            27..=28 => self.note_time(i),
            29 if !is_calm => self.ends[i].is_paused ^= true,
            _ => self.close_transport_if_due(i),
        }
    }

    /// Any cut is as good as another.
    fn piece_len(&mut self) -> usize {
        match [1, 4, 20, 1000, 0][self.random.below(5)] {
            0 => usize::MAX,
            bound => 1 + self.random.below(bound),
        }
    }

    pub fn execute(&mut self, i: usize, command: &Command) {
        self.tell(i, || short(command));
        self.ends[i].execute(command);
        if !self.ends[i].is_up {
            self.wires[i].ended = true;
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.run.tell(|| format!("{:?} {trouble:?}", self.now.since_epoch()));
        match trouble {
            Trouble::Abort(i) => self.execute(i, &Command::Abort),
            Trouble::Intrude(i, intruder) => self.execute(i, &Command::Intrude(intruder)),
            Trouble::Lose(i, loss) => self.lose(i, loss),
            Trouble::LoseBoth(loss) => {
                self.lose(0, loss);
                self.lose(1, loss);
            }
            Trouble::Pause(i) => self.ends[i].is_paused = true,
            Trouble::Stall(i, time) => self.wires[i].stalled_until = Some(self.now + time),
        }
    }

    /// Some of what is on its way, or will be, still arrives: up to any byte.
    fn lose(&mut self, i: usize, loss: Loss) {
        let left = self.wires[i].len() + self.ends[i].out.len() + self.random.below(20);
        let at = self.wires[i].read_len() + self.random.below(left + 1) as u64;
        self.wires[i].lost = Some((at, loss));
    }

    pub fn flush(&mut self, i: usize, len: usize) {
        let Self { ends, wires, .. } = self;
        let len = len.min(ends[i].out.len()).min(wires[i].room());
        if len > 0 {
            // No more than a deadline allows for, all together.
            let delay = Duration::from_millis(self.random.below(40) as u64);
            wires[i].send(&ends[i].out.bytes()[..len], self.now, delay);
            ends[i].out.flushed(len);
            self.tell(i, || format!("{len} bytes out"));
        }
    }

    /// Bytes arrive, or the end of the stream.
    pub fn deliver(&mut self, i: usize, len: usize) {
        let [client, server] = &mut self.ends;
        let (me, peer) = if i == 0 { (client, server) } else { (server, client) };
        let wire = &mut self.wires[1 - i];
        let len = wire.ready(self.now).min(len);
        if !me.is_up {
            wire.receive(len);
            return;
        }
        if me.is_paused {
            return;
        }
        if me.is_stuck() {
            me.receive(&[], &mut peer.out.log);
        }
        if me.is_stuck() {
            return;
        }
        if len > 0 {
            me.receive(wire.receive(len), &mut peer.out.log);
            self.tell(i, || format!("{len} bytes in"));
        } else if wire.is_over(self.now) {
            me.receive_eof();
            self.flush(i, usize::MAX);
            self.wires[i].ended = true;
            self.tell(i, || format!("end of stream: {:?}", self.cause(i)));
        }
    }

    fn note_time(&mut self, i: usize) {
        self.ends[i].note_time(self.now);
    }

    pub fn handle_timeout(&mut self, i: usize) {
        self.ends[i].handle_timeout(self.now);
        self.tell(i, || format!("next deadline {:?}", self.ends[i].deadline));
    }

    /// Time passes. Who is calm looks what has come before giving up.
    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for i in 0..2 {
            if self.plan.is_calm {
                self.pump(i);
            }
            let is_due = self.ends[i].deadline.is_some_and(|at| at <= self.now);
            if is_due && (self.plan.is_calm || self.random.below(4) > 0) {
                self.handle_timeout(i);
            }
        }
    }

    /// What an adapter does when the engine says so: what can be flushed goes,
    /// and what cannot has its deadline.
    fn close_transport_if_due(&mut self, i: usize) {
        if !self.ends[i].is_up || !self.ends[i].ws.should_close_transport() {
            return;
        }
        self.flush(i, usize::MAX);
        let deadline = self.ends[i].ws.close_deadline();
        if self.ends[i].out.len() == 0 || deadline.is_none_or(|at| at <= self.now) {
            self.ends[i].receive_eof();
            self.wires[i].ended = true;
            self.tell(i, || format!("closes the transport: {:?}", self.cause(i)));
        }
    }

    fn cause(&self, i: usize) -> Option<Cause> {
        self.ends[i].ws.closed().map(|closed| closed.cause())
    }

    // ---- how it ends ----------------------------------------------------------------

    /// One end does all it can without the clock. True if it did something.
    pub fn pump(&mut self, i: usize) -> bool {
        let progress = |world: &Self| {
            let (end, wire) = (&world.ends[i], &world.wires[1 - i]);
            (end.out.len(), wire.len(), end.is_up, end.is_stuck(), world.wires[i].len())
        };
        let before = progress(self);
        self.deliver(i, self.longest_read);
        if self.ends[i].ws.wants_time() {
            self.note_time(i);
        }
        self.flush(i, usize::MAX);
        self.close_transport_if_due(i);
        progress(self) != before
    }

    /// Everything arrives that is under way, and is answered; and so long deadlines
    /// do what they do.
    pub fn settle(&mut self, lingers: Duration) {
        let until = self.now + lingers;
        loop {
            while self.pump(0) | self.pump(1) {}
            let arrivals = self.wires.iter().filter_map(|wire| wire.next(self.now));
            let deadlines = self.ends.iter().filter_map(End::waits_until);
            let next = arrivals.chain(deadlines.filter(|at| *at <= until)).min();
            let Some(next) = next else { break };
            self.pass(next.saturating_duration_since(self.now));
            self.check();
        }
    }

    /// Nobody begins anything more, but to close. Time goes from one thing that
    /// is due to the next, until nothing is.
    pub fn wind_up(&mut self) {
        let start = self.now;
        let mut to_close = self.plan.closers;
        self.ends[0].is_paused = false;
        self.ends[1].is_paused = false;
        loop {
            for i in 0..2 {
                if to_close & 1 << i != 0 {
                    let code = Some(4000 + i as u16);
                    self.execute(i, &Command::Close(code, "done".into()));
                    // Without room for it, another time.
                    to_close &= if self.ends[i].ws.is_open() { 3 } else { !(1 << i) };
                }
            }
            let mut made_room = false;
            while self.pump(0) | self.pump(1) {
                made_room = true;
            }
            self.check();
            if to_close != 0 && made_room {
                continue;
            }
            let deadlines = self.ends.iter().filter_map(End::waits_until);
            let arrivals = self.wires.iter().filter_map(|wire| wire.next(self.now));
            let Some(next) = deadlines.chain(arrivals).min() else { break };
            self.now = self.now.max(next);
            invariants::ends_within(start, self.now, self.plan.longest_end());
            for i in 0..2 {
                self.pump(i);
                if self.ends[i].deadline.is_some_and(|at| at <= self.now) {
                    self.handle_timeout(i);
                }
            }
        }
        for i in 0..2 {
            if self.ends[i].is_up {
                // Nothing more will come, and no deadline was set.
                assert_eq!(self.ends[i].waits_until(), None);
                self.execute(i, &Command::Abort);
            }
        }
    }

    fn check(&self) {
        #[cfg(feature = "deflate")]
        for (i, pool) in self.pools.iter().enumerate() {
            let is_gone = self.ends[i].model.is_gone();
            invariants::contexts_are_within(
                pool.lent(),
                self.plan.contexts_kept(&self.ends, i),
                is_gone,
            );
        }
    }

    pub fn check_outcomes(&self) {
        let [client, server] = &self.ends;
        let closed = |end: &End| end.ws.closed().expect("an outcome");
        let outcomes = [closed(client), closed(server)];
        invariants::codes_agree(&outcomes[0], &outcomes[1]);
        for (i, outcome) in outcomes.iter().enumerate() {
            let log = &self.ends[1 - i].out.log;
            if self.plan.is_calm {
                assert!(outcome.is_clean(), "{}: {outcome:?}", NAMES[i]);
            }
            if outcome.is_clean() {
                invariants::all_is_delivered(log);
            }
            invariants::code_is_that_of_the_rfc(outcome);
        }
    }
}
