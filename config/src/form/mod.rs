//! A tree in other forms than KDL.

mod braced;
mod braced_read;
mod json;
mod set;

pub use braced::{braced, braced_below, inherited};
pub use braced_read::{from_braced, from_braced_below};
pub use json::{from_json, from_json_below, json, json_below};
pub use set::{set, set_below};

pub(crate) use braced::{Braces, short};
pub(crate) use braced_read::Reader;
