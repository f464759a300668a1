//! Authenticators: how packets are signed and how signatures are checked. Compared in constant time.

use super::attribute::Attribute;
use super::{Authenticator, Code, HEADER_LEN, MAX_LEN, Packet, Type};
use crate::packet::AttributeList;
use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use std::fmt;
use subtle::ConstantTimeEq;

/// A secret that is shared with a server or client. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The secret of these bytes. Empty ones are refused by the configuration (RFC 2865 §3).
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Whether it is empty, which is no secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a packet is not authentic. It is dropped in silence whatever the reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum VerifyError {
    /// The authenticator of the header is not what the secret makes.
    #[error("wrong authenticator")]
    Authenticator,
    /// The Message-Authenticator is not what the secret makes, has a wrong length, or is there twice.
    #[error("wrong Message-Authenticator")]
    MessageAuthenticator,
    /// There is no Message-Authenticator where one is required.
    #[error("no Message-Authenticator")]
    Unsigned,
}

/// Why a packet cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum EncodeError {
    /// Longer than 4096 bytes.
    #[error("the packet is longer than 4096 bytes")]
    TooLong,
    /// A password is longer than 128 bytes (RFC 2865 §5.2).
    #[error("the password is longer than 128 bytes")]
    Password,
}

const ZEROS: Authenticator = [0; 16];

/// Where in the attributes the value of the Message-Authenticator starts.
fn message_authenticator(packet: &Packet<'_>) -> Result<Option<(usize, Authenticator)>, VerifyError> {
    let mut at = HEADER_LEN;
    let mut found = None;
    for Attribute { kind, value } in packet.attributes() {
        if kind == Type::MESSAGE_AUTHENTICATOR {
            let value: Authenticator = value.try_into().map_err(|_| VerifyError::MessageAuthenticator)?;
            if found.replace((at + 2, value)).is_some() {
                return Err(VerifyError::MessageAuthenticator);
            }
        }
        at += value.len() + 2;
    }
    Ok(found)
}

/// HMAC-MD5 over a packet with another authenticator, the Message-Authenticator at `at` as zeros (RFC 2869 §5.14).
fn hmac(bytes: &[u8], authenticator: &Authenticator, at: usize, secret: &Secret) -> Hmac<Md5> {
    // An HMAC takes a key of any length.
    let mut mac = <Hmac<Md5> as Mac>::new_from_slice(&secret.0).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(&bytes[..4]);
    mac.update(authenticator);
    mac.update(&bytes[HEADER_LEN..at]);
    mac.update(&ZEROS);
    mac.update(&bytes[at + 16..]);
    mac
}

/// MD5 over a packet with another authenticator, and the secret (RFC 2865 §3, RFC 2866 §3).
fn digest(bytes: &[u8], authenticator: &Authenticator, secret: &Secret) -> Authenticator {
    let mut md5 = Md5::new();
    md5.update(&bytes[..4]);
    md5.update(authenticator);
    md5.update(&bytes[HEADER_LEN..]);
    md5.update(&secret.0);
    md5.finalize().into()
}

fn verify_message_authenticator(
    packet: &Packet<'_>,
    authenticator: &Authenticator,
    secret: &Secret,
    required: bool,
) -> Result<(), VerifyError> {
    match message_authenticator(packet)? {
        None if required => Err(VerifyError::Unsigned),
        None => Ok(()),
        Some((at, value)) => hmac(packet.bytes(), authenticator, at, secret)
            .verify_slice(&value)
            .map_err(|_| VerifyError::MessageAuthenticator),
    }
}

fn verify_digest(packet: &Packet<'_>, authenticator: &Authenticator, secret: &Secret) -> Result<(), VerifyError> {
    let wanted = digest(packet.bytes(), authenticator, secret);
    if bool::from(wanted.ct_eq(packet.authenticator())) { Ok(()) } else { Err(VerifyError::Authenticator) }
}

/// Checks an answer: its authenticator (RFC 2865 §3) and its Message-Authenticator (RFC 2869 §5.14), which must be
/// there where `signed` says so. `request` is the authenticator of the request.
///
/// # Errors
/// It does not come from who knows the secret.
pub fn verify_response(
    packet: &Packet<'_>,
    request: &Authenticator,
    secret: &Secret,
    signed: bool,
) -> Result<(), VerifyError> {
    verify_digest(packet, request, secret)?;
    verify_message_authenticator(packet, request, secret, signed)
}

/// Checks an Accounting-Request (RFC 2866 §3), Disconnect-Request or CoA-Request (RFC 5176 §2.3, §3.4).
///
/// # Errors
/// It does not come from who knows the secret.
pub fn verify_signed_request(packet: &Packet<'_>, secret: &Secret, signed: bool) -> Result<(), VerifyError> {
    verify_digest(packet, &ZEROS, secret)?;
    verify_message_authenticator(packet, &ZEROS, secret, signed)
}

/// Checks the Message-Authenticator of an Access-Request: what a server does.
///
/// # Errors
/// It does not come from who knows the secret.
pub fn verify_access_request(packet: &Packet<'_>, secret: &Secret) -> Result<(), VerifyError> {
    verify_message_authenticator(packet, packet.authenticator(), secret, true)
}

