//! Statistics by interface, and the history of a subscriber.

use super::{
    Ask, Cursor, Empty, Json, Query, QueryRejection, Refused, Reply, Server, SessionId, State, Statistics, StatusCode,
    bad, ending, present,
};
use bindery_api::{HistoryList, HistoryQuery, OfInterface};
use bindery_engine::history::{HistoryCursor, HistoryKey, HistoryView};

/// Most entries of an answer: the newest ones.
const ENTRIES_MAX: usize = 1_000;

fn no_interface(name: &str) -> Refused {
    Refused(StatusCode::NOT_FOUND, format!("there is no interface `{name}`"))
}

/// `show dhcp statistics`.
pub(super) async fn statistics(
    State(server): State<Server>,
    query: Result<Query<OfInterface>, QueryRejection>,
) -> Result<Json<Statistics>, Refused> {
    let Query(OfInterface { interface }) = query.map_err(|error| bad(error.body_text()))?;
    let Some(name) = interface else {
        return super::statistics(State(server)).await;
    };
    if name.ends_with('*') {
        return Err(bad("name one interface"));
    }
    let ask = Ask::LinkStatistics { interface: Some(name.as_str().into()), cursor: Cursor::START };
    match server.ask(ask).await? {
        Reply::LinkStatistics { rows, .. } => {
            let row = rows.first().ok_or_else(|| no_interface(&name))?;
            // Offers are held back for the whole server.
            Ok(Json(Statistics { offer_delay: Vec::new(), ..present::statistics(&row.counters) }))
        }
        _ => Err(ending()),
    }
}

/// `clear dhcp statistics`.
pub(super) async fn clear(
    State(server): State<Server>,
    query: Result<Query<OfInterface>, QueryRejection>,
) -> Result<Json<Empty>, Refused> {
    let Query(OfInterface { interface }) = query.map_err(|error| bad(error.body_text()))?;
    let ask =
        interface.as_deref().map_or(Ask::ClearStatistics, |name| Ask::ClearLinkStatistics { interface: name.into() });
    match (server.ask(ask).await?, interface) {
        (Reply::NoInterface, Some(name)) => Err(no_interface(&name)),
        _ => Ok(Json(Empty {})),
    }
}

/// `show dhcp server history`.
pub(super) async fn history(
    State(server): State<Server>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<HistoryList>, Refused> {
    let Query(query) = query.map_err(|error| bad(error.body_text()))?;
    let key = key(&query)?;
    let (mut rows, mut left_out, mut cursor) = (Vec::<HistoryView>::new(), 0_u64, Some(HistoryCursor::default()));
    while let Some(at) = cursor {
        match server.ask(Ask::History { key: key.clone(), cursor: at }).await? {
            Reply::History { rows: page, next } => {
                rows.extend(page);
                cursor = next;
            }
            _ => return Err(ending()),
        }
        // Pages of a ring are in order, the rings follow each other: what is too old goes early.
        if rows.len() > 2 * ENTRIES_MAX {
            left_out += keep_newest(&mut rows);
        }
    }
    left_out += keep_newest(&mut rows);
    Ok(Json(HistoryList { entries: rows.iter().map(present::history).collect(), left_out }))
}

/// Sorts, and keeps the newest; how many went.
fn keep_newest(rows: &mut Vec<HistoryView>) -> u64 {
    rows.sort_by_key(|row| (row.at, row.exchange));
    let over = rows.len().saturating_sub(ENTRIES_MAX);
    rows.drain(..over);
    over as u64
}

fn key(query: &HistoryQuery) -> Result<HistoryKey, Refused> {
    match query {
        HistoryQuery { mac: Some(mac), address: None, session: None, client_id: None } => {
            Ok(HistoryKey::Mac(mac.parse().map_err(|error| bad(format!("`{mac}`: {error}")))?))
        }
        HistoryQuery { mac: None, address: Some(address), session: None, client_id: None } => {
            let parsed = address.parse().map_err(|_| bad(format!("`{address}` is no IPv4 address")))?;
            Ok(HistoryKey::Address(parsed))
        }
        HistoryQuery { mac: None, address: None, session: Some(session), client_id: None } => {
            Ok(HistoryKey::Session(SessionId(*session)))
        }
        HistoryQuery { mac: None, address: None, session: None, client_id: Some(id) } => {
            let bytes = unhex(id).ok_or_else(|| bad(format!("`{id}` is not an even number of hexadecimal digits")))?;
            Ok(HistoryKey::ClientId(bytes.into()))
        }
        _ => Err(bad("give one of address, mac, session, client-id")),
    }
}

/// The bytes of hexadecimal digits, at least one and at most 255.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() % 2 == 0 && digits.len() <= 510)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits() {
        assert_eq!(unhex("01aBff"), Some(vec![1, 0xab, 0xff]));
        for bad in ["", "0", "0g", "\u{e9}"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
