//! The comparison: README.md says how to run it.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sockeye_compare::memory::{self, Session};
use sockeye_compare::{echo, measure, report};

const USAGE: &str = "\
usage: compare memory [--quick] [--only ENGINE] [--times N] [WORD...]
       compare echo [--quick] [WORD...]
       compare report [--quick] FROM TO DATE WITH
       compare serve SERVER";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let quick = take_flag(&mut args, "--quick");
    let only = take_option(&mut args, "--only");
    let times = take_option(&mut args, "--times").and_then(|times| times.parse().ok());
    let result = match args.split_first() {
        Some((command, words)) if command == "memory" => {
            memory(quick, only.as_deref(), times, words);
            Ok(())
        }
        Some((command, words)) if command == "echo" => echo(quick, words),
        Some((command, [name])) if command == "serve" => serve(name),
        Some((command, [from, to, date, with])) if command == "report" => {
            report::write(Path::new(from), Path::new(to), date, with, quick)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn memory(quick: bool, only: Option<&str>, times: Option<u64>, words: &[String]) {
    let effort = match quick {
        true => measure::Effort { rounds: 5, batch: Duration::from_millis(2) },
        false => measure::Effort { rounds: 21, batch: Duration::from_millis(8) },
    };
    memory::run(&Session { effort, filter: words, only, times });
}

fn echo(quick: bool, words: &[String]) -> io::Result<()> {
    let ms = Duration::from_millis;
    let effort = match quick {
        true => echo::Effort { rounds: 3, warm_up: ms(50), time: ms(200), idle: 10_000 },
        false => echo::Effort { rounds: 7, warm_up: ms(100), time: ms(500), idle: 10_000 },
    };
    echo::run(effort, words)
}

fn serve(name: &str) -> io::Result<()> {
    let all = echo::serve::all();
    let server = all.iter().find(|server| server.name == name);
    server.ok_or_else(|| io::Error::other(format!("no server is called {name}")))?.serve()
}

fn take_flag(args: &mut Vec<String>, flag: &str) -> bool {
    let before = args.len();
    args.retain(|arg| arg != flag);
    args.len() < before
}

fn take_option(args: &mut Vec<String>, name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name)?;
    args.remove(at);
    (at < args.len()).then(|| args.remove(at))
}
