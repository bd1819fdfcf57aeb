//! `SECURITY.md`, held against the code: its limits are those of the code, and
//! the tests that it names are there.

#![cfg(feature = "web")]

mod sources;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use sockeye::deflate::Params;
use sockeye::{Config, DeflateConfig, web};
use sources::{tests_in, text_of};

fn page() -> String {
    text_of("SECURITY.md").unwrap()
}

/// The cells of the rows of the table with this heading.
fn table<const N: usize>(heading: [&str; N]) -> Vec<[String; N]> {
    let page = page();
    let cells = |line: &str| -> Option<[String; N]> {
        let inner = line.strip_prefix("| ")?.strip_suffix('|')?;
        let cells: Vec<_> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().ok()
    };
    let heading = heading.map(str::to_owned);
    let mut lines = page.lines().skip_while(|line| cells(line).as_ref() != Some(&heading)).skip(2);
    let rows: Vec<_> = lines.by_ref().map_while(cells).collect();
    assert!(!rows.is_empty(), "no table {heading:?}");
    rows
}

/// A name between backticks.
fn code(cell: &str) -> &str {
    cell.strip_prefix('`')
        .and_then(|cell| cell.strip_suffix('`'))
        .unwrap_or_else(|| panic!("{cell}"))
}

/// The fields of a value, as `Debug` shows them; an option without its `Some`.
fn fields(value: &impl Debug) -> BTreeMap<String, String> {
    let shown = format!("{value:?}");
    let inner = shown.split_once('{').and_then(|(_, inner)| inner.strip_suffix('}')).unwrap();
    let (mut fields, mut depth) = (vec![String::new()], 0);
    for char in inner.chars() {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        match char {
            ',' if depth == 0 => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(char),
        }
    }
    let pairs = fields.iter().filter_map(|field| field.trim().split_once(": "));
    let some = |value: &str| Some(value.strip_prefix("Some(")?.strip_suffix(')')?.to_owned());
    pairs.map(|(name, value)| (name.into(), some(value).unwrap_or(value.into()))).collect()
}

/// A value of the page as `Debug` shows it: a number without its unit.
fn plain(cell: &str) -> String {
    match cell {
        "yes" => return "true".into(),
        "none" => return "None".into(),
        _ => {}
    }
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let number: u64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{cell}"));
    match unit {
        "" | "bytes" => number.to_string(),
        "KiB" => (number << 10).to_string(),
        "MiB" => (number << 20).to_string(),
        "s" => format!("{:?}", Duration::from_secs(number)),
        _ => panic!("{cell}"),
    }
}

#[track_caller]
fn assert_default(limit: &str, cell: &str, value: &str) {
    let is_so = match (limit, cell) {
        // More than a number can tell.
        ("params", "any") => value == format!("{:?}", [Params::default()]),
        ("deflate", "yes") => value.starts_with("DeflateConfig"),
        _ => value == plain(cell),
    };
    assert!(is_so, "`{limit}` is {value} and not {cell}");
}

#[test]
fn the_limits_are_those_of_the_code() {
    let config = fields(&Config::default());
    let of_web = fields(&*web::Options::default().config);
    let deflate = fields(&DeflateConfig::default());
    let options = fields(&web::Options::default());
    let mut expected: Vec<String> = Vec::new();
    expected.extend(config.keys().map(|field| format!("Config::{field}")));
    expected.extend(deflate.keys().map(|field| format!("DeflateConfig::{field}")));
    expected.extend(["max_buffered", "connections"].map(|f| format!("web::Options::{f}")));

    let mut found = Vec::new();
    for [limit, default, in_web, beyond] in
        table(["limit", "default", "in `web`", "what happens beyond"])
    {
        let limit = code(&limit).to_owned();
        let (of, field) = limit.rsplit_once("::").unwrap();
        let value = match of {
            "Config" => &config,
            "DeflateConfig" => &deflate,
            "web::Options" => &options,
            _ => panic!("{limit}"),
        };
        assert_default(field, &default, &value[field]);
        if of == "Config" {
            let in_web = if in_web.is_empty() { &default } else { &in_web };
            assert_default(field, in_web, &of_web[field]);
        }
        assert!(!beyond.is_empty(), "{limit}");
        found.push(limit);
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "every limit has a row, and one");
}

/// The value of a constant, as it stands in the code.
fn constant(path: &str, name: &str) -> String {
    let text = text_of(path).unwrap_or_else(|| panic!("no {path}"));
    let start = format!("const {name}: ");
    let value = text.split_once(&start).unwrap_or_else(|| panic!("no {name} in {path}")).1;
    let value = value.split_once(" = ").unwrap().1.split_once(';').unwrap().0;
    if let Some(seconds) = value.strip_prefix("Duration::from_secs(") {
        return plain(&format!("{} s", seconds.trim_end_matches(')')));
    }
    let number = |text: &str| text.trim().parse::<u64>().unwrap();
    match value.split_once("<<") {
        Some((mantissa, shift)) => (number(mantissa) << number(shift)).to_string(),
        None => number(value).to_string(),
    }
}

#[test]
fn the_limits_that_cannot_be_changed_are_those_of_the_code() {
    for [limit, value, path, _] in table(["limit", "value", "where", "what happens beyond"]) {
        let (limit, path) = (code(&limit), code(&path));
        assert_eq!(plain(&value), constant(path, limit), "{limit}");
    }
    let endpoint = text_of("src/net/endpoint.rs").unwrap();
    assert!(page().contains("follows 5 redirects") && endpoint.contains("max_redirects: 5,"));
}

#[test]
fn each_promise_names_what_holds_it_and_that_is_there() {
    for [promise, held_by] in table(["promise", "held by"]) {
        assert!(!held_by.is_empty(), "{promise}");
        for name in held_by.split('`').filter(|part| part.starts_with("tests/")) {
            let (path, test) = name.split_once("::").unwrap_or_else(|| panic!("{name}"));
            let text = text_of(path).unwrap_or_else(|| panic!("no {path}"));
            assert!(tests_in(&text).contains(test), "no {name}");
        }
    }
}
