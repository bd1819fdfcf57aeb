//! The comparison from memory: no network, no runtime, one thread.

pub mod deflate;
pub mod handshake;
pub mod receive;
pub mod send;

use crate::engines::{Engine, all};
use crate::measure::{Cost, Effort, Work, race};
use crate::results::{Line, Unit};

/// Measures what the filter lets pass.
pub struct Session<'a> {
    pub effort: Effort,
    /// Words that all have to be in "GROUP: ROW".
    pub filter: &'a [String],
    /// The only engine to be measured, and its setting.
    pub only: Option<&'a str>,
    /// For a profiler: so much work once, and no measurement.
    pub times: Option<u64>,
}

/// What a row is told in.
#[derive(Clone, Copy)]
pub enum Per {
    /// Nanoseconds for each message.
    Message,
    /// Bytes of so long messages.
    Bytes(usize, Unit),
}

impl Session<'_> {
    /// One row: `contestant` says what an engine has to do, if it can.
    fn row(
        &self,
        (group, row, per): (&str, &str, Per),
        contestant: impl Fn(&Engine) -> Option<Work>,
    ) {
        let name = format!("{group}: {row}");
        if !self.filter.iter().all(|word| name.contains(word)) {
            return;
        }
        let is_wanted = |e: &Engine| {
            self.only
                .is_none_or(|only| e.name == only || format!("{} {}", e.name, e.setting) == only)
        };
        let (engines, mut work): (Vec<Engine>, Vec<Work>) = all()
            .into_iter()
            .filter(is_wanted)
            .filter_map(|engine| Some((engine, contestant(&engine)?)))
            .unzip();
        if let Some(times) = self.times {
            let done: Vec<u64> = work.iter_mut().map(|work| work(times)).collect();
            eprintln!("{name}: {done:?}");
            return;
        }
        let costs = race(self.effort, &mut work);
        for (engine, Cost { median, low, high }) in engines.iter().zip(costs) {
            let (unit, told): (_, &dyn Fn(f64) -> f64) = match per {
                Per::Message => (Unit::Nanoseconds, &|ns| ns),
                Per::Bytes(len, Unit::MibPerSecond) => {
                    (Unit::MibPerSecond, &move |ns| len as f64 / ns * 1e9 / f64::from(1 << 20))
                }
                Per::Bytes(len, unit) => {
                    (unit, &move |ns| len as f64 / ns * 1e9 / f64::from(1 << 30))
                }
            };
            let line = Line {
                group: group.into(),
                row: row.into(),
                unit,
                engine: engine.name.into(),
                setting: engine.setting.into(),
                median: told(median),
                low: told(low).min(told(high)),
                high: told(low).max(told(high)),
            };
            println!("{line}");
        }
    }
}

/// All rows.
pub fn run(session: &Session<'_>) {
    receive::run(session);
    send::run(session);
    handshake::run(session);
    deflate::run(session);
}

/// "64 B", "16 KiB".
pub fn length(len: usize) -> String {
    match len {
        len if len >= 1 << 20 => format!("{} MiB", len >> 20),
        len if len >= 1 << 10 => format!("{} KiB", len >> 10),
        len => format!("{len} B"),
    }
}
