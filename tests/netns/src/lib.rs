//! bindery-netns: see ARCHITECTURE.md.
