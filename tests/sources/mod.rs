//! The sources of this package as text, for tests that hold lists against them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A file, by its path in this package; `None` if there is none.
pub fn text_of(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// The names of the tests in this code, at any depth of modules.
pub fn tests_in(code: &str) -> BTreeSet<&str> {
    let lines = code.lines().map(str::trim);
    let pairs = lines.clone().zip(lines.skip(1));
    let below = pairs.filter(|(attribute, _)| *attribute == "#[test]").map(|(_, head)| head);
    below.filter_map(|head| head.strip_prefix("fn ")?.strip_suffix("() {")).collect()
}
