//! Option 90: the configuration token of RFC 3118 §4, and the Forcerenew nonce of RFC 6704.

use super::{OPTIONS, OptionCode};
use hmac::{Hmac, Mac};
use md5::Md5;

/// Bytes of option 90 with a nonce or a digest.
pub const NONCE_AUTHENTICATION_LEN: usize = FIXED_LEN + 1 + 16;

/// The algorithm of option 145 that we know: HMAC-MD5 (RFC 6704 §3.1.1).
pub const HMAC_MD5: u8 = 1;

/// Protocol, algorithm, replay detection method, replay value.
const FIXED_LEN: usize = 11;
const TOKEN: u8 = 0;
const RECONFIGURE_KEY: u8 = 3;
const NONCE: u8 = 1;
const DIGEST: u8 = 2;

/// What option 90 carries (RFC 3118 §2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authentication<'a> {
    /// Protocol 0: a token that both ends were configured with (RFC 3118 §4).
    Token {
        /// Replay detection value; grows with each message.
        replay: u64,
        /// The token, unencoded. A client's request may have none.
        token: &'a [u8],
    },
    /// Protocol 3, type 1: the nonce, in a DHCPACK (RFC 6704 §3.1.2).
    Nonce {
        /// Replay detection value.
        replay: u64,
        /// The nonce.
        nonce: [u8; 16],
    },
    /// Protocol 3, type 2: HMAC-MD5 of the message, in a DHCPFORCERENEW (RFC 6704 §3.1.2).
    Digest {
        /// Replay detection value.
        replay: u64,
        /// The digest.
        digest: [u8; 16],
    },
    /// Something else.
    Other {
        /// The protocol.
        protocol: u8,
    },
}

impl<'a> Authentication<'a> {
    /// Reads the value of option 90; `None` when it is too short or has a wrong length.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (head, rest) = value.split_first_chunk::<FIXED_LEN>()?;
        let [protocol, algorithm, method, ..] = *head;
        let replay = u64::from_be_bytes(*head.last_chunk::<8>()?);
        match (protocol, algorithm, method) {
            (TOKEN, 0, 0) => Some(Self::Token { replay, token: rest }),
            (RECONFIGURE_KEY, HMAC_MD5, 0) => {
                let (kind, value) = rest.split_first()?;
                let value = <[u8; 16]>::try_from(value).ok()?;
                match *kind {
                    NONCE => Some(Self::Nonce { replay, nonce: value }),
                    DIGEST => Some(Self::Digest { replay, digest: value }),
                    _ => None,
                }
            }
            _ => Some(Self::Other { protocol }),
        }
    }
}

/// The fixed part of a token option; the token follows (RFC 3118 §4).
pub fn token_head(replay: u64) -> [u8; FIXED_LEN] {
    head(TOKEN, 0, replay)
}

/// Option 90 that gives a client its nonce (RFC 6704 §3.1.2).
pub fn nonce(replay: u64, nonce: &[u8; 16]) -> [u8; NONCE_AUTHENTICATION_LEN] {
    keyed(replay, NONCE, nonce)
}

/// Option 90 whose digest [`seal`] fills in.
pub fn unsealed(replay: u64) -> [u8; NONCE_AUTHENTICATION_LEN] {
    keyed(replay, DIGEST, &[0; 16])
}

/// Fills the digest of option 90 in: HMAC-MD5 over the whole DHCP payload with the digest zero (RFC 6704 §3.1.3).
/// Returns whether the message has such an option in its options field.
pub fn seal(message: &mut [u8], nonce: &[u8; 16]) -> bool {
    let Some(at) = digest_at(message) else {
        return false;
    };
    let Some(place) = message.get_mut(at..at + 16) else {
        return false;
    };
    place.fill(0);
    let digest = hmac_md5(nonce, message);
    if let Some(place) = message.get_mut(at..at + 16) {
        place.copy_from_slice(&digest);
    }
    true
}

