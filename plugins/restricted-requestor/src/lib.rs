//! restricted-requestor: a leasequery requestor is told of a binding only if the binding's client came through the
//! very relay that asks: giaddr of the binding is giaddr of the query (RFC 4388 §6.2). It takes no settings.

wit_bindgen::generate!({
    path: ["../../wit/types@1.0.0", "../../wit/sessions@0.1.0", "../../wit/leasequery@0.1.0"],
    world: "bindery:leasequery/plugin",
    generate_all,
});

use bindery::sessions::sessions::{Facts, Session};
use bindery::types::types::Address;
use exports::bindery::leasequery::hook::{Guest as Hook, Query, Verdict};

struct RestrictedRequestor;

impl Hook for RestrictedRequestor {
    fn decide(_: Facts, session: &Session, query: Query) -> Verdict {
        match session.relay_address() {
            Some(relay) if same(&relay, &query.requestor) => Verdict::Answer,
            _ => Verdict::Refuse,
        }
    }
}

fn same(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Ipv4(one), Address::Ipv4(other)) => one == other,
        (Address::Ipv6(one), Address::Ipv6(other)) => one == other,
        _ => false,
    }
}

export!(RestrictedRequestor);
