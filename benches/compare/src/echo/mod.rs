//! The comparison over loopback: echo servers in processes of their own, one
//! thread each, and a load that is the same for all of them.

pub mod histogram;
pub mod load;
pub mod process;
pub mod serve;

use std::io;
use std::time::{Duration, Instant};

use load::{Load, Plan};
use process::Process;
use serve::{Server, Writes};

use crate::measure::Cost;
use crate::memory::length;
use crate::results::{Line, Unit};

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    pub warm_up: Duration,
    pub time: Duration,
    /// Idle connections.
    pub idle: usize,
}

/// The group of rows that tells most.
pub const PROCESSOR_TIME: &str = "Echo: server's processor time of a message";

/// What groups of latencies begin with.
pub const LATENCY: &str = "Echo: latency";

const PLANS: [Plan; 6] = [
    Plan { len: 20, connections: 200, depth: 1, masked: true },
    Plan { len: 20, connections: 200, depth: 16, masked: true },
    Plan { len: 1 << 10, connections: 16, depth: 1, masked: true },
    Plan { len: 1 << 10, connections: 16, depth: 16, masked: true },
    Plan { len: 64 << 10, connections: 4, depth: 1, masked: true },
    Plan { len: 1 << 20, connections: 2, depth: 1, masked: true },
];

/// Measures what the words let pass: all of them have to be in the name of the
/// server or in the row.
pub fn run(effort: Effort, words: &[String]) -> io::Result<()> {
    let descriptors = process::raise_descriptor_limit();
    process::pin(None, 1)?;
    let servers = serve::all();
    for plan in PLANS {
        let Plan { len, connections, depth, .. } = plan;
        let row = format!("{} x {connections}, depth {depth}", length(len));
        let is_wanted = |server: &&Server| {
            words.iter().all(|word| row.contains(word) || server.name.contains(word))
        };
        let servers: Vec<Server> = servers.iter().filter(is_wanted).copied().collect();
        let mut samples: Vec<_> = servers.iter().map(|_| Vec::new()).collect();
        for round in 0..effort.rounds {
            for place in 0..servers.len() {
                let index = (place + round) % servers.len();
                samples[index].push(sample(&servers[index], plan, effort)?);
            }
        }
        for (server, samples) in servers.iter().zip(samples) {
            let groups: [(&str, Unit, Value); 5] = [
                (PROCESSOR_TIME, Unit::Microseconds, |s| s.time),
                ("Echo: messages", Unit::PerSecond, |s| s.rate),
                ("Echo: latency, median", Unit::Microseconds, |s| s.latencies[0]),
                ("Echo: latency, 99 %", Unit::Microseconds, |s| s.latencies[1]),
                ("Echo: latency, 99.9 %", Unit::Microseconds, |s| s.latencies[2]),
            ];
            for (group, unit, value) in groups {
                let samples: Vec<f64> = samples.iter().map(value).collect();
                for row in rows(&row, server) {
                    report(group, &row, unit, server, samples.clone());
                }
            }
        }
    }
    let idle = effort.idle.min(usize::try_from(descriptors).unwrap_or(usize::MAX) - 100);
    let row = format!("{idle} connections");
    for server in &servers {
        if words.iter().all(|word| row.contains(word) || server.name.contains(word)) {
            let group = "Resident memory of an idle connection";
            report(group, &row, Unit::Bytes, server, vec![resident(server, idle)?]);
        }
    }
    Ok(())
}

/// Who writes each answer by itself and who does not are not compared; what has
/// no messages is told beside both.
fn rows(row: &str, server: &Server) -> Vec<String> {
    let collected = format!("{row}, answers collected");
    match server.writes {
        Writes::Each => vec![row.into()],
        Writes::Collected => vec![collected],
        Writes::Raw => vec![row.into(), collected],
    }
}

fn report(group: &str, row: &str, unit: Unit, server: &Server, samples: Vec<f64>) {
    let Cost { median, low, high } = Cost::of(samples);
    let line = Line {
        group: group.into(),
        row: row.into(),
        unit,
        engine: server.engine.into(),
        setting: server.setting.into(),
        median,
        low,
        high,
    };
    println!("{line}");
}

type Value = fn(&Sample) -> f64;

struct Sample {
    /// Microseconds of the server's for each message.
    time: f64,
    /// Messages a second.
    rate: f64,
    /// Microseconds of 50, 99 and 99.9 percent.
    latencies: [f64; 3],
}

fn sample(server: &Server, plan: Plan, effort: Effort) -> io::Result<Sample> {
    let told = |error: io::Error| io::Error::other(format!("{}: {plan:?}: {error}", server.name));
    let process = Process::start(server)?;
    let plan = Plan { masked: server.has_protocol(), ..plan };
    let mut load = Load::open(process.addr, plan).map_err(told)?;
    load.start().map_err(told)?;
    load.run(effort.warm_up).map_err(told)?;
    (load.echoed, load.latencies) = Default::default();
    let (time, start) = (process.time()?, Instant::now());
    load.run(effort.time).map_err(told)?;
    let (time, passed) = (process.time()? - time, start.elapsed());
    if load.echoed == 0 {
        return Err(told(io::ErrorKind::TimedOut.into()));
    }
    Ok(Sample {
        time: time.as_secs_f64() * 1e6 / load.echoed as f64,
        rate: load.echoed as f64 / passed.as_secs_f64(),
        latencies: [0.5, 0.99, 0.999].map(|share| load.latencies.percentile(share)),
    })
}

/// Bytes for each connection, when each has echoed a message.
fn resident(server: &Server, connections: usize) -> io::Result<f64> {
    let process = Process::start(server)?;
    let one = Plan { len: 20, connections: 1, depth: 1, masked: server.has_protocol() };
    // What a thread has anyway is there then.
    let mut first = Load::open(process.addr, one)?;
    first.once()?;
    let before = process.resident()?;
    let mut load = Load::open(process.addr, Plan { connections, ..one })?;
    load.once()?;
    let after = process.resident()?;
    Ok(after.saturating_sub(before) as f64 / connections as f64)
}
