//! What was measured, as lines of a file: made by several processes, and read
//! by the one that makes tables of them.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub group: String,
    pub row: String,
    pub unit: Unit,
    pub engine: String,
    /// Of several settings of the engine, this one.
    pub setting: String,
    /// The median of all rounds, and the quartiles.
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    GibPerSecond,
    MibPerSecond,
    Microseconds,
    PerSecond,
    Bytes,
    Count,
    Percent,
}

impl Unit {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Nanoseconds, "ns"),
        (Self::GibPerSecond, "GiB/s"),
        (Self::MibPerSecond, "MiB/s"),
        (Self::Microseconds, "us"),
        (Self::PerSecond, "/s"),
        (Self::Bytes, "B"),
        (Self::Count, "n"),
        (Self::Percent, "%"),
    ];

    pub fn more_is_better(self) -> bool {
        matches!(self, Self::GibPerSecond | Self::MibPerSecond | Self::PerSecond)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = Self::ALL.iter().find(|(unit, _)| unit == self).expect("all are there");
        f.write_str(name)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, row, unit, engine, setting, median, low, high } = self;
        write!(f, "{group}\t{row}\t{unit}\t{engine}\t{setting}\t{median:.4}\t{low:.4}\t{high:.4}")
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("not a result: {line:?}");
        let fields: Vec<&str> = line.split('\t').collect();
        let [group, row, unit, engine, setting, median, low, high] = fields[..] else {
            return Err(wrong());
        };
        let unit = Unit::ALL.iter().find(|(_, name)| *name == unit).ok_or_else(wrong)?.0;
        let number = |text: &str| text.parse().map_err(|_| wrong());
        Ok(Self {
            group: group.into(),
            row: row.into(),
            unit,
            engine: engine.into(),
            setting: setting.into(),
            median: number(median)?,
            low: number(low)?,
            high: number(high)?,
        })
    }
}
