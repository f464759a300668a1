//! The components inside the daemon (`build.rs`).

macro_rules! component {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")))
    };
}

/// Name and bytes of each; no bytes where it had not been built when the daemon was.
const COMPONENTS: [(&str, &[u8]); 4] = [
    component!("deferred-nak"),
    component!("option-insert"),
    component!("radius-disconnect"),
    component!("restricted-requestor"),
];

/// What to do about a daemon without them.
pub(crate) const ABSENT: &str = "this binderyd was built without the component that the statement binds: build the \
                                 plugins by `cargo xtask demo` or `cargo xtask test --only guests`, then build it again";

/// The component of this name; none if the daemon was built without it.
pub(crate) fn component(name: &str) -> Option<&'static [u8]> {
    let (_, bytes) = COMPONENTS.iter().find(|(known, _)| *known == name)?;
    (!bytes.is_empty()).then_some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_policy_has_its_place() {
        for shipped in bindery_config::Shipped::ALL {
            assert!(COMPONENTS.iter().any(|(name, _)| *name == shipped.name()), "{}", shipped.name());
        }
        assert_eq!(component("nothing-of-ours"), None);
    }
}
