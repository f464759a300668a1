//! A configuration as sessions meet it: who serves a session, whether its address is still to be had, and whether its
//! client would get another one. The packet path asks the configuration in force; the forecast of a commit
//! ([`crate::impact`]) asks that and the one to come, so that what it says is what happens.

use crate::{
    Engine,
    attributes::Effective,
    choose::{Known, NOWHERE, Span, choose},
    classify::selection,
    config::{Config, Pool, Reconfigure},
    engine::State64,
    impact::{Prospect, Reason},
    links::{Links, Served},
    pool::{Client, Pools},
    reconfigure::flag,
    server::v4::longest_lease,
    session::{Identity, NameId, Names, Record},
    subscriber::username_in,
};
use bindery_types::{GroupId, InstanceId, PoolId};
use core::cell::Cell;
use hashbrown::HashMap;

/// A configuration with what follows from it.
pub(crate) struct Regime<'c, 'e> {
    pub(crate) config: &'c Config,
    pools: &'e Pools,
    links: &'e Links,
    names: &'e Names,
    derived: Derived<'e>,
    /// The interface that was asked about last: clients of one interface often stand side by side.
    last: Cell<Option<(NameId, Place)>>,
}

/// What a configuration says of an interface: its routing instance and its service; `None` where it is not there.
type Place = Option<(InstanceId, Option<Served>)>;

/// Where the rest of what follows from it is found.
enum Derived<'a> {
    /// In the engine: groups by routing instance and name.
    InForce(&'a HashMap<(InstanceId, NameId), GroupId, State64>),
    ToCome(&'a Prospect),
}

/// What comes of a client's next renewal by unicast, as far as the configuration decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate<'c> {
    /// Nobody serves it: silence.
    Silent,
    /// No pool has its address, or its pool is drained: DHCPNAK, and the binding ends.
    Refused,
    /// Its lease would be shorter than `lease-time-validation strict` allows: silence.
    TooShort,
    /// It goes on.
    Granted(Served, &'c Pool),
}

impl Fate<'_> {
    pub(crate) const fn is_granted(&self) -> bool {
        matches!(self, Self::Granted(..))
    }
}

impl Engine {
    /// The configuration in force.
    pub(crate) fn regime<'c, 'e>(&'e self, config: &'c Config) -> Regime<'c, 'e> {
        self.regime_of(config, &self.pools, Derived::InForce(&self.group_ids))
    }

    /// A configuration that may come into force.
    pub(crate) fn regime_to_come<'e>(&'e self, prospect: &'e Prospect) -> Regime<'e, 'e> {
        self.regime_of(&prospect.config, &prospect.pools, Derived::ToCome(prospect))
    }

    fn regime_of<'c, 'e>(&'e self, config: &'c Config, pools: &'e Pools, derived: Derived<'e>) -> Regime<'c, 'e> {
        Regime { config, pools, links: &self.links, names: &self.names, derived, last: Cell::new(None) }
    }

    /// The service of the session's own interface, or of its group where the interface is gone.
    pub(crate) fn served_by_name(&self, config: &Config, record: &Record) -> Option<Served> {
        self.regime(config).served_by_name(record)
    }

    /// The service of a session whose group an authority or a plugin has chosen.
    pub(crate) fn served_of(&self, config: &Config, record: &Record, served: Served) -> Served {
        self.regime(config).served_of(record, served)
    }

    /// The configured pool that has the session's address, unless it is drained (`active-drain`).
    pub(crate) fn pool_of<'c>(&self, config: &'c Config, record: &Record) -> Option<&'c Pool> {
        config.pool(self.regime(config).home(record)?)
    }
}

impl<'c, 'e> Regime<'c, 'e> {
    /// Why the session is refused.
    pub(crate) fn refusal(&self, record: &Record) -> Reason {
        if self.pool_id(record).is_some_and(|pool| self.pools.is_drained(pool)) {
            Reason::Drained
        } else if self.pools.is_excluded(record.instance(), record.address()) {
            Reason::Excluded
        } else {
            Reason::AddressGone
        }
    }

    /// What the configuration says of an interface.
    fn place(&self, link: NameId) -> Place {
        match self.derived {
            Derived::InForce(_) => self.links.by_name(link).map(|state| (state.instance, state.served)),
            Derived::ToCome(prospect) => {
                if let Some((of, place)) = self.last.get()
                    && of == link
                {
                    return place;
                }
                let place = self.links.serve_as(link, self.config, &prospect.interfaces, self.pools);
                self.last.set(Some((link, place)));
                place
            }
        }
    }

    /// What serves the clients of an interface.
    fn served(&self, link: NameId) -> Option<Served> {
        self.place(link)?.1
    }

