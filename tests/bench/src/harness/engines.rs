//! One engine and two, each with a routing instance and a CPU of its own: how DORA/s grow with engines.

use crate::harness::figures::Figures;
use crate::harness::process::output;
use crate::harness::steps::Bench;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

const STEP: &str = "engines";

impl Bench<'_> {
    /// The rows of `engines`: what the example of the store prints. It needs no namespace, and moves its threads to the
    /// CPUs that it is given.
    pub(crate) fn engines(&mut self, round: u32) -> Result<()> {
        let program = self.world.program("examples/engines");
        if !program.is_file() {
            println!("SKIP bench-engines: {} is not built", program.display());
            return Ok(());
        }
        let mut command = self.world.in_server(&program.display().to_string());
        command.args(self.world.cpus()).arg(self.settings.seconds.to_string()).arg(self.world.scratch());
        for (name, figures) in rows(&output(&mut command)?)? {
            self.row(STEP, &name, round, |_, values| {
                *values = figures;
                Ok(disagreement(values))
            })?;
        }
        Ok(())
    }
}

/// The rows of a markdown table by name, each figure by its column's name.
fn rows(text: &str) -> Result<Vec<(String, BTreeMap<String, f64>)>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let mut lines = text.lines().filter_map(cells).filter(|row| !row.iter().all(|cell| cell.starts_with('-')));
    let head = lines.next().context("no table")?;
    let row = |cells: Vec<String>| {
        ensure!(cells.len() == head.len(), "{cells:?} does not fit {head:?}");
        let mut cells = cells.into_iter();
        let name = cells.next().unwrap_or_default();
        let figures = head.iter().skip(1).zip(cells);
        let figures = figures.map(|(column, cell)| Ok((column.clone(), cell.parse().context(cell)?)));
        Ok((name, figures.collect::<Result<_>>()?))
    };
    lines.map(row).collect()
}

/// Why a row does not count: nothing was served, or clients were told addresses that are no bindings.
fn disagreement(values: &BTreeMap<String, f64>) -> Option<String> {
    let figure = |name: &str| values.get(name).copied().unwrap_or_default();
    let (rate, told, bound) = (figure("rate"), figure("told"), figure("bound"));
    if rate <= 0.0 {
        return Some("no client was served".to_owned());
    }
    (told.total_cmp(&bound).is_ne()).then(|| format!("{told} clients were told an address, {bound} bindings are there"))
}

/// How the rows compare, as lines of the table of ratios. Two engines on two CPUs are at 2 where nothing is shared.
pub(crate) fn ratio_lines(figures: &Figures) -> String {
    let line = |name: &str, above: &str, below: &str, figure: &str| {
        figures.ratio_line(name, (STEP, above, figure), (STEP, below, figure), 1.0)
    };
    let (one, two, processes) = ("1-engine", "2-engines", "2-processes");
    let (one_stored, two_stored, processes_stored) = ("1-engine-stored", "2-engines-stored", "2-processes-stored");
    [
        line("DORA/s, 2 engines on 2 CPUs / 1 engine", two, one, "rate"),
        line("DORA/s, 2 engines in 2 processes / 1 engine", processes, one, "rate"),
        line("DORA/s, 2 engines on 1 CPU / 1 engine", "2-engines-1-cpu", one, "rate"),
        line("DORA/s, 2 engines with one configuration object / 1 engine", "2-engines-1-config", one, "rate"),
        line("CPU per DORA, 2 engines / 1 engine", two, one, "cpu_us"),
        line("CPU per DORA, 2 engines in 2 processes / 1 engine", processes, one, "cpu_us"),
        line("CPU per DORA, 64 routing instances / 1", "1-engine-64-instances", one, "cpu_us"),
        line("DORA/s with a database each, 2 engines / 1 engine", two_stored, one_stored, "rate"),
        line("DORA/s with a database each, 2 processes / 1 engine", processes_stored, one_stored, "rate"),
        line("CPU per DORA with a database each, 2 engines / 1 engine", two_stored, one_stored, "process_cpu_us"),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::figures::Row;

    const TABLE: &str = "noise\n| row | rate | told | bound |\n|---|---|---|---|\n| 1-engine | 200 | 7 | 7 |\n\
                         | 2-engines | 390.5 | 14 | 14 |\n";

    #[test]
    fn figures_have_the_names_of_their_columns() {
        let rows = rows(TABLE).expect("a table");
        let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["1-engine", "2-engines"]);
        assert_eq!((rows[1].1["rate"], rows[1].1["told"]), (390.5, 14.0));
        assert!(super::rows("nothing").is_err(), "a program that prints no table has failed");
        assert!(super::rows("| row | rate |\n| a | 1 | 2 |\n").is_err(), "a figure without a name");
        assert!(super::rows("| row | rate |\n| a | many |\n").is_err(), "no figure");
    }

    #[test]
    fn clients_without_a_binding_void_the_row() {
        let row = |rate, told, bound| {
            let figures = [("rate", rate), ("told", told), ("bound", bound)];
            disagreement(&figures.map(|(name, value)| (name.to_owned(), value)).into())
        };
        assert_eq!(row(5.0, 7.0, 7.0), None);
        assert!(row(5.0, 7.0, 6.0).is_some_and(|why| why.contains("6 bindings")));
        assert!(row(0.0, 7.0, 7.0).is_some());
    }

    #[test]
    fn ratios_are_of_the_rows_that_are_there() {
        let mut figures = Figures::default();
        for (variant, values) in rows(TABLE).expect("a table") {
            let (step, load) = (STEP.to_owned(), String::new());
            figures.add(Row { step, variant, round: 0, values, void: None, load });
        }
        assert_eq!(ratio_lines(&figures), "| DORA/s, 2 engines on 2 CPUs / 1 engine | 1 | 1.95 |\n");
    }
}
