//! Several engines at the same work, in turn: what changes on the machine
//! changes for all of them.

use std::time::Duration;

use crate::clock::thread_time;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Of one engine in one round.
    pub batch: Duration,
}

/// Does so much work, or a little more, and says how much it was.
pub type Work = Box<dyn FnMut(u64) -> u64>;

/// Nanoseconds for each unit of work: the median of all rounds and the quartiles.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Cost {
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize];
        Self { median: at(0.5), low: at(0.25), high: at(0.75) }
    }
}

/// Runs all of them in each round, each time beginning with another.
pub fn race(effort: Effort, contestants: &mut [Work]) -> Vec<Cost> {
    let units: Vec<u64> = contestants.iter_mut().map(|work| calibrate(effort, work)).collect();
    let mut samples = vec![Vec::new(); contestants.len()];
    for round in 0..effort.rounds {
        for place in 0..contestants.len() {
            let index = (place + round) % contestants.len();
            let start = thread_time();
            let done = contestants[index](units[index]);
            let spent = thread_time() - start;
            samples[index].push(spent.as_nanos() as f64 / done as f64);
        }
    }
    samples.into_iter().map(Cost::of).collect()
}

/// Units of work that take as long as a batch should. Warms up as well.
fn calibrate(effort: Effort, work: &mut Work) -> u64 {
    let mut units = 1;
    loop {
        let start = thread_time();
        let done = work(units);
        let spent = thread_time() - start;
        if spent * 2 >= effort.batch {
            let fitting = done as f64 * effort.batch.as_secs_f64() / spent.as_secs_f64();
            return (fitting as u64).max(1);
        }
        units *= 2;
    }
}
