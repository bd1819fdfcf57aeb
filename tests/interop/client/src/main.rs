//! Runs all cases of a client of ours against the server of another library:
//! `tests/interop/run`.
//!
//!     sockeye-interop-client ADAPTER URL
//!     sockeye-interop-client ADAPTER deflate PEER URL offers PARAMS... demands PARAMS...
//!
//! The first without compression, the second with: what we offer, and what the
//! peer's server demands.
//!
//! Prints a line for each case, and how many there were. Exit status 1 if one
//! failed.

mod adapter;
mod blocking;
mod cases;
mod deflate;
mod peer;
mod tokio;

use std::env;
use std::process::ExitCode;

use deflate::Library;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else { return usage() };
    let Some(adapter) = adapter::by_name(name) else {
        eprintln!("sockeye-interop-client: no adapter {name}");
        return ExitCode::from(2);
    };
    let mut suite = Suite { adapter, url: "", cases: 0, failed: 0 };
    match rest {
        [url] => {
            suite.url = url;
            cases::run(&mut suite);
        }
        [word, peer, url, offers, params @ ..] if word == "deflate" && offers == "offers" => {
            let middle = params.iter().position(|word| word == "demands");
            let (Some(middle), Some(peer)) = (middle, Library::by_peer(peer)) else {
                return usage();
            };
            suite.url = url;
            deflate::run(&mut suite, peer, &params[..middle], &params[middle + 1..]);
        }
        _ => return usage(),
    }
    println!("cases {}", suite.cases);
    if suite.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    eprintln!("usage: sockeye-interop-client ADAPTER URL");
    eprintln!(
        "       sockeye-interop-client ADAPTER deflate PEER URL offers PARAMS... demands PARAMS..."
    );
    ExitCode::from(2)
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
