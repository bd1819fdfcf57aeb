//! The header: what it says is what the library has.

mod c;

use std::collections::BTreeSet;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use c::*;
use sockeye_capi::*;

/// The header as cbindgen writes it from the sources.
fn generated() -> String {
    let mut config = cbindgen::Config::from_file(package().join("cbindgen.toml")).unwrap();
    let more = config.after_includes.take().unwrap();
    config.after_includes = Some(more.replace("@VERSION@", env!("CARGO_PKG_VERSION")));
    let bindings = cbindgen::Builder::new().with_crate(package()).with_config(config).generate();
    let mut header = Vec::new();
    bindings.unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

fn header() -> String {
    fs::read_to_string(package().join("include/sockeye.h")).unwrap()
}

/// The functions that the header declares.
fn declared(header: &str) -> BTreeSet<String> {
    let lines = header.lines().filter(|line| !line.starts_with([' ', '/', '*', '#']));
    let names = lines.filter_map(|line| line.split_once('(')?.0.split([' ', '*']).next_back());
    names.filter(|name| name.starts_with("sockeye_")).map(Into::into).collect()
}

/// To write it: `SOCKEYE_HEADER=write cargo test --test header`.
#[test]
fn the_header_is_that_of_the_sources() {
    let path = package().join("include/sockeye.h");
    let generated = generated();
    if env::var("SOCKEYE_HEADER").is_ok_and(|wish| wish == "write") {
        fs::write(&path, &generated).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(generated.lines()).find(|(there, line)| there != line);
    assert!(there == generated, "write it anew: SOCKEYE_HEADER=write; differs at {differs:?}");
}

#[test]
fn the_header_compiles_as_c_and_as_cpp_without_a_warning() {
    for standard in ["c99", "c11", "c17", "gnu17"] {
        compiles(cc(), standard, "tests/c/header_only.c");
    }
    for standard in ["c++11", "c++17", "c++20"] {
        compiles(cxx(), standard, "tests/c/header_only.cpp");
    }
}

#[test]
fn every_function_of_the_header_says_what_can_go_wrong() {
    let header = header();
    let mut checked = 0;
    for (before, rest) in
        header.match_indices("\nsockeye_result ").map(|(at, _)| header.split_at(at))
    {
        let name = rest.split('(').next().unwrap().rsplit(' ').next().unwrap();
        let words = &before[before.rfind("/**").unwrap()..];
        assert!(words.trim_end().ends_with("*/"), "{name} has no words of its own");
        let says = words.contains("Errors:") || words.contains("Otherwise as `sockeye_");
        assert!(says, "{name} does not say what can go wrong");
        checked += 1;
    }
    assert!(checked > 25, "{checked}");
}

#[test]
fn the_shared_library_has_the_functions_of_the_header_and_no_others() {
    let library = prefix().join("lib/libsockeye.so");
    let listed = run(Command::new("nm").args(["-D", "--defined-only", "-P"]).arg(&library));
    let names = listed.lines().map(|line| line.split(' ').next().unwrap().to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), declared(&header()));
}

#[test]
fn the_shared_library_is_found_by_the_name_that_programs_ask_for() {
    let program = program("examples/client.c", Link::Shared);
    let wanted = run(Command::new("readelf").arg("-d").arg(&program));
    let name = format!("libsockeye.so.{}", env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0);
    assert!(wanted.contains(&format!("[{name}]")), "{wanted}");
    assert!(prefix().join("lib").join(name).exists());
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
}

// ---- layouts ----------------------------------------------------------------------------

fn len_of<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// A type, and where its fields are, as `tests/c/layout.c` prints them.
macro_rules! layout {
    ($seen:ident, $name:ident { $($field:ident),* $(,)? }) => {
        $seen.push(format!("{} {} {}", stringify!($name), size_of::<$name>(), size_of::<$name>()));
        $($seen.push(format!(
            "{}.{} {} {}",
            stringify!($name),
            stringify!($field).trim_start_matches("r#"),
            offset_of!($name, $field),
            len_of(|value: &$name| &value.$field),
        ));)*
    };
}

#[test]
fn c_sees_the_structs_where_rust_has_them() {
    let mut seen = Vec::new();
    layout!(seen, sockeye_bytes { data, len });
    layout!(seen, sockeye_input { data, len, scratch, scratch_len });
    layout!(seen, sockeye_output { data, capacity, len, needed });
    layout!(
        seen,
        sockeye_event { r#type, is_first, is_last, close_code, error, reserved, data, remaining }
    );
    layout!(
        seen,
        sockeye_closed {
            cause,
            error,
            code,
            sent_code,
            is_clean,
            is_by_peer,
            has_sent,
            has_received,
            reason,
            reason_len,
        }
    );
    layout!(seen, sockeye_header { name, value });
    layout!(seen, sockeye_request { head, path, query, host, origin, headers });
    layout!(
        seen,
        sockeye_reply { status, is_accepted, is_complete, head_len, headers, subprotocol, body }
    );
    layout!(
        seen,
        sockeye_config {
            size,
            max_head_len,
            max_headers,
            max_target_len,
            max_refusal_len,
            deflate_min_len,
            max_message_len,
            max_frame_len,
            handshake_timeout_ns,
            ping_interval_ns,
            pong_timeout_ns,
            idle_timeout_ns,
            close_timeout_ns,
            deflate_release_after_ns,
            max_fragments,
            deflate_max_ratio,
            auto_pong,
            deflate,
            deflate_level,
            deflate_mem_level,
            deflate_server_no_context_takeover,
            deflate_client_no_context_takeover,
            deflate_server_max_window_bits,
            deflate_client_max_window_bits,
        }
    );
    layout!(seen, sockeye_result {});
    layout!(seen, sockeye_event_type {});
    layout!(seen, sockeye_protocol_error {});
    layout!(seen, sockeye_handshake_error {});
    layout!(seen, sockeye_cause {});
    let version = env!("CARGO_PKG_VERSION");
    seen.push(format!("SOCKEYE_VERSION {version} {version}"));
    seen.push(format!("SOCKEYE_NEVER {SOCKEYE_NEVER}"));
    for link in LINKS {
        let printed = run(&mut Command::new(program("tests/c/layout.c", link)));
        assert_eq!(printed.lines().collect::<Vec<_>>(), seen, "{link:?}");
    }
}

/// A struct that is in the header and not in the list above is not checked.
#[test]
fn every_struct_of_the_header_is_compared() {
    let printed = fs::read_to_string(Path::new(package()).join("tests/c/layout.c")).unwrap();
    let header = header();
    let fields = header.lines().filter(|line| line.starts_with("    ") && line.ends_with(';'));
    let fields = fields.filter(|line| !line.starts_with("     "));
    let mut count = 0;
    for field in fields {
        let name = field.trim_end_matches(';').rsplit([' ', '*']).next().unwrap();
        let name = name.split('[').next().unwrap();
        assert!(printed.contains(&format!(", {name})")), "{field}");
        count += 1;
    }
    assert_eq!(count, printed.matches("    FIELD(").count());
}
