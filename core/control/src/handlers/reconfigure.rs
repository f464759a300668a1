//! `request dhcp server reconfigure` and what is known of the clients.

use super::{Refused, Server, bad, ending, filter};
use crate::{peer::Peer, present};
use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use bindery_api::{CapabilityList, PACE_DEFAULT, ReconfigureQuery, Reconfigured, Selector};
use bindery_engine::{
    command::{CapabilityRow, Cursor, Reply, Verb as Ask},
    reconfigure::Purpose,
};
use std::{collections::HashMap, time::Duration};

/// Vendor classes that are told apart; the clients of further ones are counted as if they had none.
const CLASSES_MAX: usize = 1_024;

const PACE_MAX: u32 = 1_000_000;

/// Begins page by page, at most `pace` a second; the answer comes when every first attempt is on storage.
pub(super) async fn reconfigure(
    State(server): State<Server>,
    Extension(peer): Extension<Peer>,
    query: Result<Query<ReconfigureQuery>, QueryRejection>,
) -> Result<Json<Reconfigured>, Refused> {
    let Query(query) = query.map_err(|error| bad(error.body_text()))?;
    let selector = query.selector();
    if selector == Selector::default() {
        return Err(bad("say which clients to reconfigure: an address, mac, session or interface, or all"));
    }
    let pace = query.pace.unwrap_or(PACE_DEFAULT);
    if !(1..=PACE_MAX).contains(&pace) {
        return Err(bad(format!("pace {pace} is out of range: 1 to {PACE_MAX} a second")));
    }
    let filter = filter(&selector)?;
    let purpose = if query.refresh { Purpose::Refresh } else { Purpose::Renumber };
    let (mut sum, mut cursor) = (Reconfigured::default(), Some(Cursor::START));
    let began = tokio::time::Instant::now();
    while let Some(at) = cursor {
        // Ten times a second, so that clients do not come back in one burst.
        let most = pace.div_ceil(10);
        let verb = Ask::Reconfigure { filter: filter.clone(), cursor: at, purpose, most };
        let Reply::Reconfigured(page) = server.ask_for(peer, verb).await? else {
            return Err(ending());
        };
        if page.failed {
            let text =
                format!("the session database cannot be written; {} clients are being reconfigured", sum.started);
            return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        sum.started += u64::from(page.started);
        sum.ignored += u64::from(page.ignored);
        sum.cleared += u64::from(page.cleared);
        sum.not_configured += u64::from(page.not_configured);
        cursor = page.next;
        if cursor.is_some() {
            tokio::time::sleep_until(began + Duration::from_secs(sum.started) / pace).await;
        }
    }
    Ok(Json(sum))
}

/// Sums the pages up by vendor class.
pub(super) async fn capability(State(server): State<Server>) -> Result<Json<CapabilityList>, Refused> {
    let mut classes: HashMap<Box<[u8]>, CapabilityRow> = HashMap::new();
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor {
        let Reply::Capability { rows, next } = server.ask(Ask::Capability { cursor: at }).await? else {
            return Err(ending());
        };
        for row in rows {
            let known = classes.len() < CLASSES_MAX || classes.contains_key(&row.vendor_class);
            let class = if known { row.vendor_class.clone() } else { Box::default() };
            add(classes.entry(class).or_default(), &row);
        }
        cursor = next;
    }
    let mut rows: Vec<_> =
        classes.into_iter().map(|(vendor_class, row)| CapabilityRow { vendor_class, ..row }).collect();
    rows.sort_by(|a, b| b.clients.cmp(&a.clients).then_with(|| a.vendor_class.cmp(&b.vendor_class)));
    Ok(Json(CapabilityList { capabilities: rows.iter().map(present::capability).collect() }))
}

fn add(sum: &mut CapabilityRow, row: &CapabilityRow) {
    sum.clients += row.clients;
    sum.offer_nonce += row.offer_nonce;
    sum.nonce += row.nonce;
    sum.token += row.token;
    sum.plain += row.plain;
    sum.deaf += row.deaf;
    sum.unknown += row.unknown;
}
