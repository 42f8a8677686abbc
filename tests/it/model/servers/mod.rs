//! Worlds of processes: two servers, a broker that goes away, an account service, and people with sockets.

mod world;

use std::{cell::RefCell, time::Duration};

use super::{
    check::{Effort, Patience, hold},
    looked::Looked,
    plan, runtime,
};
use crate::harness::apache;
use world::World;

#[test]
fn random_worlds_hold_the_promise() {
    let (runtime, looked) = (runtime(), RefCell::new(Looked::default()));
    let effort = Effort {
        // Each world has a broker of its own, which Apache Kafka takes its time for.
        worlds: if apache::chosen() { 3 } else { 14 },
        patience: Patience { piece: Duration::from_millis(10), end: Duration::from_secs(60) },
        cutting: Patience { piece: Duration::from_millis(20), end: Duration::from_secs(10) },
        tries: 40,
        times: 1,
        time: Duration::from_secs(240),
    };
    hold(&effort, plan::over_servers(), |plan, patience| {
        runtime.block_on(World::play(plan, &mut looked.borrow_mut(), patience))
    });
    let looked = looked.into_inner();
    looked.report("over servers");
    let steps = ["cut", "hop", "rights", "end heard", "node paused", "broker paused", "node restarted"];
    looked.at_least(if apache::chosen() { 1 } else { 10 }, &steps);
    looked.at_least(1, &["broker away", "broker frozen", "killed", "told to end"]);
    looked.at_least(if apache::chosen() { 500 } else { 5_000 }, &["heard"]);
}
