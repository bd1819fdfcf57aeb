//! The page of results, and the few rows of it that the crate's README shows.

use std::fmt::Write;

use super::machine::About;
use super::table::{Row, Table, Verdict, is_peer};
use crate::echo::PROCESSOR_TIME;
use crate::engines::OURS;
use crate::results::{Line, Unit};

const NOTES: &str = "\
Medians of all rounds; engines take turns in each. From memory it is the thread's processor time. Of each peer the \
best of its settings is shown, row by row (`README.md` lists them); ours has the same in all rows. `ratio`: how many \
times as good as the best peer ours is; within 15 % counts as level. `chunks`: the same engine where the application \
takes a message in pieces as they arrive; in brackets its own ratio, as of the loop of one's own. `–`: it can not do \
that, or not without more that is around it. Every row checks, outside of the measured time, each byte that was \
received or sent; within it, lengths and counts. Latencies have no verdict: all connections are busy, so they are times in a queue, \
and who lets some connections wait for long has the better median.";

pub(super) fn page(
    table: &Table,
    about: &About,
    date: &str,
    plots: &[String],
    is_quick: bool,
) -> String {
    let mut page = format!("# {date}\n\n{}.\n", about.machine);
    if is_quick {
        page += "\n**A quick run, which says little.**\n";
    }
    let versions: Vec<String> =
        about.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let _ = write!(page, "\n{}.\n\n{NOTES}\n", versions.join(", "));
    page += &summary(table);
    for plot in plots {
        let _ = write!(page, "\n![How many times as good as the best peer]({plot})\n");
    }
    for group in &table.groups {
        let others: Vec<&str> =
            group.engines().into_iter().filter(|engine| *engine != OURS).collect();
        let _ = write!(page, "\n## {}\n\n| | {OURS} | best peer | ratio | |", group.name);
        for engine in &others {
            let _ = write!(page, " {engine} |");
        }
        page += "\n|---|---|---|---|---|";
        others.iter().for_each(|_| page += "---|");
        page += "\n";
        for row in &group.rows {
            let _ = write!(page, "| {}, {} |", row.name, row.unit);
            page += &judged(row, row.ours(), group.is_judged());
            for engine in &others {
                let told = row.of(engine).map_or("–".into(), |line| cell(row, line));
                let _ = write!(page, " {told} |");
            }
            page += "\n";
        }
    }
    page += &spread(table);
    page
}

/// A figure; if it is ours as well, with its own ratio.
fn cell(row: &Row, line: &Line) -> String {
    match row.ratio(line) {
        Some(times) if !is_peer(&line.engine) && line.engine.starts_with(OURS) => {
            format!("{} ({})", number(line.median), ratio(times))
        }
        _ => number(line.median),
    }
}

/// Ours, the best peer, the ratio and what it means, as cells.
fn judged(row: &Row, line: Option<&Line>, says_so: bool) -> String {
    let Some(line) = line else { return " – | – | | |".into() };
    let Some(best) = row.best_peer() else {
        return format!(" {} | – | | |", number(line.median));
    };
    let ratio = row.ratio(line).map_or(String::new(), ratio);
    let word = match row.verdict(line) {
        _ if !says_so => "",
        Some(Verdict::Ahead) => "ahead",
        Some(Verdict::Level) => "level",
        Some(Verdict::Behind) => "**behind**",
        None => "",
    };
    let (ours, best, name) = (number(line.median), number(best.median), &best.engine);
    format!(" {ours} | {best} {name} | {ratio} | {word} |")
}

fn summary(table: &Table) -> String {
    let mut summary = String::from("\n| | rows ahead | level | behind |\n|---|---|---|---|\n");
    for group in table.groups.iter().filter(|group| group.is_judged()) {
        let mut counts = [0; 3];
        for row in &group.rows {
            if let Some(verdict) = row.ours().and_then(|ours| row.verdict(ours)) {
                counts[verdict as usize] += 1;
            }
        }
        let [ahead, level, behind] = counts;
        if ahead + level + behind > 0 {
            let _ = writeln!(summary, "| {} | {ahead} | {level} | {behind} |", group.name);
        }
    }
    summary
}

/// How far apart the rounds were.
fn spread(table: &Table) -> String {
    let mut spreads: Vec<f64> = table
        .rows()
        .flat_map(|(_, row)| &row.best)
        .filter(|line| line.high > line.low && line.median > 0.0)
        .map(|line| 100.0 * (line.high - line.low) / line.median)
        .collect();
    spreads.sort_by(f64::total_cmp);
    let Some(last) = spreads.len().checked_sub(1) else { return String::new() };
    let at = |share: f64| spreads[(last as f64 * share) as usize];
    format!(
        "\nHalf of the rounds of a measurement are within {:.1} % of each other, if it is one of the steadier half \
        of them, and within {:.1} % in nine of ten.\n",
        at(0.5),
        at(0.9)
    )
}

/// Rows for the README of the crate.
const SHORT: [(&str, &str); 21] = [
    ("Server receives", "binary 64 B, many in a read"),
    ("Server receives", "binary 64 B, one in a read"),
    ("Server receives", "binary 1 KiB"),
    ("Server receives", "binary 64 KiB"),
    ("Server receives", "binary 16 MiB"),
    ("Server receives", "ASCII 64 KiB"),
    ("Server receives", "CJK 1 KiB"),
    ("Server receives", "CJK 64 KiB in fragments of 4 KiB"),
    ("Client receives", "binary 125 B, many in a read"),
    ("Client receives", "binary 64 KiB"),
    ("Server sends", "binary 64 B, 16 in a write"),
    ("Server sends", "binary 64 KiB"),
    ("Client sends", "binary 64 B"),
    ("Client sends", "binary 64 KiB"),
    ("Opening handshake", "server, browser's"),
    ("Opening handshake", "client"),
    ("Compression", "client inflates JSON 64 KiB"),
    ("Memory of an idle connection", "server, in all"),
    (PROCESSOR_TIME, "20 B x 200, depth 1"),
    (PROCESSOR_TIME, "20 B x 200, depth 16, answers collected"),
    ("Resident memory of an idle connection", "10000 connections"),
];

pub(super) fn short(table: &Table) -> String {
    let mut short = format!("| | {OURS} | best peer | ratio | |\n|---|---|---|---|---|\n");
    for (group, name) in SHORT {
        let wanted = table.rows().find(|(g, row)| g.name == group && row.name == name);
        let Some((_, row)) = wanted else { continue };
        let _ =
            writeln!(short, "| {group}: {name}, {} |{}", row.unit, judged(row, row.ours(), true));
        let otherwise = row.ours_otherwise().filter(|_| row.unit != Unit::Nanoseconds);
        if let Some(line) = otherwise {
            let _ = writeln!(short, "| – {} |{}", line.engine, judged(row, Some(line), true));
        }
    }
    short
}

pub(super) fn ratio(ratio: f64) -> String {
    if ratio.is_infinite() { "∞".into() } else { format!("{ratio:.2}") }
}

/// Three digits that say something.
pub(super) fn number(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        value if value < 1.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value if value < 10_000.0 => format!("{value:.0}"),
        value if value < 10_000_000.0 => format!("{:.0}k", value / 1e3),
        value => format!("{:.1}M", value / 1e6),
    }
}
