//! radius-disconnect: what a RADIUS Disconnect-Request or CoA-Request does to a session.
//!
//! ```kdl
//! settings {
//!     action "reconfigure"           // or "clear", or "ignore"; unless given, clear
//!     when "ignore" class="gold"     // the first `when` of which everything matches goes before `action`
//!     when "clear" "9:1"="leave" nas-port-id="eth0" // vendor 9, type 1
//! }
//! ```
//!
//! An attribute is named by a word of RFC 2865 and 2869, by its number, or as VENDOR:NUMBER. A value is text, or hex
//! behind `0x`; an attribute of four bytes also matches a number or an IPv4 address.

mod rules;

use std::cell::RefCell;

use rules::Rules;

wit_bindgen::generate!({
    path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/disconnect@0.1.0"],
    inline: "
        package bindery:radius-disconnect;
        world radius-disconnect {
            include bindery:types/configurable@1.0.0;
            include bindery:disconnect/plugin@0.1.0;
        }
    ",
    world: "bindery:radius-disconnect/radius-disconnect",
    generate_all,
});

use bindery::sessions::sessions::{Facts, Session};
use bindery::types::types::{Setting, SettingError};
use exports::bindery::disconnect::hook::{Attribute, Guest as Hook, Request, Verdict};
use exports::bindery::types::configuration::Guest as Configuration;

thread_local! {
    static RULES: RefCell<Rules> = const { RefCell::new(Rules::new()) };
}

struct RadiusDisconnect;

impl Configuration for RadiusDisconnect {
    fn configure(settings: Vec<Setting>) -> Result<(), SettingError> {
        RULES.set(Rules::parse(&settings)?);
        Ok(())
    }
}

impl Hook for RadiusDisconnect {
    fn decide(_: Facts, _: &Session, request: Request) -> Verdict {
        RULES.with_borrow(|rules| rules.decide(&request.attributes))
    }
}

export!(RadiusDisconnect);
