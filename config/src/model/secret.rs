//! Secrets of the configuration.

use std::fmt;

/// A secret: bytes that `Debug` does not show. It has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The secret itself, as it goes into digests.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::schema::HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::redact;
    use crate::tree::print;

    #[test]
    fn no_secret_is_shown() {
        let text = "system { services { dhcp-local-server { access-profile p; reconfigure { token Hush1 }
            authentication { password Hush2 }; group g { interface eth0; authentication { password Hush3 } } } } }
            access { profile p { authentication-order none }; radius-server \"192.0.2.1\" { secret Hush4 }
            radius-disconnect \"192.0.2.2\" { secret Hush5 } }";
        let loaded = crate::load("f.kdl", text).unwrap_or_else(|errors| panic!("{errors}"));
        let token = loaded
            .model
            .default_instance
            .server
            .reconfigure
            .as_ref()
            .and_then(|reconfigure| reconfigure.token.as_ref());
        assert_eq!(token.map(|token| token.as_bytes()), Some(&b"Hush1"[..]));
        for shown in [format!("{:?} {loaded:?}", loaded.model), print(&redact(&loaded.tree))] {
            assert!(shown.contains("g") && !shown.contains("Hush"), "{shown}");
        }
        assert_eq!(print(&redact(&loaded.tree)).matches("<hidden>").count(), 5);
    }
}
