//! bindery-cli: see ARCHITECTURE.md.

fn main() {}
