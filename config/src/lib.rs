//! bindery-config: see ARCHITECTURE.md.
