//! Worlds in this process: no socket and no broker, but real hubs, shards, queues and sessions, and every interleaving.

mod kept;
mod node;
mod world;

use std::{cell::RefCell, time::Duration};

use super::{
    check::{Effort, Patience, hold},
    looked::Looked,
    plan, runtime,
};
use world::World;

#[test]
fn random_worlds_hold_the_promise() {
    let (runtime, looked) = (runtime(), RefCell::new(Looked::default()));
    let effort = Effort {
        worlds: 200,
        patience: Patience { piece: Duration::from_micros(300), end: Duration::from_secs(30) },
        cutting: Patience { piece: Duration::from_millis(3), end: Duration::from_secs(3) },
        tries: 3_000,
        times: 3,
        time: Duration::from_secs(60),
    };
    hold(&effort, plan::over_hubs(), |plan, patience| {
        runtime.block_on(World::play(plan, &mut looked.borrow_mut(), patience))
    });
    let looked = looked.into_inner();
    looked.report("over hubs");
    let steps = ["publish", "cut", "hop", "shard lagged", "slow reader", "rights", "revoke", "pause", "restart"];
    looked.at_least(100, &steps);
    looked.at_least(20, &["true gaps"]);
    looked.at_least(10_000, &["heard"]);
}