    pub(crate) fn name(&self, name: NameId) -> &'e str {
        self.names.name(name)
    }

    /// The group that served a session, in its routing instance.
    fn group(&self, record: &Record) -> Option<GroupId> {
        let instance = record.instance();
        match self.derived {
            Derived::InForce(groups) => groups.get(&(instance, record.group)).copied(),
            Derived::ToCome(prospect) => prospect.group(instance, self.names.name(record.group)),
        }
    }

    /// The pool that has the session's address.
    fn pool_id(&self, record: &Record) -> Option<PoolId> {
        let (instance, address) = (record.instance(), record.address());
        // Of the pools to come nobody knows our own addresses.
        let own = matches!(self.derived, Derived::ToCome(_)) && self.links.is_own(instance, address);
        self.pools.pool_of(instance, address).filter(|_| !own)
    }

    /// The pool that the session's address goes on in: who is drained goes on in none.
    fn home(&self, record: &Record) -> Option<PoolId> {
        self.pool_id(record).filter(|pool| !self.pools.is_drained(*pool))
    }

    /// The service of the session's own interface, or of its group where the interface is gone.
    pub(crate) fn served_by_name(&self, record: &Record) -> Option<Served> {
        let here = self.served(record.link()).filter(|served| served.instance == record.instance());
        here.or_else(|| {
            let group = self.group(record)?;
            Some(Served { group, instance: record.instance(), interface: usize::MAX, local: None, pool: None })
        })
    }

    /// `reconfigure` of the group that serves the session; of the server where nobody does.
    pub(crate) fn reconfigure_of(&self, record: &Record) -> Option<&'c Reconfigure> {
        match self.served_by_name(record) {
            Some(served) => served.reconfigure(self.config),
            // Of an imported session nobody knows yet who will serve it.
            None if record.group == NameId::EMPTY => None,
            None if record.instance() == InstanceId(0) => self.config.reconfigure.as_ref(),
            None => self.config.server(record.instance()).reconfigure.as_ref(),
        }
    }

    /// `served`, or the group that an authority or a plugin has chosen for the session.
    pub(crate) fn served_of(&self, record: &Record, served: Served) -> Served {
        if record.flags & flag::STEERED == 0 {
            return served;
        }
        match self.group(record) {
            Some(group) if group != served.group => Served { group, interface: usize::MAX, ..served },
            _ => served,
        }
    }

    /// Whether the session's interface is there. That of an imported session may not be known at all.
    fn is_there(&self, record: &Record) -> bool {
        self.links.by_name(record.link()).is_some()
    }

    /// The service of an imported session whose client was not heard yet: nobody knows by which group, so it is taken
    /// to be none that matters.
    fn anywhere(&self, record: &Record) -> Option<Served> {
        let unknown = record.link() == NameId::EMPTY && record.group == NameId::EMPTY;
        let (group, instance) = (GroupId(u16::MAX), record.instance());
        (unknown && !self.config.interfaces.is_empty()).then_some(Served {
            group,
            instance,
            interface: usize::MAX,
            local: None,
            pool: None,
        })
    }

    /// What comes of the session's next renewal. It is taken to come in on the session's own interface, and the
    /// plugins of stage `admit` to let it pass.
    pub(crate) fn fate(&self, record: &Record) -> Fate<'c> {
        let here = self.served(record.link());
        // The address is looked for in the routing instance of the interface.
        if self.place(record.link()).is_some_and(|(instance, _)| instance != record.instance()) {
            let naks = here.and_then(|served| served.overrides(self.config)).is_some_and(|o| o.nak_unknown_renew);
            return if naks { Fate::Refused } else { Fate::Silent };
        }
        let Some(served) = self.served_by_name(record).or_else(|| self.anywhere(record)) else { return Fate::Silent };
        match self.home(record).and_then(|pool| self.config.pool(pool)) {
            Some(pool) => {
                let served = self.served_of(record, served);
                match self.validated(&served, longest_lease(&Effective::of(self.config, served, pool))) {
                    Some(_) => Fate::Granted(served, pool),
                    None => Fate::TooShort,
                }
            }
            None => Fate::Refused,
        }
    }

    /// A lease of `secs` as `lease-time-validation` of the group lets it pass; `None` where it does not.
    pub(crate) fn validated(&self, served: &Served, secs: u32) -> Option<u32> {
        let rule = self.config.group(served.group).and_then(|group| group.lease_validation);
        rule.map_or(Some(secs), |rule| rule.judge(secs).0)
    }

    /// Whether the session's client, once refused, would be offered another address; that all of them may be taken
    /// does not count.
    pub(crate) fn offers_another(&self, record: &Record, identity: &Identity<'_>) -> bool {
        let Some(served) = self.served(record.link()) else {
            return !self.is_there(record) && self.served_by_name(record).or_else(|| self.anywhere(record)).is_some();
        };
        if record.flags & flag::STEERED != 0 {
            // Where its address will come from is for its authority to say.
            return true;
        }
        let matched = match selection(record.giaddr, identity.relay_info) {
            Some(network) => self.pools.match_network(served.instance, network),
            None => served.pool,
        };
        // Who has chosen its subnet (RFC 3011) will choose it again.
        let permitted = served.overrides(self.config).map_or(&[][..], |overrides| &overrides.subnet_selection);
        let selected = permitted.iter().any(|network| network.contains(record.scope()));
        let selected = selected.then(|| self.pools.match_network(served.instance, record.scope())).flatten();
        let order = &self.config.server(served.instance).pool_match_order;
        // What AAA would say to a newcomer is not known, so that it may name a pool.
        let known =
            Known { matched: selected.or(matched), named: None, final_word: false, relay_info: identity.relay_info };
        let Ok((pool, span)) = choose(order, self.pools, known) else { return false };
        if pool == NOWHERE {
            return true;
        }
        let user_name = username_in(identity.subscriber);
        let client = Client { mac: identity.hw.mac(), client_id: identity.client_id, user_name };
        match span {
            Span::Nothing => self.pools.reservation(pool, client).is_some(),
            Span::Narrowed { .. } | Span::Whole => self.pools.has_any(pool, client),
        }
    }
}
