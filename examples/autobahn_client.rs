//! The client under test of the Autobahn testsuite: `tests/autobahn/run`.
//!
//!     cargo run --release --features deflate --example autobahn_client -- ws://127.0.0.1:9001 AGENT
//!
//! Echoes in every case that the suite has, then lets it write its reports.

use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fmt};

use sockeye::blocking::{self, Error};
use sockeye::net::Endpoint;
use sockeye::{Config, DeflateConfig};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, agent] = args.as_slice() else {
        eprintln!("usage: autobahn_client URL AGENT");
        return ExitCode::from(2);
    };
    match run(url, agent) {
        Ok(cases) => {
            println!("{cases} cases");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, agent: &str) -> Result<u32, Error> {
    let mut config = Config::default();
    config.deflate = Some(DeflateConfig::default());
    let config = Arc::new(config);
    let connect = |path: fmt::Arguments<'_>| {
        blocking::connect(Endpoint::from_url(&format!("{url}{path}"))?.config(config.clone()))
    };

    let mut ws = connect(format_args!("/getCaseCount"))?;
    let count = ws.read()?.and_then(|message| message.as_text()?.parse().ok());
    let count = count.ok_or(Error::Url("this is no Autobahn server: it has no cases"))?;
    while ws.read()?.is_some() {}

    for case in 1..=count {
        let mut ws = connect(format_args!("/runCase?case={case}&agent={agent}"))?;
        // Cases break rules on purpose: how a connection ends is for the
        // suite to judge.
        while let Ok(Some(message)) = ws.read() {
            if ws.send(message).is_err() {
                break;
            }
        }
    }

    let mut ws = connect(format_args!("/updateReports?agent={agent}"))?;
    while ws.read()?.is_some() {}
    Ok(count)
}
