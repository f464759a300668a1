//! bindery-net: see ARCHITECTURE.md.
