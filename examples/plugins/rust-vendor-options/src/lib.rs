//! Sets option 43 by the client's vendor class (option 60), as its settings say.
//!
//! ```kdl
//! settings {
//!     vendor "acme.phone" {            // option 60 starts with this; the first that fits holds
//!         suboption 1 string="https://phones.example/"
//!         suboption 2 ip-address="192.0.2.5"
//!         suboption 3 hex="0a0b"
//!     }
//! }
//! ```

use std::cell::RefCell;

use bindery_plugin_sdk::settings::{self, Configure, Setting, SettingError};
use bindery_plugin_sdk::shape_reply::{self, Exchange, Hook, Meta, Verdict};
use bindery_plugin_sdk::value;

/// Vendor class identifier (RFC 2132 §9.13).
const VENDOR_CLASS: u16 = 60;
/// Vendor-specific information (RFC 2132 §8.4).
const VENDOR_SPECIFIC: u16 = 43;
/// DHCPNAK (RFC 2131 §4.3.2): it carries no configuration.
const NAK: u8 = 6;

/// What a class of devices gets.
struct Vendor {
    /// How its option 60 starts.
    class: String,
    /// Index of its statement, by which its suboptions name it.
    statement: usize,
    /// The value of option 43.
    option: Vec<u8>,
}

thread_local! {
    static VENDORS: RefCell<Vec<Vendor>> = const { RefCell::new(Vec::new()) };
}

struct Plugin;

impl Configure for Plugin {
    fn configure(settings: Vec<Setting>) -> Result<(), SettingError> {
        let mut vendors = Vec::new();
        for (index, setting) in settings.iter().enumerate() {
            take(&mut vendors, index, setting)?;
        }
        if vendors.is_empty() {
            return Err(settings::missing("no vendor: add one, as in: vendor \"acme\" { suboption 1 string=\"x\" }"));
        }
        VENDORS.set(vendors);
        Ok(())
    }
}

fn take(vendors: &mut Vec<Vendor>, index: usize, setting: &Setting) -> Result<(), SettingError> {
    match (setting.name.as_str(), setting.parent, setting.arguments.as_slice()) {
        ("vendor", None, [class]) if !class.is_empty() => {
            vendors.push(Vendor { class: class.clone(), statement: index, option: Vec::new() });
            Ok(())
        }
        ("vendor", None, _) => Err(settings::refusal(index, "vendor takes the start of option 60: vendor \"acme\"")),
        ("suboption", Some(parent), [code]) => {
            // A suboption stands behind the vendor that encloses it.
            let vendor = vendors.last_mut().filter(|vendor| u32::try_from(vendor.statement) == Ok(parent));
            let vendor = vendor.ok_or_else(|| settings::refusal(index, "a suboption stands in a vendor"))?;
            suboption(&mut vendor.option, code, setting).map_err(|message| settings::refusal(index, message))
        }
        _ => Err(settings::unknown(index, setting, "vendor, with suboption CODE TYPE=VALUE in it")),
    }
}

fn suboption(to: &mut Vec<u8>, code: &str, setting: &Setting) -> Result<(), String> {
    let code: u8 = code.parse().map_err(|_| format!("suboption code \"{code}\": it must be a number from 1 to 254"))?;
    let value = match setting.properties.as_slice() {
        [(kind, text)] => match kind.as_str() {
            "string" => text.clone().into_bytes(),
            "ip-address" => value::ipv4(text)?.to_vec(),
            "hex" => value::hex(text)?,
            other => return Err(format!("unknown type \"{other}\": it must be string, ip-address or hex")),
        },
        _ => return Err(format!("suboption {code} takes one value: string=, ip-address= or hex=")),
    };
    value::push_suboption(to, code, &value)?;
    if to.len() > value::LENGTH_MAX {
        return Err(format!("option 43 would have {} bytes: {} is the most", to.len(), value::LENGTH_MAX));
    }
    Ok(())
}

impl Hook for Plugin {
    fn shape(meta: Meta, exchange: &Exchange) -> Verdict {
        if meta.reply_type == NAK {
            return Verdict::Continue;
        }
        if let Some(class) = exchange.request_option(VENDOR_CLASS) {
            VENDORS.with_borrow(|vendors| {
                if let Some(vendor) = vendors.iter().find(|vendor| class.starts_with(vendor.class.as_bytes())) {
                    exchange.set_option(VENDOR_SPECIFIC, &vendor.option);
                }
            });
        }
        Verdict::Continue
    }
}

settings::export!(Plugin);
shape_reply::export!(Plugin);
