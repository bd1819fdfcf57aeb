//! Clients that come, talk, misbehave and go: `tests/soak/run`.
//!
//!     sockeye-soak SECONDS CLIENTS ADDR...
//!
//! The clients are shared out among the servers. Prints what was done and how
//! often, as a line of JSON. Exit status 1 if anything came out wrong.

#[path = "../../common/mod.rs"]
mod common;
mod talk;
mod visit;

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use common::Random;
use visit::Visit;

/// No visit takes as long, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What went wrong is told in full so often, and counted thereafter.
const MAX_TOLD: u64 = 100;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((seconds, clients, servers)) = parse(&args) else {
        eprintln!("usage: sockeye-soak SECONDS CLIENTS ADDR...");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tally = Arc::new(Tally::default());
    runtime.expect("a runtime").block_on(async {
        let until = Instant::now() + Duration::from_secs(seconds);
        let all: Vec<_> = (0..clients)
            .map(|number| {
                let server = servers[number % servers.len()];
                tokio::spawn(live(number as u64, server, tally.clone(), until))
            })
            .collect();
        for client in all {
            if let Err(panic) = client.await {
                tally.wrong(&format!("a client: {panic}"));
            }
        }
    });
    println!("{}", tally.to_json());
    if tally.get(WRONG) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(args: &[String]) -> Option<(u64, usize, Vec<SocketAddr>)> {
    let [seconds, clients, servers @ ..] = args else { return None };
    let servers: Vec<_> = servers.iter().map(|addr| addr.parse().ok()).collect::<Option<_>>()?;
    let clients = clients.parse().ok().filter(|_| !servers.is_empty())?;
    Some((seconds.parse().ok()?, clients, servers))
}

/// One client: visits the server again and again, each time in another way.
async fn live(number: u64, server: SocketAddr, tally: Arc<Tally>, until: Instant) {
    let mut random = Random(number);
    // Not all at once.
    tokio::time::sleep(Duration::from_millis(random.below(3000) as u64)).await;
    while Instant::now() < until {
        let visit = Visit::any(&mut random);
        match timeout(PATIENCE, visit.pay(server, &mut random, &tally, until)).await {
            Ok(Ok(())) => tally.add(visit.name(), 1),
            Ok(Err(why)) => tally.wrong(&format!("client {number}, {}: {why}", visit.name())),
            Err(_) => tally.wrong(&format!("client {number}, {}: hangs", visit.name())),
        }
        tokio::time::sleep(Duration::from_millis(random.below(1000) as u64)).await;
    }
}

const WRONG: &str = "wrong";

/// What was done, and how often.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    pub fn add(&self, what: &'static str, count: u64) {
        *self.0.lock().unwrap().entry(what).or_default() += count;
    }

    fn get(&self, what: &str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    fn wrong(&self, why: &str) {
        self.add(WRONG, 1);
        if self.get(WRONG) <= MAX_TOLD {
            eprintln!("wrong: {why}");
        }
    }

    fn to_json(&self) -> String {
        self.add(WRONG, 0);
        let counts = self.0.lock().unwrap();
        let fields: Vec<_> = counts.iter().map(|(what, n)| format!("\"{what}\": {n}")).collect();
        format!("{{{}}}", fields.join(", "))
    }
}
