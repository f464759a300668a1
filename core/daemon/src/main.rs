//! bindery-daemon: see ARCHITECTURE.md.

fn main() {}
