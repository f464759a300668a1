//! bindery-engine: see ARCHITECTURE.md.
