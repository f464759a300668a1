//! `show network-access address-assignment pool`.

use super::push_line;
use bindery_api::{Pool, PoolList};

/// All pools, a line each: the columns from `Free` to `Held` add up to `Addresses`. Pools of other routing instances than
/// the default one stand behind its pools, under the name of theirs.
pub(crate) fn pools(list: &PoolList) -> String {
    let mut text = String::new();
    push_line!(text, "Pool              Addresses  Free       Offered  Bound      Quarantined  Held    Usage  State");
    let (here, others): (Vec<&Pool>, Vec<&Pool>) = list.pools.iter().partition(|pool| is_default(pool));
    let mut instance = "";
    for pool in here.into_iter().chain(others) {
        if !is_default(pool) && pool.routing_instance != instance {
            instance = &pool.routing_instance;
            push_line!(text, "Routing instance: {instance}");
        }
        push_line!(
            text,
            "{:<17} {:<10} {:<10} {:<8} {:<10} {:<12} {:<7} {:<6} {}",
            pool.pool_name,
            pool.total,
            pool.free,
            pool.offered,
            pool.bound,
            pool.quarantined,
            pool.held,
            format!("{}%", pool.percent),
            state(pool)
        );
    }
    text
}

/// Whether a pool is of the default routing instance, the only one that an older daemon tells of.
fn is_default(pool: &Pool) -> bool {
    matches!(pool.routing_instance.as_str(), "" | "default")
}

/// One pool, a line a value.
pub(crate) fn pool(pool: &Pool) -> String {
    let mut text = String::new();
    push_line!(text, "Pool name: {}", pool.pool_name);
    if !is_default(pool) {
        push_line!(text, "    Routing instance:        {}", pool.routing_instance);
    }
    push_line!(text, "    Network:                 {}", pool.network);
    if let Some(link) = &pool.link {
        push_line!(text, "    Link:                    {link}");
    }
    push_line!(text, "    State:                   {}", state(pool));
    push_line!(text, "    Addresses:               {}", pool.total);
    push_line!(text, "    Free:                    {}", pool.free);
    push_line!(text, "    Offered:                 {}", pool.offered);
    push_line!(text, "    Bound:                   {}", pool.bound);
    push_line!(text, "    Quarantined:             {}", pool.quarantined);
    push_line!(text, "    Held (grace period):     {}", pool.held);
    push_line!(text, "    Usage:                   {}%", pool.percent);
    if let (Some(high), Some(abated)) = (pool.high_utilization, pool.abated_utilization) {
        push_line!(text, "    High, abated threshold:  {high}%, {abated}%");
    }
    text
}

fn state(pool: &Pool) -> String {
    let drain = if pool.drain.is_empty() || pool.drain == "none" { "in use" } else { pool.drain.as_str() };
    let high = if pool.utilization == "high" { ", high utilization" } else { "" };
    format!("{drain}{high}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn res() -> Pool {
        Pool {
            pool_name: "res-v4".to_owned(),
            routing_instance: "default".to_owned(),
            total: 100,
            used: 93,
            quarantined: 1,
            free: 4,
            offered: 3,
            bound: 90,
            held: 2,
            percent: 96,
            utilization: "high".to_owned(),
            high_utilization: Some(90),
            abated_utilization: Some(80),
            drain: "active-drain".to_owned(),
            network: "10.0.0.0/24".to_owned(),
            link: Some("more".to_owned()),
        }
    }

    #[test]
    fn a_table_and_one_pool() {
        let table = pools(&PoolList { pools: vec![res()] });
        let row = table.lines().nth(1).unwrap_or_default();
        let columns: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(columns[..8], ["res-v4", "100", "4", "3", "90", "1", "2", "96%"]);
        assert!(row.ends_with("active-drain, high utilization"));
        let one = pool(&res());
        for line in ["Link:                    more", "Held (grace period):     2", "threshold:  90%, 80%"] {
            assert!(one.contains(line), "{one}");
        }
    }

    #[test]
    fn pools_of_one_name_are_told_apart() {
        let of = |instance: &str| Pool { routing_instance: instance.to_owned(), ..res() };
        let table = pools(&PoolList { pools: vec![of("red"), of("default"), of("red"), of("blue")] });
        let first: Vec<&str> = table.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
        let (red, blue) = ("Routing instance: red", "Routing instance: blue");
        assert_eq!(first, ["Pool", "res-v4", red, "res-v4", "res-v4", blue, "res-v4"]);
        assert!(pool(&of("red")).contains("Routing instance:        red"));
        assert!(!pool(&of("default")).contains("Routing instance"));
    }

    #[test]
    fn an_older_daemon_says_less() {
        let text = r#"{"pools":[{"pool-name":"p","total":4,"used":1,"quarantined":0,"network":"10.0.0.0/30"}]}"#;
        let old: PoolList = serde_json::from_str(text).unwrap();
        assert!(pools(&old).contains("in use"));
    }
}
