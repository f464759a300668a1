//! bindery-control: see ARCHITECTURE.md.
