//! A configuration as sessions meet it: who serves a session, whether its address is still to be had, and whether its
//! client would get another one. The packet path asks the configuration in force; the forecast of a commit
//! ([`crate::impact`]) asks that and the one to come, so that what it says is what happens.

use crate::{
    Engine,
    classify::selection,
    config::{Config, Pool, Reconfigure},
    engine::State64,
    impact::Prospect,
    links::{Links, Served},
    pool::Pools,
    reconfigure::flag,
    session::{Identity, NameId, Names, Record},
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
    last: Cell<Option<(NameId, Option<Served>)>>,
}

/// Where the rest of what follows from it is found.
enum Derived<'a> {
    /// In the engine: groups by name.
    InForce(&'a HashMap<NameId, GroupId, State64>),
    ToCome(&'a Prospect),
}

/// What comes of a client's next renewal by unicast, as far as the configuration decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate<'c> {
    /// Nobody serves it: silence.
    Silent,
    /// No pool has its address: DHCPNAK, and the binding ends.
    Refused,
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

    /// The configured pool that has the session's address.
    pub(crate) fn pool_of<'c>(&self, config: &'c Config, record: &Record) -> Option<&'c Pool> {
        config.pool(self.regime(config).pool_id(record)?)
    }
}

impl<'c, 'e> Regime<'c, 'e> {
    /// What the configuration says of an interface.
    fn served(&self, link: NameId) -> Option<Served> {
        match self.derived {
            Derived::InForce(_) => self.links.by_name(link)?.served,
            Derived::ToCome(prospect) => {
                if let Some((of, served)) = self.last.get()
                    && of == link
                {
                    return served;
                }
                let served = self.links.serve_as(link, self.config, |name| prospect.entry(name), self.pools);
                self.last.set(Some((link, served)));
                served
            }
        }
    }

    pub(crate) fn name(&self, name: NameId) -> &'e str {
        self.names.name(name)
    }

    fn group(&self, name: NameId) -> Option<GroupId> {
        match self.derived {
            Derived::InForce(groups) => groups.get(&name).copied(),
            Derived::ToCome(prospect) => prospect.group(self.names.name(name)),
        }
    }

    /// The pool that has the session's address.
    fn pool_id(&self, record: &Record) -> Option<PoolId> {
        let (instance, address) = (record.instance(), record.address());
        // Of the pools to come nobody knows our own addresses.
        let own = matches!(self.derived, Derived::ToCome(_)) && self.links.is_own(address);
        self.pools.pool_of(instance, address).filter(|_| !own)
    }

    /// The service of the session's own interface, or of its group where the interface is gone.
    pub(crate) fn served_by_name(&self, record: &Record) -> Option<Served> {
        self.served(record.link()).or_else(|| {
            let group = self.group(record.group)?;
            Some(Served { group, instance: record.instance(), interface: usize::MAX, local: None, pool: None })
        })
    }

    /// `reconfigure` of the group that serves the session; of the server where nobody does.
    pub(crate) fn reconfigure_of(&self, record: &Record) -> Option<&'c Reconfigure> {
        match self.served_by_name(record) {
            Some(served) => served.reconfigure(self.config),
            // Of an imported session nobody knows yet who will serve it.
            None if record.group == NameId::EMPTY => None,
            None => self.config.reconfigure.as_ref(),
        }
    }

    /// `served`, or the group that an authority or a plugin has chosen for the session.
    pub(crate) fn served_of(&self, record: &Record, served: Served) -> Served {
        if record.flags & flag::STEERED == 0 {
            return served;
        }
        match self.group(record.group) {
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
        if self.is_there(record) && here.map_or(InstanceId(0), |served| served.instance) != record.instance() {
            let naks = here.and_then(|served| served.overrides(self.config)).is_some_and(|o| o.nak_unknown_renew);
            return if naks { Fate::Refused } else { Fate::Silent };
        }
        let Some(served) = self.served_by_name(record).or_else(|| self.anywhere(record)) else { return Fate::Silent };
        match self.pool_id(record).and_then(|pool| self.config.pool(pool)) {
            Some(pool) => Fate::Granted(self.served_of(record, served), pool),
            None => Fate::Refused,
        }
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
        let pool = match selection(record.giaddr, identity.relay_info) {
            Some(network) => self.pools.match_network(served.instance, network),
            None => served.pool,
        };
        pool.is_some_and(|pool| self.pools.has_any(pool, identity.hw.mac()))
    }
}
