//! The direction of knowledge: which module may use which. A lower layer that
//! begins to know a higher one fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each module of `src/` and the modules it may name, lowest first.
const LAYERS: &[(&str, &[&str])] = &[
    ("frame", &[]),
    ("mask", &[]),
    ("utf8", &[]),
    ("control", &[]),
    ("time", &[]),
    ("seed", &[]),
    ("location", &[]),
    ("extension", &[]),
    ("deflate", &["extension"]),
    ("config", &["deflate"]),
    ("buf", &["mask"]),
    ("close", &["control", "utf8"]),
    ("error", &["close", "frame"]),
    (
        "connection",
        &[
            "buf", "close", "config", "control", "deflate", "error", "frame", "mask", "seed",
            "time", "utf8",
        ],
    ),
    ("message", &["buf", "close", "connection", "control", "error"]),
    ("handshake", &["buf", "config", "connection", "deflate", "extension", "seed", "time"]),
    (
        "web",
        &[
            "buf",
            "close",
            "config",
            "connection",
            "deflate",
            "extension",
            "handshake",
            "location",
            "message",
            "seed",
            "time",
        ],
    ),
    (
        "net",
        &[
            "buf",
            "config",
            "connection",
            "deflate",
            "error",
            "handshake",
            "location",
            "message",
            "seed",
            "time",
            "web",
        ],
    ),
    ("blocking", ADAPTER),
    ("tokio", ADAPTER),
];

/// What an adapter may name.
const ADAPTER: &[&str] = &[
    "buf",
    "close",
    "connection",
    "config",
    "deflate",
    "error",
    "handshake",
    "message",
    "net",
    "time",
    "web",
];

/// Crates and parts of std that only these modules may name.
const PRIVATE: &[(&str, &[&str])] = &[
    ("httparse", &["handshake"]),
    ("sha1", &["handshake"]),
    ("base64", &["handshake"]),
    ("rand", &["seed"]),
    ("zlib_rs", &["deflate"]),
    ("url", &["location", "net", "web"]),
    ("percent_encoding", &["location"]),
    ("rustls", &["blocking", "net"]),
    ("rustls_native_certs", &["net"]),
    ("webpki_roots", &["net"]),
    ("tower_service", &["tokio"]),
    ("tracing", &["net"]),
    ("tokio", &["tokio"]),
    ("tokio_rustls", &["tokio"]),
    ("http", &["handshake", "net", "tokio"]),
    ("hyper_util", &["tokio"]),
    ("futures_core", &["tokio"]),
    ("futures_sink", &["tokio"]),
    ("std", &["blocking", "connection", "mask", "net", "seed", "time", "tokio"]),
];

/// The code of each module, without comments and tests.
fn modules() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(&src).unwrap().with_extension("");
            let name = relative.iter().next().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            modules
                .entry(name)
                .or_insert_with(String::new)
                .extend(code.flat_map(|line| [line, "\n"]));
        }
    }
    modules
}

/// The words that follow `prefix`, such as `crate::`.
fn words_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix).map(move |(at, _)| {
        let rest = &code[at + prefix.len()..];
        &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
    })
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let modules = modules();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (position, (name, allowed)) in LAYERS.iter().enumerate() {
        let below: Vec<&str> = LAYERS[..position].iter().map(|(name, _)| *name).collect();
        assert!(allowed.iter().all(|a| below.contains(a)), "{name} may use what is not below it");
        let code = &modules[*name];
        let used: BTreeSet<&str> =
            words_after(code, "crate::").filter(|word| word != name).collect();
        for word in &used {
            assert!(allowed.contains(word), "`{name}` uses `crate::{word}`");
        }
        for word in *allowed {
            assert!(
                used.contains(word),
                "`{name}` may use `{word}` and does not: take it off the list"
            );
        }
        assert!(!code.contains("super::super::super"), "{name} climbs out of itself");
    }
    // Crate docs and re-exports, and nothing but docs.
    let rest = ["embedding", "lib", "manual", "requirements"];
    let unknown: Vec<&String> = modules
        .keys()
        .filter(|name| !known.contains(name.as_str()) && !rest.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "not in the table of layers: {unknown:?}");
}

#[test]
fn crates_are_known_to_their_module_alone() {
    let all = modules();
    for (krate, modules) in PRIVATE {
        for module in *modules {
            assert!(all.contains_key(*module), "no module `{module}`, which may name `{krate}`");
        }
    }
    for (name, code) in &all {
        if name == "lib" {
            continue;
        }
        for (krate, modules) in PRIVATE {
            let named = code.contains(&format!("use {krate}::"))
                || code.contains(&format!(" {krate}::"))
                || code.contains(&format!("({krate}::"))
                || code.contains(&format!("<{krate}::"));
            let excepted = modules.contains(&name.as_str());
            assert!(excepted || !named, "`{name}` names the crate `{krate}`");
        }
    }
}

#[test]
fn lib_has_no_logic() {
    let code = &modules()["lib"];
    for word in ["fn ", "impl ", "struct ", "enum ", "match "] {
        assert!(!code.contains(word), "lib.rs holds a `{}`", word.trim());
    }
}
