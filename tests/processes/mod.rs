//! Processes: the examples as a user runs them.

#![allow(dead_code)] // each test file uses some of it

use std::collections::BTreeSet;
use std::env::{self, consts};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;

use crate::sockets::Task;

/// One of the examples, where cargo puts them, as its source is now: to run one
/// test program does not build them.
pub fn example(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let path = profile.join("examples").join(format!("{name}{}", consts::EXE_SUFFIX));
    let mut built = BUILT.lock().unwrap();
    if built.insert(name.into()) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", name]);
        cargo.args(["--no-default-features", "--features", &features()]);
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success());
    }
    path
}

/// A process that does not outlive its test.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }
}

/// What a process said, and its exit status.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs a process to its end.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let stdout = Task::start(all_of(process.0.stdout.take().unwrap()));
        let stderr = Task::start(all_of(process.0.stderr.take().unwrap()));
        let (stdout, stderr) = (stdout.join(), stderr.join());
        Self { status: process.0.wait().unwrap().code(), stdout, stderr }
    }

    /// It failed with this status and one line that has this word in it.
    #[track_caller]
    pub fn assert_failed(&self, status: i32, word: &str) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "");
        assert_eq!(self.stderr.matches('\n').count(), 1, "{self:?}");
        assert!(self.stderr.ends_with('\n') && self.stderr.contains(word), "{word}: {self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }

    /// A kernel may have no io_uring for the example. Then it says so, which is all of
    /// it that can be tested there; and that is said past the test harness. With
    /// `SOCKEYE_IO_URING=required`, as in CI, it is a failure.
    #[track_caller]
    pub fn assert_without_io_uring(&self, example: &str) {
        assert_eq!(example, "embed_io_uring", "{self:?}");
        let required = env::var_os("SOCKEYE_IO_URING").is_some_and(|v| v == "required");
        assert!(!required, "io_uring is required here: {self:?}");
        let reason =
            if cfg!(target_os = "linux") { "the kernel refuses" } else { "another system" };
        self.assert_failed(2, reason);
        let loud = format!("NOT TESTED, but for its refusal: {}", self.stderr);
        std::io::stderr().write_all(loud.as_bytes()).unwrap();
    }
}

fn all_of(mut output: impl Read) -> impl FnOnce() -> String {
    move || {
        let mut all = String::new();
        output.read_to_string(&mut all).unwrap();
        all
    }
}

/// A server among the examples, listening.
pub struct Server {
    process: Process,
    pub port: u16,
    /// What it says about what goes wrong.
    pub complaints: mpsc::Receiver<String>,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    pub fn start(name: &str, args: &[&str]) -> Self {
        Self::of(Command::new(example(name)).arg("127.0.0.1:0").args(args))
    }

    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        Self::or_end(command).unwrap_or_else(|ended| panic!("where? {ended:?}"))
    }

    /// A server, or what it said when it ended without being one.
    #[track_caller]
    pub fn or_end(command: &mut Command) -> Result<Self, Ended> {
        let mut process = Process::start(command);
        let (say, complaints) = mpsc::channel();
        let stderr = BufReader::new(process.0.stderr.take().unwrap());
        // Read to the end, or it would get stuck once the pipe is full.
        thread::spawn(move || {
            for line in stderr.lines() {
                let _ = say.send(line.unwrap());
            }
        });
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        let (line, stdout) = Task::start(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            (line, stdout)
        })
        .join();
        if line.is_empty() {
            let status = process.0.wait().unwrap().code();
            let stderr = complaints.into_iter().map(|line| line + "\n").collect();
            return Err(Ended { status, stdout: line, stderr });
        }
        let port = line.trim_end().rsplit_once("://127.0.0.1:");
        let port = port.and_then(|(_, port)| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("where? {line:?}"));
        Ok(Self { process, port, complaints, stdout })
    }

    /// Sends it a signal: TERM asks it to end, as a service manager does.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end: what it said, and its exit status.
    #[track_caller]
    pub fn ended(self) -> Ended {
        let Self { mut process, complaints, stdout, .. } = self;
        let end = move || {
            let status = process.0.wait().unwrap().code();
            let stdout = all_of(stdout)();
            let stderr = complaints.into_iter().map(|line| line + "\n").collect();
            Ended { status, stdout, stderr }
        };
        Task::start(end).join()
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// The features that this test was built with, all of them: an example that is
/// built with others has everything built anew.
fn features() -> String {
    macro_rules! features {
        ($($name:literal)*) => { [$(($name, cfg!(feature = $name))),*] };
    }
    let all = features!(
        "default" "std" "simdutf8" "simd" "url" "web" "deflate" "tokio" "rustls" "webpki-roots" "proxy"
        "http" "tracing"
    );
    let manifest = include_str!("../../Cargo.toml");
    let (_, listed) = manifest.split_once("\n[features]\n").unwrap();
    let (listed, _) = listed.split_once("\n[").unwrap();
    let listed = listed.lines().filter_map(|line| Some(line.split_once(" = [")?.0));
    assert!(listed.eq(all.map(|(name, _)| name)), "Cargo.toml has other features than {all:?}");
    let names = all.into_iter().filter_map(|(name, is_on)| is_on.then_some(name));
    names.collect::<Vec<_>>().join(",")
}
