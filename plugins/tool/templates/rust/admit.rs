//! @NAME@: puts clients whose vendor class starts with `acme` into a class of their own.

use bindery_plugin_sdk::admit::{self, Choice, Hook, Meta, Request, Verdict};

/// Vendor class identifier (RFC 2132 §9.13).
const VENDOR_CLASS: u16 = 60;

struct Plugin;

impl Hook for Plugin {
    fn admit(_meta: Meta, request: &Request) -> Verdict {
        match request.request_option(VENDOR_CLASS) {
            Some(class) if class.starts_with(b"acme") => {
                Verdict::Choose(Choice { group: None, pool: None, class: Some("acme".to_owned()) })
            }
            _ => Verdict::Continue,
        }
    }
}

admit::export!(Plugin);