/// Header, room for a Message-Authenticator as the first attribute where `signed`, and the attributes. A signature that
/// comes first cannot be pushed behind attributes of an attacker.
fn assemble(code: Code, id: u8, signed: bool, attributes: &[&[u8]]) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&[code as u8, id, 0, 0]);
    bytes.extend_from_slice(&ZEROS);
    if signed {
        bytes.extend_from_slice(&[Type::MESSAGE_AUTHENTICATOR.0, 18]);
        bytes.extend_from_slice(&ZEROS);
    }
    for part in attributes {
        bytes.extend_from_slice(part);
    }
    let length = u16::try_from(bytes.len()).ok().filter(|length| usize::from(*length) <= MAX_LEN);
    bytes[2..4].copy_from_slice(&length.ok_or(EncodeError::TooLong)?.to_be_bytes());
    Ok(bytes)
}

/// Fills the Message-Authenticator that [`assemble`] made room for.
fn sign(bytes: &mut [u8], authenticator: &Authenticator, secret: &Secret) {
    let mac = hmac(bytes, authenticator, HEADER_LEN + 2, secret).finalize().into_bytes();
    bytes[HEADER_LEN + 2..HEADER_LEN + 18].copy_from_slice(&mac);
}

/// Makes an Access-Request (RFC 2865 §4.1) with a Message-Authenticator. `authenticator` must be unpredictable.
///
/// # Errors
/// It would be too long, or the password is.
pub fn access_request(
    id: u8,
    authenticator: &Authenticator,
    attributes: &AttributeList,
    password: Option<&[u8]>,
    secret: &Secret,
) -> Result<Vec<u8>, EncodeError> {
    let mut hidden = Vec::new();
    if let Some(password) = password {
        let value = hide_password(password, authenticator, secret)?;
        // At most 128 bytes.
        hidden.extend_from_slice(&[Type::USER_PASSWORD.0, value.len() as u8 + 2]);
        hidden.extend_from_slice(&value);
    }
    let mut bytes = assemble(Code::AccessRequest, id, true, &[&hidden, attributes.as_bytes()])?;
    bytes[4..HEADER_LEN].copy_from_slice(authenticator);
    sign(&mut bytes, authenticator, secret);
    Ok(bytes)
}

/// Makes an Accounting-Request, Disconnect-Request or CoA-Request: the authenticator is made of the packet (RFC 2866
/// §3, RFC 5176 §2.3), after the Message-Authenticator where there is one (RFC 5176 §3.4).
///
/// # Errors
/// It would be too long.
pub fn signed_request(
    code: Code,
    id: u8,
    attributes: &AttributeList,
    secret: &Secret,
    signed: bool,
) -> Result<Vec<u8>, EncodeError> {
    answer(code, id, &ZEROS, attributes, secret, signed)
}

/// Makes an answer to the request that had this authenticator (RFC 2865 §3).
///
/// # Errors
/// It would be too long.
pub fn response(
    code: Code,
    id: u8,
    request: &Authenticator,
    attributes: &AttributeList,
    secret: &Secret,
    signed: bool,
) -> Result<Vec<u8>, EncodeError> {
    answer(code, id, request, attributes, secret, signed)
}

fn answer(
    code: Code,
    id: u8,
    authenticator: &Authenticator,
    attributes: &AttributeList,
    secret: &Secret,
    signed: bool,
) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = assemble(code, id, signed, &[attributes.as_bytes()])?;
    if signed {
        sign(&mut bytes, authenticator, secret);
    }
    let authenticator = digest(&bytes, authenticator, secret);
    bytes[4..HEADER_LEN].copy_from_slice(&authenticator);
    Ok(bytes)
}

/// Hides a password (RFC 2865 §5.2): padded to a multiple of 16 bytes, at least one block, and chained by MD5.
///
/// # Errors
/// It is longer than 128 bytes.
pub fn hide_password(password: &[u8], authenticator: &Authenticator, secret: &Secret) -> Result<Vec<u8>, EncodeError> {
    if password.len() > 128 {
        return Err(EncodeError::Password);
    }
    let mut hidden = password.to_vec();
    hidden.resize(password.len().max(1).next_multiple_of(16), 0);
    let mut previous = *authenticator;
    for block in hidden.as_chunks_mut::<16>().0 {
        mask(block, &previous, secret);
        previous = *block;
    }
    Ok(hidden)
}

/// Shows a hidden password: what a server does. Trailing zeros are padding. `None` where the length is not one of
/// RFC 2865 §5.2.
pub fn reveal_password(hidden: &[u8], authenticator: &Authenticator, secret: &Secret) -> Option<Vec<u8>> {
    if hidden.is_empty() || hidden.len() > 128 || !hidden.len().is_multiple_of(16) {
        return None;
    }
    let mut password = hidden.to_vec();
    let mut previous = *authenticator;
    for block in password.as_chunks_mut::<16>().0 {
        let next = *block;
        mask(block, &previous, secret);
        previous = next;
    }
    let length = password.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    password.truncate(length);
    Some(password)
}

fn mask(block: &mut Authenticator, previous: &Authenticator, secret: &Secret) {
    let key: Authenticator = Md5::new().chain_update(&secret.0).chain_update(previous).finalize().into();
    for (byte, key) in block.iter_mut().zip(key) {
        *byte ^= key;
    }
}
