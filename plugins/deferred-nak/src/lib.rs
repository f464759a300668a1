//! deferred-nak: what becomes of a client that answered no attempt to reconfigure it.
//!
//! ```kdl
//! settings {
//!     action "defer" // its next renewal gets a NAK; or "clear": it is ended; or "restore": it stays as it was
//! }
//! ```
//!
//! Unless given, the action is `defer`.

use std::cell::Cell;

wit_bindgen::generate!({
    path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/reconfigure-exhausted@0.1.0"],
    inline: "
        package bindery:deferred-nak;
        world deferred-nak {
            include bindery:types/configurable@1.0.0;
            include bindery:reconfigure-exhausted/plugin@0.1.0;
        }
    ",
    world: "bindery:deferred-nak/deferred-nak",
    generate_all,
});

use bindery::sessions::sessions::{Facts, Session};
use bindery::types::types::{Setting, SettingError};
use exports::bindery::reconfigure_exhausted::hook::{Guest as Hook, Verdict};
use exports::bindery::types::configuration::Guest as Configuration;

thread_local! {
    static ACTION: Cell<Verdict> = const { Cell::new(Verdict::Defer) };
}

struct DeferredNak;

impl Configuration for DeferredNak {
    fn configure(settings: Vec<Setting>) -> Result<(), SettingError> {
        let mut given = false;
        for (index, setting) in settings.iter().enumerate() {
            let refuse = |message| SettingError { setting: u32::try_from(index).ok(), message };
            if given {
                return Err(refuse("action stands here twice: keep one".to_owned()));
            }
            ACTION.set(action(setting).map_err(refuse)?);
            given = true;
        }
        Ok(())
    }
}

fn action(setting: &Setting) -> Result<Verdict, String> {
    if setting.name != "action" || setting.parent.is_some() {
        return Err(format!("unknown statement \"{}\": it must be action", setting.name));
    }
    if let Some((name, _)) = setting.properties.first() {
        return Err(format!("action takes no property \"{name}\": remove it"));
    }
    match setting.arguments.as_slice() {
        [word] if word == "restore" => Ok(Verdict::Restore),
        [word] if word == "clear" => Ok(Verdict::Clear),
        [word] if word == "defer" => Ok(Verdict::Defer),
        _ => Err("action must be one of: restore, clear, defer".to_owned()),
    }
}

impl Hook for DeferredNak {
    fn decide(_: Facts, _: &Session, _: u8, _: bool) -> Verdict {
        ACTION.get()
    }
}

export!(DeferredNak);
