//! option-insert: inserts, replaces and removes options of DHCP replies, as its settings say.
//!
//! ```kdl
//! settings {
//!     messages "offer" "ack"                      // replies that are changed; unless given, every one
//!     option 43 hex="0104c0000201"                // set, in the place of any option 43
//!     option 15 string="isp.example" mode="insert" // only if the reply has none
//!     option 42 "ip-address" "10.0.0.42" "10.0.0.43"
//!     remove 12
//!     group "residential" {                       // goes before the settings above for the same code
//!         option 26 unsigned-short=1400
//!     }
//! }
//! ```
//!
//! Types are those of Junos: `flag`, `byte`, `short`, `unsigned-short`, `integer`, `unsigned-integer`, `hex`
//! (or `hex-string`), `string`, `ip-address`, `ipv6-address`. Several values stand one behind the other.

mod rules;
mod values;

use std::cell::RefCell;

use rules::{Action, Rules};

wit_bindgen::generate!({
    path: ["../../wit/types@1.0.0", "../../wit/shape-reply@1.0.0"],
    inline: "
        package bindery:option-insert;
        world option-insert {
            include bindery:types/configurable@1.0.0;
            include bindery:shape-reply/plugin@1.0.0;
        }
    ",
    world: "bindery:option-insert/option-insert",
    generate_all,
});

use bindery::shape_reply::exchanges::Exchange;
use bindery::types::types::{Setting, SettingError};
use exports::bindery::shape_reply::hook::{Guest as Hook, Meta, Verdict};
use exports::bindery::types::configuration::Guest as Configuration;

thread_local! {
    static RULES: RefCell<Rules> = const { RefCell::new(Rules::new()) };
}

struct OptionInsert;

impl Configuration for OptionInsert {
    fn configure(settings: Vec<Setting>) -> Result<(), SettingError> {
        let rules = Rules::parse(&settings)?;
        RULES.set(rules);
        Ok(())
    }
}

impl Hook for OptionInsert {
    fn shape(meta: Meta, exchange: &Exchange) -> Verdict {
        RULES.with_borrow(|rules| {
            if rules.concern(meta.reply_type) {
                // The name is asked for only where it matters: a getter costs more than a set.
                let actions = if rules.has_groups() { rules.of_group(&exchange.group()) } else { rules.common() };
                actions.iter().for_each(|(code, action)| perform(exchange, *code, action));
            }
        });
        Verdict::Continue
    }
}

fn perform(exchange: &Exchange, code: u16, action: &Action) {
    match action {
        Action::Replace(value) => exchange.set_option(code, value),
        Action::Insert(value) if exchange.reply_option(code).is_none() => exchange.set_option(code, value),
        Action::Insert(_) => {}
        Action::Remove => exchange.remove_option(code),
    }
}

export!(OptionInsert);
