//! The table at the end.

use std::time::Duration;

use crate::world::World;

/// Times of the steps.
#[derive(Default)]
pub struct Summary {
    times: Vec<(&'static str, Duration)>,
}

impl Summary {
    /// Notes how long a step took.
    pub fn time(&mut self, title: &'static str, took: Duration) {
        self.times.push((title, took));
    }

    /// Prints what was done and how long it took.
    pub fn print(&self, world: &World) {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
        table.set_header(["what", "how much"]);
        let facts = &world.facts;
        table.add_row(["records taken in", &facts.records.to_string()]);
        table.add_row(["bytes of records", &facts.bytes.to_string()]);
        table.add_row(["entries anchored", &facts.anchored.to_string()]);
        table.add_row(["transactions", &facts.transactions.to_string()]);
        table.add_row(["gas", &facts.gas.to_string()]);
        for (title, took) in &self.times {
            table.add_row([(*title).to_string(), format!("{:.1} s", took.as_secs_f64())]);
        }
        println!("\n{table}");
    }
}
