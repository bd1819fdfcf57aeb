//! Instructions per operation on the hot paths, counted by valgrind: the same
//! whatever else the machine is doing, so that a regression of a few per cent
//! shows where a clock would see noise.
//!
//!     cargo bench --bench instructions             # compare with the file
//!     cargo bench --bench instructions -- --write  # make what is counted the file
//!
//! The counts are those of `instructions.tsv`, of x86-64 with AVX2 as valgrind
//! knows it. A row that takes more than the tolerance beyond its count fails the
//! run; one that takes as much less asks for a new file. Fewer instructions are
//! not always faster: `benches/compare` has the clock.

#![allow(missing_docs)] // a program

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

#[path = "instructions/rows.rs"]
mod rows;

const COUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.tsv");
/// How far a count may be off, in per cent: compilers change a little.
const TOLERANCE: f64 = 6.0;
/// Set for the run under valgrind: to a part of the names of rows, to profile
/// those by hand, or to nothing.
const COUNTED: &str = "SOCKEYE_COUNTED";

fn main() -> ExitCode {
    if let Ok(part) = env::var(COUNTED) {
        for mut row in rows::all().into_iter().filter(|row| row.name.contains(&part)) {
            (row.work)(measured); // buffers get their size
            (row.work)(measured);
        }
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches`: in builds whose counts say nothing.
    if !env::args().any(|arg| arg == "--bench") {
        for mut row in rows::all() {
            (row.work)(measured);
            println!("{}: done once, not counted", row.name);
        }
        return ExitCode::SUCCESS;
    }
    let counted = count();
    if env::args().any(|arg| arg == "--write") {
        let lines: String = counted.iter().map(|(name, n)| format!("{name}\t{n:.1}\n")).collect();
        fs::write(COUNTS, lines).expect("the counts can be written");
    }
    compare(&counted)
}

/// Valgrind counts what happens in here.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    black_box(work); // or else it is a jump, and valgrind sees no return
}

/// Runs this program under valgrind. Instructions per operation, for each row.
fn count() -> Vec<(String, f64)> {
    let program = env::current_exe().expect("a program has a path");
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions.callgrind");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--combine-dumps=yes"])
        .args(["--collect-atstart=no", "--toggle-collect=instructions::measured"])
        .arg("--dump-after=instructions::measured")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .env(COUNTED, "")
        .status()
        .expect("valgrind is installed: apt-get install valgrind");
    assert!(status.success(), "valgrind: {status}");
    let profile = fs::read_to_string(profile).expect("valgrind wrote its profile");
    // Two parts for each row, the first without meaning, and one for the end.
    let totals: Vec<f64> =
        profile.lines().filter_map(|l| l.strip_prefix("totals: ")?.parse().ok()).collect();
    let rows = rows::all();
    assert!(totals.len() >= 2 * rows.len(), "{} rows, {} counts", rows.len(), totals.len());
    rows.iter()
        .zip(totals.iter().skip(1).step_by(2))
        .map(|(row, n)| (row.name.clone(), n / row.operations as f64))
        .collect()
}

/// Prints the counts beside those of the file. Fails if one is off.
fn compare(counted: &[(String, f64)]) -> ExitCode {
    let file = fs::read_to_string(COUNTS).expect("benches/instructions.tsv is there");
    let expected = |name: &str| -> Option<f64> {
        file.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('\t')?.parse().ok())
    };
    let mut failed = false;
    println!("{:<44} {:>12} {:>12} {:>8}", "instructions per operation", "file", "now", "change");
    for (name, n) in counted {
        let Some(before) = expected(name) else {
            println!("{name:<44} {:>12} {n:>12.1}   NOT IN THE FILE", "");
            failed = true;
            continue;
        };
        let change = 100.0 * (n - before) / before;
        let verdict = match change {
            c if c > TOLERANCE => "  REGRESSION",
            c if c < -TOLERANCE => "  better: run with --write",
            _ => "",
        };
        failed |= change > TOLERANCE;
        println!("{name:<44} {before:>12.1} {n:>12.1} {change:>+7.1}%{verdict}");
    }
    failed |= file.lines().count() != counted.len();
    println!("{} rows, tolerance {TOLERANCE} %", counted.len());
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
