//! The program as a user runs it: what it prints, signals, exit status.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use common::*;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

fn chat(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs it, and gives the address that it prints.
async fn open() -> (Child, SocketAddr) {
    let mut child = chat(&["--listen", "127.0.0.1:0"]).spawn().unwrap();
    let stdout = child.stdout.as_mut().expect("piped");
    let mut line = String::new();
    within("the first line", BufReader::new(stdout).read_line(&mut line)).await.unwrap();
    let addr = line.trim().strip_prefix("The chat is open: http://").expect("an address");
    let addr = addr.strip_suffix('/').expect("a path").parse().unwrap();
    (child, addr)
}

async fn run(args: &[&str]) -> Output {
    within("the program", chat(args).output()).await.unwrap()
}

#[tokio::test]
async fn signals_end_it_in_good_order() {
    for signal in ["INT", "TERM"] {
        let (child, addr) = open().await;
        let mut ana = Client::connect(endpoint(addr, "lobby")).await.unwrap();
        ana.sign_in("Ana").await;
        ana.sees(&["Ana"]).await;
        let pid = child.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-s", signal, &pid]).status().await.unwrap();
        assert!(kill.success());
        assert_eq!(ana.closed().await.0, 1001);
        let output = within("the end", child.wait_with_output()).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Closed."), "{output:?}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let output = run(&["--listen", &addr]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&format!("{addr} is in use")) && error.contains("--listen"), "{error}");
}

#[tokio::test]
async fn options_are_told() {
    let output = run(&["--help"]).await;
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("--max-message"));
    let output = run(&["--port", "80"]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("--port: no such option") && error.contains("--help"), "{error}");
}

#[cfg(not(feature = "nats"))]
#[tokio::test]
async fn the_broker_is_a_feature() {
    let output = run(&["--listen", "127.0.0.1:0", "--nats", "nats://127.0.0.1:4222"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--features nats"));
}
