//! The client under test of the Autobahn testsuite, on tokio:
//! `tests/autobahn/run`.
//!
//!     cargo run --release --features deflate,tokio --example tokio_autobahn_client -- ws://127.0.0.1:9001 AGENT
//!
//! Echoes in every case that the suite has, then lets it write its reports.

use std::env;
use std::process::ExitCode;
use std::sync::Arc;

use sockeye::net::Endpoint;
use sockeye::tokio::{Error, connect};
use sockeye::{Config, DeflateConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, agent] = args.as_slice() else {
        eprintln!("usage: tokio_autobahn_client URL AGENT");
        return ExitCode::from(2);
    };
    match run(url, agent).await {
        Ok(cases) => {
            println!("{cases} cases");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tokio_autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(url: &str, agent: &str) -> Result<u32, Error> {
    let mut config = Config::default();
    config.deflate = Some(DeflateConfig::default());
    let config = Arc::new(config);
    let endpoint = |path: String| {
        Ok::<_, Error>(Endpoint::from_url(&format!("{url}{path}"))?.config(config.clone()))
    };

    let mut ws = connect(endpoint("/getCaseCount".into())?).await?;
    let count = ws.read().await?.and_then(|message| message.as_text()?.parse().ok());
    let count = count.ok_or(Error::Url("this is no Autobahn server: it has no cases"))?;
    while ws.read().await?.is_some() {}

    for case in 1..=count {
        let mut ws = connect(endpoint(format!("/runCase?case={case}&agent={agent}"))?).await?;
        // Cases break rules on purpose: how a connection ends is for the
        // suite to judge.
        while let Ok(Some(message)) = ws.read().await {
            if ws.send(message).await.is_err() {
                break;
            }
        }
    }

    let mut ws = connect(endpoint(format!("/updateReports?agent={agent}"))?).await?;
    while ws.read().await?.is_some() {}
    Ok(count)
}
