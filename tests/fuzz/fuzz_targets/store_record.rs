//! The bytes of a record of the session database, as a damaged disk may give them back.
#![no_main]

use bindery_engine::record::BindingKey;
use bindery_store::codec;
use bindery_types::SessionId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((number, body)) = bytes.split_first_chunk::<8>() else { return };
    let session = SessionId(u64::from_be_bytes(*number));
    let key = BindingKey { session, index: number[0] };
    let _ = codec::decode_binding_key(body);
    let _ = codec::decode_session_key(body);
    // As they are, and with a checksum that is right: else a fuzzer never sees the fields.
    check(key, body, &|_| body.to_vec());
    check(key, body, &|name| {
        let crc = crc32fast::hash(&[name, body].concat());
        [body, &crc.to_le_bytes()].concat()
    });
});

/// What is taken means the same when it is written and read again.
fn check(key: BindingKey, body: &[u8], seal: &dyn Fn(&[u8]) -> Vec<u8>) {
    let mut again = Vec::new();
    if let Ok((lease, crc)) = codec::decode_lease(key, &seal(&codec::encode_binding_key(key))) {
        assert!(body.len() <= codec::LEASE_MAX);
        let newest = codec::encode_lease(&lease, &mut again);
        assert_eq!(codec::decode_lease(key, &again), Ok((lease, newest)));
        assert!(newest == crc || again.first() != body.first(), "one value of the same version");
    }
    again.clear();
    if let Ok((identity, _)) = codec::decode_identity(key.session, &seal(&codec::encode_session_key(key.session))) {
        let crc = codec::encode_identity(key.session, &identity, &mut again);
        assert_eq!(codec::decode_identity(key.session, &again), Ok((identity, crc)));
    }
    again.clear();
    if let Ok((meta, crc)) = codec::decode_meta(&seal(&codec::META_KEY)) {
        let newest = codec::encode_meta(&meta, &mut again);
        assert_eq!(codec::decode_meta(&again), Ok((meta, newest)));
        assert!(newest == crc || again.first() != body.first(), "one value of the same version");
    }
    again.clear();
    let sealed = seal(&codec::HEAD_KEY);
    if let Ok(head) = codec::decode_head(&sealed) {
        codec::encode_head(&head, &mut again);
        assert_eq!(again, sealed);
    }
}
