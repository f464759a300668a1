//! @NAME@: newcomers without a vendor class get a short lease.

use bindery_plugin_sdk::select_address::{self, Choice, Hook, Proposal, Request, Verdict};

/// Vendor class identifier (RFC 2132 §9.13).
const VENDOR_CLASS: u16 = 60;

struct Plugin;

impl Hook for Plugin {
    fn select(_proposal: Proposal, request: &Request) -> Verdict {
        match request.request_option(VENDOR_CLASS) {
            Some(_) => Verdict::Continue,
            None => Verdict::Choose(Choice { pool: None, address: None, lease_seconds: Some(600) }),
        }
    }
}

select_address::export!(Plugin);
