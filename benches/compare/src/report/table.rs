//! Results by group and row, and who is ahead.

use crate::echo::LATENCY;
use crate::engines::{OURS, OURS_CHUNKS, OURS_MIO};
use crate::results::{Line, Unit};

pub(super) struct Table {
    pub(super) groups: Vec<Group>,
}

#[derive(Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
}

#[derive(Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) unit: Unit,
    /// Of each engine its best setting.
    pub(super) best: Vec<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ahead,
    Level,
    Behind,
}

/// Differences of less are no differences.
const TIE: f64 = 1.15;

impl Table {
    pub(super) fn new(lines: &[Line]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for line in lines {
            let at = groups.iter().position(|group| group.name == line.group);
            let at = at.unwrap_or_else(|| {
                groups.push(Group { name: line.group.clone(), rows: Vec::new() });
                groups.len() - 1
            });
            groups[at].add(line);
        }
        Self { groups }
    }

    pub(super) fn filter(&self, is_wanted: impl Fn(&str) -> bool) -> Self {
        let groups = self.groups.iter().filter(|group| is_wanted(&group.name));
        Self { groups: groups.cloned().collect() }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&Group, &Row)> {
        self.groups.iter().flat_map(|group| group.rows.iter().map(move |row| (group, row)))
    }
}

impl Group {
    fn add(&mut self, line: &Line) {
        let at = self.rows.iter().position(|row| row.name == line.row);
        let at = at.unwrap_or_else(|| {
            let row = Row { name: line.row.clone(), unit: line.unit, best: Vec::new() };
            self.rows.push(row);
            self.rows.len() - 1
        });
        let row = &mut self.rows[at];
        match row.best.iter_mut().find(|best| best.engine == line.engine) {
            Some(best) if is_better(line, best) => *best = line.clone(),
            Some(_) => {}
            None => row.best.push(line.clone()),
        }
    }

    /// False where a verdict would say nothing: with all connections busy a latency
    /// is the time in a queue, and who lets some wait for long has the better median.
    pub(super) fn is_judged(&self) -> bool {
        !self.name.starts_with(LATENCY)
    }

    /// Engines in the order in which they come up.
    pub(super) fn engines(&self) -> Vec<&str> {
        let mut engines: Vec<&str> = Vec::new();
        for line in self.rows.iter().flat_map(|row| &row.best) {
            if !engines.contains(&line.engine.as_str()) {
                engines.push(&line.engine);
            }
        }
        engines
    }
}

impl Row {
    pub(super) fn of(&self, engine: &str) -> Option<&Line> {
        self.best.iter().find(|line| line.engine == engine)
    }

    /// What is compared: the engine that gives whole messages, as the others do.
    pub(super) fn ours(&self) -> Option<&Line> {
        self.of(OURS)
    }

    /// Ours in another way: chunks, or the loop of one's own.
    pub(super) fn ours_otherwise(&self) -> Option<&Line> {
        self.of(OURS_CHUNKS).or_else(|| self.of(OURS_MIO))
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = &Line> {
        self.best.iter().filter(|line| is_peer(&line.engine))
    }

    pub(super) fn best_peer(&self) -> Option<&Line> {
        self.peers().reduce(|best, line| if is_better(line, best) { line } else { best })
    }

    /// How many times as good as the best peer a line of ours is.
    pub(super) fn ratio(&self, line: &Line) -> Option<f64> {
        let best = self.best_peer()?.median;
        Some(match self.unit.more_is_better() {
            true => line.median / best,
            false if best == line.median => 1.0,
            false => best / line.median,
        })
    }

    pub(super) fn verdict(&self, line: &Line) -> Option<Verdict> {
        Some(match self.ratio(line)? {
            ratio if ratio >= TIE => Verdict::Ahead,
            ratio if ratio >= 1.0 / TIE => Verdict::Level,
            _ => Verdict::Behind,
        })
    }
}

/// Neither ours nor a server without a protocol.
pub(super) fn is_peer(engine: &str) -> bool {
    !engine.starts_with(OURS) && !engine.starts_with("floor")
}

fn is_better(line: &Line, than: &Line) -> bool {
    match line.unit.more_is_better() {
        true => line.median > than.median,
        false => line.median < than.median,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(engine: &str, setting: &str, unit: Unit, median: f64) -> Line {
        Line {
            group: "group".into(),
            row: "row".into(),
            unit,
            engine: engine.into(),
            setting: setting.into(),
            median,
            low: median,
            high: median,
        }
    }

    fn verdict(unit: Unit, ours: f64, peers: &[f64]) -> Option<Verdict> {
        let mut lines = vec![line(OURS, "", unit, ours)];
        for (n, &peer) in peers.iter().enumerate() {
            lines.push(line(&format!("peer {n}"), "", unit, peer));
        }
        let table = Table::new(&lines);
        let (_, row) = table.rows().next()?;
        row.verdict(row.ours()?)
    }

    #[test]
    fn the_best_peer_is_the_fastest_one() {
        assert_eq!(verdict(Unit::Nanoseconds, 10.0, &[20.0, 5.0]), Some(Verdict::Behind));
        assert_eq!(verdict(Unit::Nanoseconds, 10.0, &[20.0, 12.0]), Some(Verdict::Ahead));
        assert_eq!(verdict(Unit::GibPerSecond, 10.0, &[20.0, 5.0]), Some(Verdict::Behind));
        assert_eq!(verdict(Unit::GibPerSecond, 10.0, &[8.0, 5.0]), Some(Verdict::Ahead));
        assert_eq!(verdict(Unit::GibPerSecond, 10.0, &[11.0, 5.0]), Some(Verdict::Level));
        assert_eq!(verdict(Unit::Count, 0.0, &[0.0, 5.0]), Some(Verdict::Level));
        assert_eq!(verdict(Unit::Count, 0.0, &[1.0, 5.0]), Some(Verdict::Ahead));
        assert_eq!(verdict(Unit::Count, 1.0, &[]), None);
    }

    #[test]
    fn a_peer_is_judged_by_its_best_setting() {
        let unit = Unit::Nanoseconds;
        let lines = [line("peer", "slow", unit, 9.0), line("peer", "fast", unit, 3.0)];
        let table = Table::new(&lines);
        let (_, row) = table.rows().next().expect("a row");
        assert_eq!(row.best.len(), 1);
        assert_eq!(row.best[0].setting, "fast");
    }

    #[test]
    fn what_has_no_protocol_is_no_peer() {
        assert!(!is_peer("floor: mio, no protocol"));
        assert!(!is_peer(OURS_CHUNKS));
        assert!(is_peer("wtx"));
    }
}
