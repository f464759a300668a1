//! bindery-bench: see ARCHITECTURE.md.

fn main() {}