/// HMAC-MD5 (RFC 2104).
pub fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) else {
        // HMAC takes keys of any length.
        return [0; 16];
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn head(protocol: u8, algorithm: u8, replay: u64) -> [u8; FIXED_LEN] {
    let mut bytes = [0; FIXED_LEN];
    bytes[0] = protocol;
    bytes[1] = algorithm;
    bytes[3..].copy_from_slice(&replay.to_be_bytes());
    bytes
}

fn keyed(replay: u64, kind: u8, value: &[u8; 16]) -> [u8; NONCE_AUTHENTICATION_LEN] {
    let mut bytes = [0; NONCE_AUTHENTICATION_LEN];
    bytes[..FIXED_LEN].copy_from_slice(&head(RECONFIGURE_KEY, HMAC_MD5, replay));
    bytes[FIXED_LEN] = kind;
    bytes[FIXED_LEN + 1..].copy_from_slice(value);
    bytes
}

/// Where the digest stands in the options field.
fn digest_at(message: &[u8]) -> Option<usize> {
    let mut at = OPTIONS;
    loop {
        let code = *message.get(at)?;
        if code == 0 {
            at += 1;
            continue;
        }
        let len = usize::from(*message.get(at + 1)?);
        let value = message.get(at + 2..at + 2 + len)?;
        if code == OptionCode::AUTHENTICATION.0 {
            let digest = matches!(Authentication::parse(value), Some(Authentication::Digest { .. }));
            return digest.then_some(at + 2 + FIXED_LEN + 1);
        }
        if code == OptionCode::END.0 {
            return None;
        }
        at += 2 + len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4::{EncodeLimits, MessageType, Packet, ParseRules, Reply};
    use alloc::vec::Vec;

    /// RFC 2202 §2, test cases 1, 2 and 6.
    #[test]
    fn rfc_2202_vectors() {
        let cases: [(&[u8], &[u8], [u8; 16]); 3] = [
            (&[0x0b; 16], b"Hi There", 0x9294_727a_3638_bb1c_13f4_8ef8_158b_fc9d_u128.to_be_bytes()),
            (b"Jefe", b"what do ya want for nothing?", 0x750c_783e_6ab0_b503_eaa8_6e31_0a5d_b738_u128.to_be_bytes()),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                0x6b1a_b7fe_4bd7_bf8f_0b62_e6ce_61b9_d0cd_u128.to_be_bytes(),
            ),
        ];
        for (key, data, wanted) in cases {
            assert_eq!(hmac_md5(key, data), wanted);
        }
    }

    #[test]
    fn options_read_back() {
        let key = [7; 16];
        assert_eq!(Authentication::parse(&nonce(5, &key)), Some(Authentication::Nonce { replay: 5, nonce: key }));
        let mut token = token_head(6).to_vec();
        token.extend_from_slice(b"s3cret");
        assert_eq!(Authentication::parse(&token), Some(Authentication::Token { replay: 6, token: b"s3cret" }));
        assert_eq!(Authentication::parse(&[1; 20]), Some(Authentication::Other { protocol: 1 }));
        for len in 0..nonce(5, &key).len() {
            assert_eq!(Authentication::parse(&nonce(5, &key)[..len]), None, "{len}");
        }
    }

    #[test]
    fn a_seal_covers_every_byte() {
        let key = *b"0123456789abcdef";
        let mut reply = Reply::new();
        reply.options.set(OptionCode::DHCP_MESSAGE_TYPE, &[MessageType::ForceRenew as u8]).unwrap();
        reply.options.set(OptionCode::AUTHENTICATION, &unsealed(9)).unwrap();
        let mut message = Vec::new();
        reply.encode(EncodeLimits::default(), &mut message).unwrap();
        assert!(seal(&mut message, &key));
        let packet = Packet::parse(&message, ParseRules::default()).unwrap();
        let value = packet.option(OptionCode::AUTHENTICATION).unwrap().into_owned();
        let Some(Authentication::Digest { replay: 9, digest }) = Authentication::parse(&value) else {
            panic!("{value:?}");
        };
        let mut blank = message.clone();
        let at = digest_at(&blank).unwrap();
        blank[at..at + 16].fill(0);
        assert_eq!(hmac_md5(&key, &blank), digest);
        let again = |message: &[u8]| {
            let mut copy = message.to_vec();
            assert!(seal(&mut copy, &key));
            copy[at..at + 16] == digest
        };
        assert!(again(&message));
        for changed in [0, 4, 240, message.len() - 1] {
            let mut other = message.clone();
            // The option codes stay what they are: only what lies around them changes.
            if changed == 240 {
                other[242] ^= 1;
            } else {
                other[changed] ^= 1;
            }
            assert!(!again(&other), "byte {changed}");
        }
        assert!(!seal(&mut [0; 300], &key));
    }
}
