//! Results to a page with tables and to plots.

mod machine;
mod page;
mod plot;
mod table;

use std::fs;
use std::io;
use std::path::Path;

use crate::results::Line;
use table::Table;

/// Reads all results in `from`, and writes `DATE.md`, `DATE.tsv` and plots to
/// `to`. `with` names the compiler, our commit and the command.
pub fn write(from: &Path, to: &Path, date: &str, with: &str, is_quick: bool) -> io::Result<()> {
    let mut text = String::new();
    for name in ["memory", "footprint", "echo"] {
        match fs::read_to_string(from.join(name).with_extension("tsv")) {
            Ok(lines) => text += &lines,
            // Not all has to be measured.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let lines: Result<Vec<Line>, String> = text.lines().map(str::parse).collect();
    let table = Table::new(&lines.map_err(io::Error::other)?);
    fs::create_dir_all(to)?;
    fs::write(to.join(format!("{date}.tsv")), &text)?;
    let is_echo = |group: &str| group.starts_with("Echo") || group.starts_with("Resident");
    let parts: [(&str, Table); 2] =
        [("memory", table.filter(|group| !is_echo(group))), ("echo", table.filter(is_echo))];
    let mut plots = Vec::new();
    for (name, part) in parts.iter().filter(|(_, part)| !part.groups.is_empty()) {
        let file = format!("{date}-{name}.svg");
        plot::write(&to.join(&file), part).map_err(io::Error::other)?;
        plots.push(file);
    }
    let about = machine::about(with)?;
    fs::write(to.join(format!("{date}.md")), page::page(&table, &about, date, &plots, is_quick))?;
    print!("{}", page::short(&table));
    Ok(())
}
