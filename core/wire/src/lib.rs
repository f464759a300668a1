//! bindery-wire: see ARCHITECTURE.md.
