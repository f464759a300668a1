//! bindery-store: see ARCHITECTURE.md.
