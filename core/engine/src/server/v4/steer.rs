//! Stages `admit` and `select-address`: plugins drop a request, or choose group, pool and address for it.

use super::Request;
use crate::{
    Engine,
    access::Granted,
    attributes::Effective,
    choose::Span,
    classify::{Class, Word, classify},
    event::DropReason,
    links::Served,
    policy::{Admit, Hook, Policy, SelectAddress, Stage, Steer, Token, Verdict},
};
use bindery_types::{GroupId, InstanceId, Ipv4Addr, PoolId};

/// What `admit` has chosen. It is asked at each request, so that a choice holds for renewals too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Admission {
    group: Option<GroupId>,
    pool: Option<PoolId>,
}

impl Engine {
    /// Asks the ingress interface's `admit` chain.
    pub(super) fn admit4(&self, request: &Request<'_>, policy: &mut dyn Policy) -> Result<Admission, DropReason> {
        let Some(link) = self.links.get(request.meta.link) else {
            return Ok(Admission::default());
        };
        let Some(served) = link.served else {
            return Ok(Admission::default());
        };
        let chain = served.chain(request.config, Stage::Admit);
        if chain.is_empty() {
            return Ok(Admission::default());
        }
        let mut stage = Admit {
            request: request.packet,
            unicast: self.links.is_to_us(&request.meta),
            group: self.group_name_of(served.group),
            interface: self.names.name(link.name),
            token: self.unparked_token(),
            sessions: self.lookup(served.instance),
            steer: Steer::default(),
        };
        go_on(policy.admit(request.turn.now, chain, &mut stage))?;
        let group = self.group_called(served.instance, stage.steer.group.as_deref());
        Ok(Admission { group, pool: self.pool_called(served.instance, stage.steer.pool.as_deref()) })
    }

    /// Where a packet belongs, with what `admit` has chosen.
    pub(super) fn classify4(&self, request: &Request<'_>) -> Result<Class, DropReason> {
        let word = request.grant.map_or_else(Word::default, |granted| self.word_of(&request.meta, granted));
        let mut class = classify(request.config, &self.links, &self.pools, request.packet, &request.meta, word)?;
        class.served = self.admitted(class.served, request);
        let granted = request.grant.is_some_and(Granted::chooses);
        if let Some(pool) = request.admission.pool.filter(|_| !granted) {
            class.pool = pool;
            let of = |pool| Effective::of(request.config, class.served, pool).server_identifier();
            let named = request.config.pool(pool).and_then(of);
            class.server_id = class.server_id_override.or(named).unwrap_or(class.local);
            (class.steered, class.span) = (true, Span::Whole);
        }
        if let Some(granted) = request.grant {
            self.steer4(&mut class, granted)?;
            if let Some(group) = self.group_called(class.instance, granted.steer.group.as_deref())
                && group != class.served.group
            {
                class.served = Served { group, interface: usize::MAX, ..class.served };
            }
        }
        Ok(class)
    }

    /// `served` by the group that `admit` has chosen; what the interface says of itself then does not count.
    pub(super) fn admitted(&self, served: Served, request: &Request<'_>) -> Served {
        match request.admission.group {
            Some(group) if group != served.group => Served { group, interface: usize::MAX, ..served },
            _ => served,
        }
    }

    /// Asks the `select-address` chain about a newcomer; a pool that it chooses goes into `class`, an address comes
    /// back.
    pub(super) fn select_address4(
        &self,
        request: &Request<'_>,
        class: &mut Class,
        proposed: Option<Ipv4Addr>,
        policy: &mut dyn Policy,
    ) -> Result<Option<Ipv4Addr>, DropReason> {
        let chain = class.served.chain(request.config, Stage::SelectAddress);
        if chain.is_empty() {
            return Ok(None);
        }
        let mut stage = SelectAddress {
            request: request.packet,
            group: self.group_name_of(class.served.group),
            interface: self.names.name(class.link),
            pool: self.names.name(self.pool_name(class.pool)),
            proposed,
            token: self.unparked_token(),
            sessions: self.lookup(class.instance),
            steer: Steer::default(),
        };
        go_on(policy.select_address(request.turn.now, chain, &mut stage))?;
        if let Some(pool) = self.pool_called(class.instance, stage.steer.pool.as_deref()) {
            class.pool = pool;
            (class.steered, class.span) = (true, Span::Whole);
        }
        Ok(stage.steer.address)
    }

    /// The group that somebody names; one that is not configured, or of another routing instance, is passed over.
    fn group_called(&self, instance: InstanceId, name: Option<&str>) -> Option<GroupId> {
        let name = name?;
        let at = self.config.groups.iter().position(|group| *group.name == *name && group.instance == instance)?;
        u16::try_from(at).ok().map(GroupId)
    }

    pub(super) fn group_name_of(&self, group: GroupId) -> &str {
        let name = self.group_names.get(usize::from(group.0)).copied().unwrap_or_default();
        self.names.name(name)
    }

    /// The pool that somebody names; one that is not configured, or of another routing instance, is passed over: its
    /// addresses are others'.
    pub(super) fn pool_called(&self, instance: InstanceId, name: Option<&str>) -> Option<PoolId> {
        let name = name?;
        let at = self.config.pools.iter().position(|pool| *pool.name == *name && pool.instance == instance)?;
        u16::try_from(at).ok().map(PoolId)
    }

    /// These stages are not parked: the token names nothing.
    fn unparked_token(&self) -> Token {
        Token { engine: self.id.0, slot: u32::MAX, generation: 0 }
    }
}

/// Whether the exchange goes on. A stage that is not parked has to answer at once: who does not is dropped.
fn go_on(hook: Hook) -> Result<(), DropReason> {
    match hook {
        Hook::Done(Verdict::Continue) => Ok(()),
        Hook::Done(Verdict::Drop) => Err(DropReason::Policy),
        Hook::Pending { .. } => Err(DropReason::PolicyTimeout),
    }
}
