//! @NAME@: clients whose vendor class starts with `acme` get a domain name of their own.

use bindery_plugin_sdk::shape_reply::{self, Exchange, Hook, Meta, Verdict};

/// Domain name (RFC 2132 §3.17).
const DOMAIN_NAME: u16 = 15;
/// Vendor class identifier (RFC 2132 §9.13).
const VENDOR_CLASS: u16 = 60;

struct Plugin;

impl Hook for Plugin {
    fn shape(_meta: Meta, exchange: &Exchange) -> Verdict {
        if exchange.request_option(VENDOR_CLASS).is_some_and(|class| class.starts_with(b"acme")) {
            exchange.set_option(DOMAIN_NAME, b"acme.example");
        }
        Verdict::Continue
    }
}

shape_reply::export!(Plugin);
