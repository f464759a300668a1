//! The authority (RADIUS) that newcomers wait for: it grants at random, says no, says nothing, speaks late, twice, or
//! about a question that nobody asked; and it dies for a while.

use crate::{
    clock::{Instant, MS, SEC},
    plan::Plan,
    random::Random,
};
use bindery_engine::{
    access::AccessQuestion,
    policy::Steer,
    subscriber::{Authorization, Grant, Subscriber},
};
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::v4::{Packet, ParseRules};

/// An answer on its way: after how long, to which question, and what.
pub(crate) type Answer = (Instant, u64, Authorization);

/// The authority.
#[derive(Debug)]
pub(crate) struct Authority {
    random: Random,
    /// Whether it behaves: it answers at once, and grants nothing but the service.
    pub(crate) calm: bool,
    dead_until: Instant,
    slow_ms: u64,
    silent_permille: u64,
    refuse_permille: u64,
    /// How much it chooses.
    choose_permille: u64,
    /// Every client has a name of its own.
    names: u64,
}

impl Authority {
    pub(crate) fn new(mut random: Random) -> Self {
        Self {
            calm: false,
            dead_until: 0,
            slow_ms: random.pick(&[5, 50, 2_000]),
            silent_permille: random.pick(&[0, 20, 150]),
            refuse_permille: random.pick(&[0, 50, 250]),
            choose_permille: random.pick(&[0, 150, 500]),
            names: random.pick(&[2, 8, 1_000]),
            random,
        }
    }

    /// It says nothing before `until`.
    pub(crate) fn die(&mut self, until: Instant) {
        self.dead_until = until;
    }

    /// Its answers to a question.
    pub(crate) fn ask(&mut self, now: Instant, question: &AccessQuestion, plan: &Plan) -> Vec<Answer> {
        let random = &mut self.random;
        if now < self.dead_until {
            // The shell tells so when it has tried all servers.
            let told = random.chance(500).then(|| random.range(3, 40) * SEC);
            return told.into_iter().map(|after| (after, question.tag, Authorization::Unavailable)).collect();
        }
        let name = name_of(&question.request, self.names);
        if self.calm {
            let subscriber = Subscriber { username: name, ..Subscriber::default() };
            let grant = Grant { subscriber, ..Grant::default() };
            return vec![(random.range(1, 200) * MS, question.tag, Authorization::Accepted(Box::new(grant)))];
        }
        if random.chance(self.silent_permille) {
            return Vec::new();
        }
        let mut answers = Vec::new();
        let copies = if random.chance(60) { 2 } else { 1 };
        for _ in 0..copies {
            let answer = if random.chance(self.refuse_permille) {
                if random.chance(600) { Authorization::Rejected } else { Authorization::Unavailable }
            } else {
                Authorization::Accepted(Box::new(grant(random, &name, plan, self.choose_permille)))
            };
            let after = match random.below(40) {
                0 => random.range(60, 140) * SEC,
                1..=3 => random.range(1, 58) * SEC,
                _ => random.range(1, self.slow_ms) * MS,
            };
            let tag = if random.chance(15) { random.next() >> random.pick(&[1, 50, 60]) } else { question.tag };
            answers.push((after, tag, answer));
        }
        answers
    }
}

/// What the authority calls a client.
fn name_of(request: &[u8], names: u64) -> Box<str> {
    let mac = Packet::parse(request, ParseRules { allow_no_end_option: true }).ok().and_then(|p| p.hw_addr().mac());
    let last = mac.map_or(0, |MacAddr([.., a, b])| u64::from(a) << 8 | u64::from(b));
    user(last % names)
}

/// The name of the `n`th user.
pub(crate) fn user(n: u64) -> Box<str> {
    format!("user{n}").into()
}

fn grant(random: &mut Random, name: &str, plan: &Plan, choose: u64) -> Grant {
    let classes = (0..random.below(3)).map(|_| random.next().to_le_bytes().as_slice().into()).collect();
    let subscriber = Subscriber {
        username: if random.chance(900) { name.into() } else { Box::default() },
        classes: if random.chance(500) { classes } else { Vec::new() },
        interim_secs: random.chance(200).then_some(600),
        ..Subscriber::default()
    };
    if !random.chance(choose) {
        return Grant { subscriber, ..Grant::default() };
    }
    let group = random.chance(150).then(|| random.pick(&["access", "vrf", "nobody"]).into());
    let lease_secs = random.chance(250).then(|| random.pick(&[0, 1, 20, 60, 100, 1_000]));
    Grant {
        steer: Steer {
            group,
            pool: random.chance(400).then(|| random_pool(random, plan)),
            address: random.chance(200).then(|| random_address(random, plan)),
            lease_secs,
            class: None,
        },
        subscriber,
        session_secs: random.chance(350).then(|| random.pick(&[0, 1, 30, 100, 400, 2_000])),
    }
}

/// The name of a pool that is configured, was once, or never is.
pub(crate) fn random_pool(random: &mut Random, plan: &Plan) -> Box<str> {
    let at = random.below(plan.pools.len() as u64 + 1) as usize;
    plan.pools.get(at).map_or("nowhere", |pool| pool.name).into()
}

/// An address of some pool, free or taken, or one of nobody's.
pub(crate) fn random_address(random: &mut Random, plan: &Plan) -> Ipv4Addr {
    let at = random.below(plan.pools.len() as u64 + 1) as usize;
    let Some(pool) = plan.pools.get(at) else { return Ipv4Addr::new(203, 0, 113, 9) };
    pool.address(random.range(u64::from(pool.low), u64::from(pool.high) + 1) as u8)
}
