//! The stages that steer a request: `admit`, `authorize`, `select-address`.

use std::net::{IpAddr, Ipv4Addr};

use bindery_engine::policy::{Admit, Attribute, Authorize, SelectAddress, Stage, Steer};

use crate::error::Failure;
use crate::plugin::{Failed, Plugin};
use crate::spec::Outcome;
use crate::wit::{self, Address, steer};

/// Longest name of a group, pool or class that a plugin may give, in bytes.
pub const NAME_MAX: usize = 64;
/// Longest user name and value of an attribute (RFC 2865 §5), in bytes.
pub const ATTRIBUTE_MAX: usize = 253;
/// Most attributes that a plugin may give.
pub const ATTRIBUTES_MAX: usize = 64;

impl Plugin {
    /// Let the plugin admit a request. Its choice is added to `question.steer` if the outcome is
    /// [`Outcome::Continue`]. A plugin without this stage changes nothing.
    pub fn admit(&mut self, question: &mut Admit<'_>) -> Outcome {
        if !self.stages().contains(Stage::Admit) {
            return Outcome::Continue;
        }
        let answer = self.timed(question.sessions, |live| {
            live.store.data_mut().view.fill_request(
                question.request,
                question.group,
                question.interface,
                &question.steer,
            );
            let meta = steer::AdmitMeta::new(question.request, question.unicast);
            let choice = match live.hooks.admit.call(&mut live.store, (meta, steer::request()))?.0 {
                steer::AdmitVerdict::Continue => return Ok(true),
                steer::AdmitVerdict::Drop => return Ok(false),
                steer::AdmitVerdict::Choose(choice) => choice,
            };
            let chosen = Steer {
                group: name(choice.group)?,
                pool: name(choice.pool)?,
                class: name(choice.class)?,
                ..Steer::default()
            };
            merge(chosen, &mut question.steer);
            Ok(true)
        });
        self.outcome(answer)
    }

    /// Let the plugin authorize a newcomer. Its changes are made on `question` if the outcome is
    /// [`Outcome::Continue`]. A plugin without this stage changes nothing.
    pub fn authorize(&mut self, question: &mut Authorize<'_>) -> Outcome {
        if !self.stages().contains(Stage::Authorize) {
            return Outcome::Continue;
        }
        let answer = self.timed(question.sessions, |live| {
            live.store.data_mut().view.fill_request(
                question.request,
                question.group,
                question.interface,
                &question.steer,
            );
            let attributes = question.attributes.iter().map(wit::Attribute::from).collect();
            let params = (question.phase.into(), steer::request(), question.username.to_string(), attributes);
            let choice = match live.hooks.authorize.call(&mut live.store, params)?.0 {
                steer::AuthorizeVerdict::Continue => return Ok(true),
                steer::AuthorizeVerdict::Drop => return Ok(false),
                steer::AuthorizeVerdict::Choose(choice) => choice,
            };
            let chosen = Steer {
                group: name(choice.group)?,
                pool: name(choice.pool)?,
                class: name(choice.class)?,
                address: address(choice.address)?,
                lease_secs: lease(choice.lease_seconds)?,
            };
            let attributes = choice.attributes.map(judge_attributes).transpose()?;
            let username = choice.username.map(|username| text(username, ATTRIBUTE_MAX)).transpose()?;
            // Nothing can be refused any more.
            merge(chosen, &mut question.steer);
            question.attributes = attributes.unwrap_or_else(|| std::mem::take(&mut question.attributes));
            question.username = username.unwrap_or_else(|| std::mem::take(&mut question.username));
            Ok(true)
        });
        self.outcome(answer)
    }

    /// Let the plugin choose an address. Its choice is added to `question.steer` if the outcome is
    /// [`Outcome::Continue`]. A plugin without this stage changes nothing.
    pub fn select_address(&mut self, question: &mut SelectAddress<'_>) -> Outcome {
        if !self.stages().contains(Stage::SelectAddress) {
            return Outcome::Continue;
        }
        let answer = self.timed(question.sessions, |live| {
            live.store.data_mut().view.fill_request(
                question.request,
                question.group,
                question.interface,
                &question.steer,
            );
            let proposal = steer::Proposal {
                pool: question.pool.to_owned(),
                address: question.proposed.map(|address| IpAddr::V4(address).into()),
            };
            let choice = match live.hooks.select.call(&mut live.store, (proposal, steer::request()))?.0 {
                steer::SelectVerdict::Continue => return Ok(true),
                steer::SelectVerdict::Drop => return Ok(false),
                steer::SelectVerdict::Choose(choice) => choice,
            };
            let chosen = Steer {
                pool: name(choice.pool)?,
                address: address(choice.address)?,
                lease_secs: lease(choice.lease_seconds)?,
                ..Steer::default()
            };
            merge(chosen, &mut question.steer);
            Ok(true)
        });
        self.outcome(answer)
    }
}

fn bad(detail: impl Into<String>) -> Failed {
    Failed::new(Failure::BadVerdict, detail)
}

/// The name of a group, pool or class: 1 to [`NAME_MAX`] bytes.
fn name(name: Option<String>) -> Result<Option<Box<str>>, Failed> {
    name.map(|name| text(name, NAME_MAX)).transpose()
}

/// Text of 1 to `max` bytes without control characters.
fn text(text: String, max: usize) -> Result<Box<str>, Failed> {
    if text.is_empty() || text.len() > max || text.chars().any(char::is_control) {
        return Err(bad(format!("a name must have 1 to {max} bytes and no control character")));
    }
    Ok(text.into_boxed_str())
}

fn address(address: Option<Address>) -> Result<Option<Ipv4Addr>, Failed> {
    address.map(|address| address.v4()).transpose()
}

fn lease(seconds: Option<u32>) -> Result<Option<u32>, Failed> {
    if seconds == Some(0) { Err(bad("a lease of no time")) } else { Ok(seconds) }
}

fn judge_attributes(attributes: Vec<wit::Attribute>) -> Result<Vec<Attribute>, Failed> {
    let long = attributes.iter().any(|attribute| attribute.value.len() > ATTRIBUTE_MAX);
    if long || attributes.len() > ATTRIBUTES_MAX {
        let detail = format!("more than {ATTRIBUTES_MAX} attributes, or more than {ATTRIBUTE_MAX} bytes in one");
        return Err(Failed::new(Failure::Output, detail));
    }
    let judged = attributes.into_iter().map(|attribute| Attribute {
        vendor: attribute.vendor,
        code: attribute.code,
        value: attribute.value.into_boxed_slice(),
    });
    Ok(judged.collect())
}

/// A later choice stands in the place of an earlier one.
fn merge(chosen: Steer, to: &mut Steer) {
    fn put<T>(chosen: Option<T>, to: &mut Option<T>) {
        if chosen.is_some() {
            *to = chosen;
        }
    }
    put(chosen.group, &mut to.group);
    put(chosen.pool, &mut to.pool);
    put(chosen.address, &mut to.address);
    put(chosen.lease_secs, &mut to.lease_secs);
    put(chosen.class, &mut to.class);
}
