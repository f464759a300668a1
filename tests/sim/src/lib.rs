//! bindery-sim: see ARCHITECTURE.md.
