//! bindery-api: see ARCHITECTURE.md.
