//! The client for the terminal, as a user runs it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use std::process::Stdio;

use common::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

struct Terminal {
    child: Child,
    typed: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Terminal {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_terminal"));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let typed = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let errors = BufReader::new(child.stderr.take().expect("piped")).lines();
        Self { child, typed, lines, errors }
    }

    fn named(name: &str, host: &Host) -> Self {
        Self::start(&["--name", name, &format!("ws://{}/socket/lobby", host.addr)])
    }

    async fn types(&mut self, line: &str) {
        let typed = self.typed.as_mut().expect("open");
        typed.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Reads up to a line that has all of these in it.
    async fn shows(&mut self, parts: &[&str]) -> String {
        find("stdout", &mut self.lines, parts).await
    }

    async fn complains(&mut self, parts: &[&str]) -> String {
        find("stderr", &mut self.errors, parts).await
    }

    async fn ends(mut self) -> Option<i32> {
        within("the end", self.child.wait()).await.unwrap().code()
    }
}

async fn find<R>(which: &str, lines: &mut Lines<BufReader<R>>, parts: &[&str]) -> String
where
    R: tokio::io::AsyncRead + Unpin,
{
    within(&format!("{parts:?} on {which}"), async {
        loop {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("{which} ended without {parts:?}"));
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_is_typed_is_said_and_what_is_said_is_shown() {
    let host = Host::start(|_| {}).await;
    let mut ben = host.member("Ben").await;
    let mut ana = Terminal::named("Ana", &host);
    ana.shows(&["User Ana signed in at "]).await;
    ben.sees(&["Ana", "Ben"]).await;
    ana.types("hello <b>").await;
    assert_eq!(ben.hears().await, ("Ana".to_owned(), "hello <b>".to_owned()));
    ben.say("hi\u{1b}[31m").await;
    let line = ana.shows(&["Ben: "]).await;
    assert!(line.ends_with(" Ben: hi[31m"), "{line:?}");
    ana.types("/name Bea").await;
    ana.shows(&["User Bea signed in at "]).await;
    ana.types("/quit").await;
    ana.shows(&["closed: 1000 goodbye"]).await;
    assert_eq!(ana.ends().await, Some(0));
    ben.sees(&["Ben"]).await;
    host.end().await;
}

#[tokio::test]
async fn a_name_in_use_becomes_another() {
    let host = Host::start(|_| {}).await;
    let _ana = host.member("Ana").await;
    let mut ana = Terminal::named("Ana", &host);
    ana.shows(&["Your username has been set to ", " because the name you chose is in use."]).await;
    drop(ana);
    host.end().await;
}

#[tokio::test]
async fn the_end_of_the_input_leaves_after_all_was_said() {
    let host = Host::start(|_| {}).await;
    let mut ben = host.member("Ben").await;
    let mut ana = Terminal::named("Ana", &host);
    ana.types("one").await;
    ana.types("two").await;
    ana.typed = None;
    assert_eq!(ben.hears().await.1, "one");
    assert_eq!(ben.hears().await.1, "two");
    assert_eq!(ana.ends().await, Some(0));
    host.end().await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let host = Host::start(|_| {}).await;
    let listen = host.addr.to_string();
    let mut ana = Terminal::named("Ana", &host);
    ana.shows(&["User Ana signed in at "]).await;
    host.end().await;
    ana.complains(&["disconnected; trying again"]).await;
    let host = Host::start(|settings| settings.listen = listen).await;
    ana.shows(&["User Ana signed in at "]).await;
    drop(ana);
    host.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let mut terminal = Terminal::start(&["ftp://example.com/"]);
    terminal.complains(&["SyntaxError"]).await;
    assert_eq!(terminal.ends().await, Some(1));
    let mut terminal = Terminal::start(&["--name"]);
    terminal.complains(&["[--name NAME] [URL]"]).await;
    assert_eq!(terminal.ends().await, Some(1));
}

#[tokio::test]
async fn whoever_wants_to_quit_does_so_without_a_server_too() {
    let host = Host::start(|_| {}).await;
    let url = format!("ws://{}/socket/lobby", host.addr);
    host.end().await;
    let mut ana = Terminal::start(&[&url]);
    ana.complains(&["disconnected; trying again"]).await;
    ana.types("nobody hears this").await;
    ana.types("/quit").await;
    assert_eq!(ana.ends().await, Some(1));
}

/// Refused for good: no attempt to connect again.
#[tokio::test]
async fn a_room_that_is_none_is_not_asked_for_twice() {
    let host = Host::start(|_| {}).await;
    let mut ana = Terminal::start(&[&format!("ws://{}/nowhere", host.addr)]);
    ana.complains(&["404"]).await;
    assert_eq!(ana.ends().await, Some(1));
    host.end().await;
}
