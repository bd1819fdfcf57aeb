//! Replays the corpus of the target that needs another engine. The other
//! targets' are replayed by `tests/fuzz_replay.rs` of sockeye.

use std::fs;
use std::path::Path;

#[test]
fn differential() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/differential");
    let mut count = 0;
    for entry in fs::read_dir(corpus).expect("a corpus") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        let seed = fs::read(&path).expect("a seed");
        bodies::differential(&seed);
        // What is cut off is a seed too.
        (0..seed.len()).for_each(|len| bodies::differential(&seed[..len]));
        count += 1;
    }
    assert!(count > 30, "{count} seeds");
}
