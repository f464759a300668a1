//! The configuration database from outside.
