//! bindery-crash: see ARCHITECTURE.md.
