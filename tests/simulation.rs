//! Two engines, a simulated transport, a virtual clock: whatever a seed makes of
//! them, what `simulation/invariants.rs` says holds after every step.
//!
//! `SOCKEYE_SEEDS=1000000 cargo test --release --all-features --test simulation`
//! runs a million seeds. A seed that fails prints the command that runs it
//! again, step by step, cut down to the fewest steps that fail. (A million of each
//! test took 84 s on two cores that had other work, of an Intel Xeon, and 100,000
//! without it 5.6 s: 17,900 a second. 2026-11-22, commit 378d75e.)

mod common;
mod counted;
#[path = "simulation/mod.rs"]
mod simulation;

use common::Random;
use counted::count;
use simulation::plan::Plan;
use simulation::seeds::{Run, for_each_seed};
use simulation::session::{self, Session};
use simulation::world::{self, World};

/// The life of one world, and what its engines keep of the memory it took.
fn live(run: Run, plan: impl FnOnce(&mut Random) -> Plan) {
    world::prepare();
    let mut budget = 0;
    let (_, kept, _) = count(|| {
        let mut random = Random(run.seed);
        let plan = plan(&mut random);
        let world = World::new(plan, random, run).live();
        budget = world.memory_budget();
        world.into_engines()
    });
    assert!(kept <= budget, "the engines keep {kept} bytes, and may keep {budget}");
}

#[test]
fn without_trouble_everything_arrives_and_closing_is_clean() {
    for_each_seed("without_trouble_everything_arrives_and_closing_is_clean", |run| {
        live(run, Plan::calm);
    });
}

#[test]
fn in_any_trouble_what_arrives_was_sent_and_there_is_one_outcome_in_time() {
    for_each_seed("in_any_trouble_what_arrives_was_sent_and_there_is_one_outcome_in_time", |run| {
        live(run, Plan::storm);
    });
}

#[test]
fn s7_1_5_a_transport_lost_after_any_byte_has_the_outcome_of_what_arrived() {
    let count: usize = session::all().iter().map(Session::lose_after_every_byte).sum();
    println!("{count} transports lost");
}
