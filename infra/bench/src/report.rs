//! A table for people, and the same as lines of JSON.

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::{self, Write as _},
};

use serde_json::{Value, json};
use sluice_aws::SystemClock;
use sluice_core::ports::Clock;

/// Where the lines of JSON go; without it they go nowhere.
const RESULTS: &str = "SLUICE_BENCH_RESULTS";

/// One benchmark's table.
#[derive(Debug)]
pub struct Report {
    benchmark: &'static str,
    title: String,
    cells: Vec<Vec<String>>,
    records: Vec<Value>,
    notes: Vec<String>,
}

impl Report {
    /// A table without rows.
    pub fn new(benchmark: &'static str, title: impl Into<String>, columns: &[&str]) -> Self {
        let header = columns.iter().map(ToString::to_string).collect();
        Self { benchmark, title: title.into(), cells: vec![header], records: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row; `record` is an object with the same figures, unrounded.
    pub fn row(&mut self, cells: Vec<String>, record: Value) {
        self.cells.push(cells);
        self.records.push(record);
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the table and writes the lines of JSON.
    ///
    /// # Errors
    /// One of them can't be written.
    pub fn finish(self) -> io::Result<()> {
        io::stdout().write_all(self.render().as_bytes())?;
        let Some(path) = std::env::var_os(RESULTS) else { return Ok(()) };
        let at = SystemClock.now().to_string();
        let mut lines = String::new();
        for record in self.records {
            let mut line = json!({ "benchmark": self.benchmark, "at": at });
            if let (Value::Object(line), Value::Object(record)) = (&mut line, record) {
                line.extend(record);
            }
            let _ = writeln!(lines, "{line}");
        }
        OpenOptions::new().create(true).append(true).open(path)?.write_all(lines.as_bytes())
    }

    /// The first column is a name, the others are figures.
    fn render(&self) -> String {
        let count = self.cells.first().map_or(0, Vec::len);
        let width_of = |column: usize| {
            let widths = self.cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..count).map(width_of).collect();
        let mut lines = vec![String::new(), self.title.clone(), String::new()];
        for (at, row) in self.cells.iter().enumerate() {
            let padded: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            lines.push(format!("  {}", padded.join("  ").trim_end()));
            if at == 0 {
                let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
                lines.push(format!("  {}", rules.join("  ")));
            }
        }
        if !self.notes.is_empty() {
            lines.push(String::new());
            lines.extend(self.notes.iter().map(|note| format!("  {note}")));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_left_and_figures_right() {
        let mut report = Report::new("bench", "What it is", &["case", "ms"]);
        report.row(vec!["a long name".to_owned(), "1.2".to_owned()], json!({}));
        report.row(vec!["b".to_owned(), "10–11".to_owned()], json!({}));
        report.note("so it is");
        let expected = "\nWhat it is\n\n  case            ms\n  -----------  -----\n  a long name    1.2\n  b            10–11\n\n  so it is\n";
        assert_eq!(report.render(), expected);
    }
}
