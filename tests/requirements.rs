//! The table of what the RFCs demand, `src/requirements.md`, held against the
//! code and the tests that it names.

mod sources;

use std::collections::{BTreeMap, BTreeSet};

use sources::{tests_in, text_of};

/// How many rows each section has, in the order of the page. Whoever takes a
/// row off the page, or adds one, says so here.
const COUNTS: &[(&str, usize)] = &[
    ("6455-3", 2),
    ("6455-4.1", 40),
    ("6455-4.2.1", 10),
    ("6455-4.2.2", 14),
    ("6455-4.3", 1),
    ("6455-4.4", 1),
    ("6455-5.1", 4),
    ("6455-5.2", 10),
    ("6455-5.3", 4),
    ("6455-5.4", 11),
    ("6455-5.5", 2),
    ("6455-5.5.1", 7),
    ("6455-5.5.2", 1),
    ("6455-5.5.3", 1),
    ("6455-5.6", 1),
    ("6455-5.8", 1),
    ("6455-6.1", 8),
    ("6455-6.2", 5),
    ("6455-7.1.2", 1),
    ("6455-7.1.7", 3),
    ("6455-7.2.1", 2),
    ("6455-7.2.2", 1),
    ("6455-7.4.1", 3),
    ("6455-8.1", 1),
    ("6455-9", 2),
    ("6455-9.1", 5),
    ("6455-10.1", 1),
    ("6455-10.3", 4),
    ("6455-10.4", 1),
    ("6455-10.6", 1),
    ("6455-10.7", 1),
    ("6455-11.1.1", 2),
    ("6455-11.1.2", 2),
    ("6455-11.3.1", 1),
    ("6455-11.3.2", 1),
    ("6455-11.3.3", 1),
    ("6455-11.3.4", 1),
    ("6455-11.3.5", 1),
    ("6455-11.4", 1),
    ("6455-11.5", 1),
    ("6455-11.6", 1),
    ("7692-4", 2),
    ("7692-5", 14),
    ("7692-6.1", 5),
    ("7692-6.2", 3),
    ("7692-7", 8),
    ("7692-7.1.1.2", 1),
    ("7692-7.1.2.1", 2),
    ("7692-7.1.2.2", 3),
    ("7692-7.1.3", 1),
    ("7692-7.2.1", 10),
    ("7692-7.2.2", 8),
    ("8441-3", 2),
    ("8441-4", 2),
    ("8441-5", 4),
];

/// A row of the page.
#[derive(Debug)]
struct Row {
    /// RFC and section, such as `6455-5.2`.
    section: String,
    /// The place in the section, from 1 on.
    number: usize,
    asked: String,
    /// Empty for an exception.
    code: Vec<String>,
    /// Tests, or the reason of an exception.
    last: String,
}

impl Row {
    fn id(&self) -> String {
        format!("{}-{}", self.section, self.number)
    }
}

/// What stands between backticks, if that is all there is but commas.
fn named(cell: &str) -> Option<Vec<String>> {
    let name = |part: &str| Some(part.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    cell.split(", ").map(name).collect()
}

fn rows() -> Vec<Row> {
    let page = text_of("src/requirements.md").unwrap();
    let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id "));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", id, asked, code, last, ""] = cells[..] else { panic!("not a row: {line}") };
        let (section, number) = id.rsplit_once('-').unwrap();
        let code = match code {
            "—" => Vec::new(),
            code => named(code).unwrap_or_else(|| panic!("{id} names no code: {code}")),
        };
        Row {
            section: section.into(),
            number: number.parse().unwrap(),
            asked: asked.into(),
            code,
            last: last.into(),
        }
    };
    lines.map(row).collect()
}

#[test]
fn rows_are_all_there_and_in_order() {
    let expected = COUNTS
        .iter()
        .flat_map(|(section, count)| (1..=*count).map(move |number| format!("{section}-{number}")));
    let found: Vec<String> = rows().iter().map(Row::id).collect();
    for (place, id) in expected.clone().enumerate() {
        assert_eq!(found.get(place), Some(&id), "what comes next");
    }
    assert_eq!(found.get(expected.count()), None, "a row more than there should be");
}

#[test]
fn sections_are_in_the_order_of_the_rfcs() {
    let key = |section: &str| {
        let numbers = section.split(['-', '.']).map(|number| number.parse().unwrap());
        numbers.collect::<Vec<u32>>()
    };
    assert!(COUNTS.windows(2).all(|pair| key(pair[0].0) < key(pair[1].0)));
    // A heading for each, and the rows below it.
    let page = text_of("src/requirements.md").unwrap();
    let mut rfc = "";
    let mut headings = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("# RFC ") {
            rfc = heading.split(':').next().unwrap();
        } else if let Some(heading) = line.strip_prefix("## ") {
            headings.push(format!("{rfc}-{}", heading.split(' ').next().unwrap()));
        } else if let Some(row) = line.strip_prefix("| ").filter(|row| !row.starts_with("id ")) {
            let section = headings.last().unwrap();
            assert!(row.starts_with(&format!("{section}-")), "below {section}: {row}");
        }
    }
    assert!(headings.iter().map(String::as_str).eq(COUNTS.iter().map(|(section, _)| *section)));
}

/// True if the code defines an item of this name.
fn defines(code: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "const", "static", "type"].iter().any(|kind| {
        let start = format!("{kind} {name}");
        code.match_indices(&start).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            let behind = code[at + start.len()..].chars().next();
            let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !is_word(before) && !is_word(behind)
        })
    })
}

/// True if the code has an implementation for a type of this name.
fn implements(code: &str, name: &str) -> bool {
    let mut heads = code.lines().filter(|line| line.starts_with("impl"));
    heads.any(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == name))
}

#[test]
fn the_code_is_there() {
    let mut files = BTreeMap::new();
    for row in rows() {
        for path in &row.code {
            let mut parts = path.split("::");
            let file = parts.next().unwrap();
            let code = files.entry(file.to_owned()).or_insert_with(|| {
                let text = text_of(&format!("src/{file}"));
                text.unwrap_or_else(|| panic!("{}: no file {file}", row.id()))
            });
            let items: Vec<&str> = parts.collect();
            let found = match items[..] {
                [item] => defines(code, item),
                [of, item] => defines(code, item) && implements(code, of),
                _ => false,
            };
            assert!(found, "{}: no {path}", row.id());
        }
    }
}

#[test]
fn the_tests_are_there() {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows().iter().filter(|row| !row.code.is_empty()) {
        let tests = named(&row.last).unwrap_or_else(|| panic!("{} names no test", row.id()));
        for path in tests {
            let (file, test) = path.split_once("::").unwrap();
            let found = files.entry(file.to_owned()).or_insert_with(|| {
                let code = text_of(file).unwrap_or_else(|| panic!("{}: no file {file}", row.id()));
                tests_in(&code).into_iter().map(str::to_owned).collect()
            });
            assert!(found.contains(test), "{}: no test {path}", row.id());
        }
    }
}

#[test]
fn exceptions_have_a_reason() {
    for row in rows() {
        assert!(row.asked.ends_with(['.', ')']), "{} is cut short", row.id());
        let is_reason = row.last.split(' ').count() > 3 && !row.last.starts_with('`');
        assert_eq!(row.code.is_empty(), is_reason, "{}: {}", row.id(), row.last);
    }
}
