//! `request dhcp server binding import`.

use super::{Refused, Server, bad, ending, json_body};
use axum::{Json, body::Bytes, extract::State, http::StatusCode};
use bindery_api::{IMPORT_MAX, Import, ImportRefused, Imported, ImportedBinding, LEASE_INFINITE};
use bindery_engine::command::{ImportedBinding as Row, PAGE_MAX, Reply, Verb as Ask};
use bindery_types::{HwAddr, Ipv4Addr, MacAddr};

/// One page of the engine is one body.
const _: () = assert!(IMPORT_MAX == PAGE_MAX);

/// Rows that cannot be read are refused beside those that the engine refuses; the answer comes when all else is durable.
pub(super) async fn import(State(server): State<Server>, body: Bytes) -> Result<Json<Imported>, Refused> {
    let Import { bindings } = json_body(&body)?;
    // As with bodies: a list of values is no binding.
    let shape: serde_json::Value = json_body(&body)?;
    let rows = shape.get("bindings").and_then(serde_json::Value::as_array);
    if !rows.is_some_and(|rows| rows.iter().all(serde_json::Value::is_object)) {
        return Err(bad("the body is not what this verb wants: a binding is an object"));
    }
    if bindings.len() > IMPORT_MAX {
        return Err(bad(format!("{} bindings at once: give at most {IMPORT_MAX}", bindings.len())));
    }
    let (mut rows, mut places, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, binding) in (0u64..).zip(&bindings) {
        match row(binding) {
            Ok(row) => {
                rows.push(row);
                places.push(index);
            }
            Err(reason) => refused.push(ImportRefused { index, reason }),
        }
    }
    let Reply::Imported { imported, refused: by_engine, failed } = server.ask(Ask::Import { rows }).await? else {
        return Err(ending());
    };
    if failed {
        let text = "the session database cannot be written: import the same bindings again".to_owned();
        return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, text));
    }
    refused.extend(by_engine.into_iter().filter_map(|(at, reason)| {
        let index = *places.get(usize::try_from(at).ok()?)?;
        Some(ImportRefused { index, reason: reason.to_string() })
    }));
    refused.sort_by_key(|refused| refused.index);
    Ok(Json(Imported { imported: u64::from(imported), refused }))
}

fn row(binding: &ImportedBinding) -> Result<Row, String> {
    let address = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| format!("`{text}` is no IPv4 address"));
    let mac = &binding.mac_address;
    let mac: MacAddr = mac.parse().map_err(|error| format!("`{mac}`: {error}"))?;
    let client_id = binding.client_id.as_deref().unwrap_or_default();
    Ok(Row {
        address: address(&binding.allocated_address)?,
        hw: HwAddr::from(mac),
        client_id: unhex(client_id).ok_or_else(|| format!("client-id `{client_id}` is not hexadecimal"))?,
        expires_in: Some(binding.lease_expires).filter(|secs| *secs != LEASE_INFINITE),
        interface: binding.interface_name.as_deref().map(Into::into),
        giaddr: binding.bootp_relay_address.as_deref().map_or(Ok(Ipv4Addr::UNSPECIFIED), address)?,
        host_name: binding.host_name.as_deref().unwrap_or_default().as_bytes().into(),
    })
}

fn unhex(text: &str) -> Option<Box<[u8]>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut ImportedBinding)) -> Result<Row, String> {
        let mut binding = ImportedBinding {
            allocated_address: "192.0.2.9".to_owned(),
            mac_address: "02:00:00:00:00:01".to_owned(),
            lease_expires: 60,
            ..ImportedBinding::default()
        };
        change(&mut binding);
        row(&binding)
    }

    #[test]
    fn rows_of_an_import() {
        let plain = read(|_| {}).unwrap();
        assert_eq!((plain.expires_in, plain.giaddr, plain.interface), (Some(60), Ipv4Addr::UNSPECIFIED, None));
        assert_eq!(read(|b| b.lease_expires = LEASE_INFINITE).unwrap().expires_in, None);
        let named = read(|b| b.client_id = Some("01fFa0".to_owned())).unwrap();
        assert_eq!(&*named.client_id, [1, 0xff, 0xa0]);
        for (wrong, reason) in [("1", "client-id `1` is not hexadecimal"), ("0g", "client-id `0g` is not hexadecimal")]
        {
            assert_eq!(read(|b| b.client_id = Some(wrong.to_owned())).unwrap_err(), reason);
        }
        assert_eq!(read(|b| b.allocated_address = "::1".to_owned()).unwrap_err(), "`::1` is no IPv4 address");
        assert!(read(|b| b.mac_address = "02".to_owned()).is_err());
        assert!(read(|b| b.bootp_relay_address = Some("x".to_owned())).is_err());
    }
}
