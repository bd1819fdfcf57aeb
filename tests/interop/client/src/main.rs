//! Runs all cases of a client of ours against the server of another library:
//! `tests/interop/run`.
//!
//!     sockeye-interop-client ADAPTER URL
//!
//! Prints a line for each case, and how many there were. Exit status 1 if one
//! failed.

mod adapter;
mod blocking;
mod cases;
mod peer;
mod tokio;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [name, url] = args.as_slice() else {
        eprintln!("usage: sockeye-interop-client ADAPTER URL");
        return ExitCode::from(2);
    };
    let Some(adapter) = adapter::by_name(name) else {
        eprintln!("sockeye-interop-client: no adapter {name}");
        return ExitCode::from(2);
    };
    let mut suite = Suite { adapter, url, cases: 0, failed: 0 };
    cases::run(&mut suite);
    println!("cases {}", suite.cases);
    if suite.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs cases and counts them.
struct Suite<'s> {
    adapter: &'static dyn adapter::Adapter,
    url: &'s str,
    cases: usize,
    failed: usize,
}

impl Suite<'_> {
    fn case(&mut self, name: &str, run: impl FnOnce(&peer::Peer<'_>) -> peer::Outcome) {
        self.cases += 1;
        match run(&peer::Peer::new(self.adapter, self.url, self.cases)) {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                self.failed += 1;
                println!("not ok {name}: {}", error.to_string().replace('\n', " "));
            }
        }
    }
}
