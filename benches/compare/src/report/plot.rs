//! A plot: for each row how many times as good as the best peer ours is, and
//! where the other peers are.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::page::ratio as told;
use super::table::{Group, Row, Table, Verdict};

const WIDTH: i32 = 1000;
/// Where the scale begins and ends.
const LEFT: i32 = 420;
const RIGHT: i32 = 920;
const LINE: i32 = 18;
const TOP: i32 = 80;

/// The scale is logarithmic, from one such part to as many times.
const MOST: f64 = 16.0;
const TICKS: [(f64, &str); 9] = [
    (1.0 / 16.0, "1/16"),
    (0.125, "1/8"),
    (0.25, "1/4"),
    (0.5, "1/2"),
    (1.0, "1"),
    (2.0, "2"),
    (4.0, "4"),
    (8.0, "8"),
    (16.0, "16"),
];

const INK: RGBColor = RGBColor(40, 40, 40);
const RULE: RGBColor = RGBColor(220, 220, 220);
const PEER: RGBColor = RGBColor(120, 120, 120);
const AHEAD: RGBColor = RGBColor(46, 125, 80);
const LEVEL: RGBColor = RGBColor(150, 150, 150);
const BEHIND: RGBColor = RGBColor(190, 70, 60);

fn x(ratio: f64) -> i32 {
    let share = (ratio.clamp(1.0 / MOST, MOST).log2() / MOST.log2() + 1.0) / 2.0;
    LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
}

fn is_shown(row: &&Row) -> bool {
    row.ours().is_some() && row.best_peer().is_some()
}

pub(super) fn write(path: &Path, table: &Table) -> Result<(), Box<dyn Error + Send + Sync>> {
    let shown: Vec<(&Group, Vec<&Row>)> = table
        .groups
        .iter()
        .filter(|group| group.is_judged())
        .map(|group| (group, group.rows.iter().filter(is_shown).collect()))
        .filter(|(_, rows): &(_, Vec<_>)| !rows.is_empty())
        .collect();
    let lines: usize = shown.iter().map(|(_, rows)| 2 + rows.len()).sum();
    let height = TOP + LINE * i32::try_from(lines)? + 20;
    let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32, color: RGBColor, h: HPos| {
        ("sans-serif", size).into_font().color(&color).pos(Pos::new(h, VPos::Center))
    };
    let label = |text_of: &str, at: (i32, i32), style: TextStyle<'_>| {
        root.draw(&Text::new(text_of.to_owned(), at, style))
    };
    let title = "sockeye beside the best peer: how many times as good";
    label(title, (16, 22), text(17, INK, HPos::Left))?;
    let key = "bar: sockeye, whole messages, on tokio   ▷ in chunks; its mio loop   ○ peers";
    label(key, (16, 44), text(12, PEER, HPos::Left))?;
    for (tick, name) in TICKS {
        let color = if tick == 1.0 { INK } else { RULE };
        root.draw(&PathElement::new(vec![(x(tick), TOP - 8), (x(tick), height - 12)], color))?;
        label(name, (x(tick), TOP - 18), text(12, PEER, HPos::Center))?;
    }
    let mut y = TOP;
    for (group, rows) in shown {
        label(&group.name, (16, y + LINE / 2), text(13, INK, HPos::Left))?;
        y += LINE;
        for row in rows {
            let middle = y + LINE / 2;
            label(&row.name, (LEFT - 10, middle), text(12, INK, HPos::Right))?;
            for peer in row.peers() {
                let at = x(row.ratio(peer).unwrap_or(1.0));
                root.draw(&Circle::new((at, middle), 3, PEER))?;
            }
            if let Some(ours) = row.ours() {
                let ratio = row.ratio(ours).unwrap_or(1.0);
                let color = match row.verdict(ours) {
                    Some(Verdict::Ahead) => AHEAD,
                    Some(Verdict::Behind) => BEHIND,
                    _ => LEVEL,
                };
                let bar = [(x(1.0), middle - 5), (x(ratio), middle + 5)];
                root.draw(&Rectangle::new(bar, color.filled()))?;
                label(&told(ratio), (RIGHT + 12, middle), text(12, color, HPos::Left))?;
            }
            if let Some(line) = row.ours_otherwise() {
                let at = x(row.ratio(line).unwrap_or(1.0));
                let arrow = vec![
                    (at - 3, middle - 5),
                    (at + 5, middle),
                    (at - 3, middle + 5),
                    (at - 3, middle - 5),
                ];
                root.draw(&PathElement::new(arrow, INK))?;
            }
            y += LINE;
        }
        y += LINE / 2;
    }
    root.present()?;
    Ok(())
}
