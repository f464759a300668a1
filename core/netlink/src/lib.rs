//! bindery-netlink: see ARCHITECTURE.md.
