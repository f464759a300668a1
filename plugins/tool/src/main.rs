//! bindery-plugin-tool: see ARCHITECTURE.md.

fn main() {}
