//! Many seeds one after another, and one of them again.
//!
//! | variable | what it asks for |
//! |---|---|
//! | `SOCKEYE_SEEDS=N` or `A..B` | so many seeds, or these |
//! | `SOCKEYE_SEED=N` | this seed alone, with all of its steps told |
//! | `SOCKEYE_STEPS=N` | with it: no more steps than these |

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::Instant;
use std::{env, fmt};

/// Seeds of a test if nobody asks for more.
const SEEDS: u64 = 3000;

/// One run of a seed.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub seed: u64,
    /// It takes no more steps than these before it winds up.
    pub max_steps: usize,
    /// Tells what it does.
    pub is_told: bool,
}

impl Run {
    /// Of many: as long as it likes, and silent.
    pub const fn of(seed: u64) -> Self {
        Self { seed, max_steps: usize::MAX, is_told: false }
    }

    pub fn tell<T: fmt::Display>(&self, what: impl FnOnce() -> T) {
        if self.is_told {
            println!("{}", what());
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

fn seeds() -> Range<u64> {
    let asked = env::var("SOCKEYE_SEEDS").ok();
    let parse = |n: &str| n.parse().unwrap_or_else(|_| panic!("SOCKEYE_SEEDS: {n} is no number"));
    match asked.as_deref().map(|asked| asked.split_once("..").ok_or(asked)) {
        None => 0..SEEDS,
        Some(Err(count)) => 0..parse(count),
        Some(Ok((start, end))) => parse(start)..parse(end),
    }
}

/// Runs `story` for each seed. The first that fails is cut down to the fewest
/// steps that fail, and the command printed that runs it again.
pub fn for_each_seed(test: &str, story: impl Fn(Run)) {
    if let Some(seed) = number("SOCKEYE_SEED") {
        let max_steps = number("SOCKEYE_STEPS").map_or(usize::MAX, |n| n as usize);
        return story(Run { seed, max_steps, is_told: true });
    }
    let (seeds, start) = (seeds(), Instant::now());
    let count = seeds.end.saturating_sub(seeds.start);
    assert!(count > 0, "no seeds to run");
    for seed in seeds {
        let run = Run::of(seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| story(run))) {
            let steps = fewest_steps(|max_steps| story(Run { max_steps, ..run }));
            eprintln!("replay with: {}", command(test, seed, steps));
            resume_unwind(panic);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{test}: {count} seeds in {seconds:.1} s, {:.0} a second", count as f64 / seconds);
}

/// The command that runs a seed again. What a seed means depends on whether
/// there is compression, and some checks are made in debug builds alone.
fn command(test: &str, seed: u64, steps: Option<usize>) -> String {
    let steps = steps.map_or(String::new(), |steps| format!(" SOCKEYE_STEPS={steps}"));
    let features = if cfg!(feature = "deflate") { " --features deflate" } else { "" };
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    format!(
        "SOCKEYE_SEED={seed}{steps} cargo test{profile}{features} --test simulation -- \
         --exact {test} --nocapture"
    )
}

/// More steps than any plan has.
const MOST_STEPS: usize = 256;

/// `None`: with so few steps it does not fail at all.
fn fewest_steps(story: impl Fn(usize)) -> Option<usize> {
    quietly(|| {
        (0..MOST_STEPS).find(|&steps| catch_unwind(AssertUnwindSafe(|| story(steps))).is_err())
    })
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Without a word about panics of this thread.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                before(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let result = work();
    IS_QUIET.set(false);
    result
}
