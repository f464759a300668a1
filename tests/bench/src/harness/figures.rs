//! Rows of one run, their medians, and ratios that are taken round by round.

use serde::Serialize;
use std::collections::BTreeMap;

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub step: String,
    /// Which server.
    pub variant: String,
    /// Which round, from 0.
    pub round: u32,
    /// Figures by name.
    pub values: BTreeMap<String, f64>,
    /// Why the row does not count; `None` when it does.
    pub void: Option<String>,
    /// Load averages when it ended.
    pub load: String,
}

/// All rows of a run.
#[derive(Debug, Default)]
pub struct Figures {
    rows: Vec<Row>,
}

/// Median, least and greatest of some figures; `None` without any.
#[must_use]
pub fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let median = match values.len() % 2 {
        0 => f64::midpoint(*values.get(middle - 1)?, upper),
        _ => upper,
    };
    Some((median, first, last))
}

/// A figure for people: thousands apart, decimals only where they say something.
#[must_use]
pub fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

fn cell(values: Vec<f64>) -> String {
    match spread(values) {
        None => String::new(),
        Some((median, least, most)) if least.total_cmp(&most).is_eq() => number(median),
        Some((median, least, most)) => {
            format!("{} ({}..{})", number(median), number(least), number(most))
        }
    }
}

impl Figures {
    /// Adds a row and prints it as it comes.
    pub fn add(&mut self, row: Row) {
        let values: Vec<String> = row.values.iter().map(|(k, v)| format!("{k}={}", number(*v))).collect();
        let void = row.void.as_ref().map(|why| format!(" VOID: {why}")).unwrap_or_default();
        eprintln!("{} {} #{}{void}: {}", row.step, row.variant, row.round, values.join(" "));
        self.rows.push(row);
    }

    /// Every row.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// True when a row does not count.
    #[must_use]
    pub fn any_void(&self) -> bool {
        self.rows.iter().any(|row| row.void.is_some())
    }

    fn steps(&self) -> Vec<&str> {
        unique(self.rows.iter().map(|row| row.step.as_str()))
    }

    /// A markdown table for each step: median (least..greatest) of the rows that count.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for step in self.steps() {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.step == step).collect();
            let columns = unique(rows.iter().flat_map(|row| row.values.keys().map(String::as_str)));
            text += &format!("\n### {step}\n\n| variant | n | {} |\n", columns.join(" | "));
            text += &format!("|---|---|{}\n", "---|".repeat(columns.len()));
            for variant in unique(rows.iter().map(|row| row.variant.as_str())) {
                let own: Vec<&&Row> = rows.iter().filter(|row| row.variant == variant).collect();
                let good: Vec<&&&Row> = own.iter().filter(|row| row.void.is_none()).collect();
                let void = match own.len() - good.len() {
                    0 => String::new(),
                    n => format!(" ({n} void)"),
                };
                let cells: Vec<String> = columns
                    .iter()
                    .map(|column| cell(good.iter().filter_map(|row| row.values.get(*column).copied()).collect()))
                    .collect();
                text += &format!("| {variant} | {}{void} | {} |\n", good.len(), cells.join(" | "));
            }
        }
        text
    }

    /// The ratio of one figure between two variants, in each round that has both: `factor * above / below`.
    #[must_use]
    pub fn ratio(&self, above: (&str, &str, &str), below: (&str, &str, &str), factor: f64) -> Vec<f64> {
        let find = |(step, variant, figure): (&str, &str, &str), round: u32| {
            self.rows
                .iter()
                .filter(|row| row.void.is_none() && row.round == round)
                .find(|row| row.step == step && row.variant == variant)
                .and_then(|row| row.values.get(figure).copied())
        };
        let rounds = self.rows.iter().map(|row| row.round).max().map_or(0, |last| last + 1);
        (0..rounds)
            .filter_map(|round| Some((find(above, round)?, find(below, round)?)))
            .filter(|(_, below)| *below != 0.0)
            .map(|(above, below)| factor * above / below)
            .collect()
    }

    /// One line of a table of ratios; empty without a round that has both.
    #[must_use]
    pub fn ratio_line(&self, name: &str, above: (&str, &str, &str), below: (&str, &str, &str), factor: f64) -> String {
        let ratios = self.ratio(above, below, factor);
        if ratios.is_empty() {
            return String::new();
        }
        format!("| {name} | {} | {} |\n", ratios.len(), cell(ratios))
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(variant: &str, round: u32, rate: f64, void: Option<&str>) -> Row {
        Row {
            step: "dora".into(),
            variant: variant.into(),
            round,
            values: BTreeMap::from([("rate".to_owned(), rate)]),
            void: void.map(str::to_owned),
            load: String::new(),
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (1.5, "1.5"),
            (2.0, "2"),
            (0.037, "0.04"),
            (43.21, "43.2"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1500.0, "-1,500"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn median_of_even_and_odd() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread(vec![4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!(spread(vec![]), None);
    }

    #[test]
    fn ratios_pair_rounds_and_leave_void_ones_out() {
        let mut figures = Figures::default();
        for row in [
            row("a", 0, 30.0, None),
            row("b", 0, 10.0, None),
            row("a", 1, 50.0, Some("routes")),
            row("b", 1, 10.0, None),
            row("b", 2, 10.0, None),
        ] {
            figures.add(row);
        }
        assert_eq!(figures.ratio(("dora", "a", "rate"), ("dora", "b", "rate"), 2.0), [6.0]);
        let table = figures.markdown();
        assert!(table.contains("| a | 1 (1 void) | 30.0 |"), "{table}");
        assert!(figures.any_void());
    }
}
