//! bindery-plugin-host: see ARCHITECTURE.md.
