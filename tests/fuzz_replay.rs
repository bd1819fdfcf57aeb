//! Runs the bodies of the fuzz targets, on stable and with no fuzzer: over the
//! checked-in corpus, over mutations of it, and over noise.
//!
//! A file that crashed a target becomes a test by being put into
//! `fuzz/corpus/NAME/`; then `cargo test --test fuzz_replay NAME`.

#![allow(clippy::expect_used, clippy::panic)] // it is a test

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Inputs that each body is given besides its corpus.
const MUTATED: u64 = 5_000;
const NOISE: u64 = 1_000;

/// A test for each body.
macro_rules! replay {
    ($($(#[$attribute:meta])* $name:ident)*) => {
        const NAMES: &[&str] = &[$($(#[$attribute])* stringify!($name)),*];
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                replay(stringify!($name), bodies::$name);
            }
        )*
    };
}

replay! {
    commands
    extended
    extensions
    frame_header
    #[cfg(feature = "deflate")]
    inflate
    mask
    receive_client
    receive_server
    request_head
    response_head
    utf8
    #[cfg(feature = "web")]
    web
}

#[test]
fn every_target_has_a_corpus_and_is_replayed() {
    let names: BTreeSet<String> = NAMES.iter().map(|&name| name.into()).collect();
    let built = [
        ("inflate", cfg!(feature = "deflate")),
        ("web", cfg!(feature = "web")),
        // It needs another engine: `fuzz/tests/differential.rs`.
        ("differential", false),
    ];
    let is_built = |name: &String| built.iter().all(|(of, is_built)| name != of || *is_built);
    let stem = |path: PathBuf| path.file_stem().map(|s| s.to_string_lossy().into_owned());
    for folder in ["corpus", "fuzz_targets"] {
        let found: BTreeSet<String> =
            list(&fuzz().join(folder)).into_iter().filter_map(stem).filter(is_built).collect();
        assert_eq!(found, names, "fuzz/{folder}");
    }
}

fn replay(name: &str, body: fn(&[u8])) {
    let files = list(&fuzz().join("corpus").join(name));
    let seeds: Vec<Vec<u8>> = files.iter().map(|f| fs::read(f).expect("a readable seed")).collect();
    assert!(!seeds.is_empty(), "no seeds for {name}");
    for (file, seed) in files.iter().zip(&seeds) {
        run(body, seed, &file.display());
    }
    for number in 0..MUTATED {
        let random = &mut Random(number);
        let mut input = random.pick(&seeds).clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, random, &seeds);
        }
        run(body, &input, &format_args!("mutation {number}"));
    }
    for number in 0..NOISE {
        let random = &mut Random(!number);
        let len = random.below(64);
        run(body, &random.bytes(len), &format_args!("noise {number}"));
    }
}

/// Runs a body; should it panic, says on what.
fn run(body: fn(&[u8]), input: &[u8], what: &dyn std::fmt::Display) {
    struct OnPanic<'a>(&'a [u8], &'a dyn std::fmt::Display);
    impl Drop for OnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("with {}: b\"{}\"", self.1, self.0.escape_ascii());
            }
        }
    }
    let _on_panic = OnPanic(input, what);
    body(input);
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// What is in a folder, in the same order on every machine.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

/// A change of the kind that fuzzers make.
fn mutate(input: &mut Vec<u8>, random: &mut Random, seeds: &[Vec<u8>]) {
    const TELLING: [u8; 12] = *b"\0\x01\x7d\x7e\x7f\x80\xff\r\n ,;";
    let at = random.below(input.len() + 1);
    let end = at + random.below(input.len() - at + 1);
    match random.below(7) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 => input.insert(at, *random.pick(&TELLING)),
        3 => input.extend_from_within(at..end),
        4 => {
            let other = random.pick(seeds);
            let from = random.below(other.len() + 1);
            input.splice(at..end, other[from..].iter().copied());
        }
        kind => {
            if let Some(byte) = input.get_mut(at) {
                *byte =
                    if kind == 5 { *random.pick(&TELLING) } else { *byte ^ 1 << random.below(8) };
            }
        }
    }
}

/// A small generator of numbers (SplitMix64), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a length");
        usize::try_from(self.next() % bound).expect("below a length")
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
