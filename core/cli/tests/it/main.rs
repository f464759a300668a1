//! The program against a daemon of our own making: what it asks, what it prints, how it ends.

mod fake;
mod import;
mod monitor;
mod operational;
mod script;
