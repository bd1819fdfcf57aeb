//! The example `web_client`, as a user runs it: a page's program in a terminal.

#![cfg(feature = "web")]

mod common;
mod processes;
mod sockets;

use std::process::Command;

use processes::*;
use sockets::*;

/// Runs it with this target of the echo server, and what else there is to say.
fn run(server: &Server, target: &str, text: Option<&str>) -> Ended {
    let url = format!("ws://127.0.0.1:{}{target}", server.port);
    Ended::of(Command::new(example("web_client")).arg(url).args(text))
}

/// Does this once both programs are built: the time of a test does not count that.
#[track_caller]
fn with_programs(test: impl FnOnce() + Send + 'static) {
    for program in ["echo_server", "web_client"] {
        example(program);
    }
    bounded(test);
}

#[track_caller]
fn assert_said(ended: &Ended, status: i32, stdout: &[&str], stderr: &[&str]) {
    assert_eq!(ended.status, Some(status), "{ended:?}");
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), stdout, "{ended:?}");
    assert_eq!(ended.stderr.lines().collect::<Vec<_>>(), stderr, "{ended:?}");
}

#[test]
fn web_client_greets_prints_what_comes_back_and_closes() {
    with_programs(|| {
        let server = Server::start("echo_server", &[]);
        let here = format!("ws://127.0.0.1:{}", server.port);
        for (text, expected) in
            [(None, "hello"), (Some("na\u{ef}ve \u{1f41f}"), "na\u{ef}ve \u{1f41f}")]
        {
            let expected = [
                format!("open: {here}/ \"permessage-deflate\""),
                format!("message from {here}: Text({expected:?})"),
                "state: Closed".into(),
                "close: 1000 \"done\" clean: true".into(),
            ];
            assert_said(&run(&server, "", text), 0, &expected.each_ref().map(String::as_str), &[]);
        }
        let ended = run(&server, "/?nodeflate", None);
        assert!(ended.stdout.starts_with(&format!("open: {here}/?nodeflate \"\"\n")), "{ended:?}");
    });
}

#[test]
fn web_client_fires_error_and_close_when_it_is_refused() {
    with_programs(|| {
        let server = Server::start("echo_server", &[]);
        let closed = ["state: Closed", "close: 1006 \"\" clean: false"];
        let ended = run(&server, "/?status=403", None);
        assert_said(&ended, 1, &closed, &["error: server answered with HTTP status 403"]);
        let (port, _taken) = refusing_port();
        let client = example("web_client");
        let ended = Ended::of(Command::new(client).arg(format!("ws://127.0.0.1:{port}/")));
        assert_eq!((ended.status, ended.stdout.lines().collect()), (Some(1), closed.to_vec()));
        assert!(ended.stderr.starts_with("error: not connected: "), "{ended:?}");
    });
}

#[test]
fn web_client_fires_error_and_close_when_the_server_breaks_off() {
    with_programs(|| {
        let server = Server::start("echo_server", &[]);
        // It ends TCP before it reads what was sent, which makes a reset of it.
        let ended = run(&server, "/?abort", None);
        let stdout: Vec<_> = ended.stdout.lines().collect();
        assert!(stdout[0].starts_with("open: "), "{ended:?}");
        assert_eq!(stdout[1..], ["state: Closed", "close: 1006 \"\" clean: false"]);
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
        assert_eq!(ended.status, Some(1));
    });
}

#[test]
fn web_client_says_what_is_wrong_with_its_url() {
    with_programs(|| {
        let client = example("web_client");
        for url in ["ftp://localhost/", "ws://localhost/#fragment", "nonsense"] {
            Ended::of(Command::new(&client).arg(url)).assert_failed(1, "SyntaxError");
        }
    });
}
