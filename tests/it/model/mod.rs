//! The promise against a small reference, in random worlds: whatever happens, everybody ends where the always-connected do.
//!
//! A world is data ([`plan`]) and is played over real hubs in this process ([`hub_world`]) or over two server processes
//! and a broker ([`server_world`]). Each event that anybody hears is judged by the [`reference`]. A plan that fails is
//! cut down and printed as text that a test can keep.

mod check;
mod hub_node;
mod hub_world;
mod looked;
mod plan;
mod reference;
mod server_world;

use std::{cell::RefCell, time::Duration};

use check::{Effort, Patience, hold};
use looked::Looked;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn over_hubs() {
    let (runtime, looked) = (runtime(), RefCell::new(Looked::default()));
    let effort = Effort {
        worlds: 250,
        patience: Patience { piece: Duration::from_micros(300), end: Duration::from_secs(30) },
        cutting: Patience { piece: Duration::from_millis(3), end: Duration::from_secs(3) },
        tries: 3_000,
        times: 3,
        time: Duration::from_secs(60),
    };
    hold(&effort, plan::over_hubs(), |plan, patience| {
        runtime.block_on(hub_world::World::play(plan, &mut looked.borrow_mut(), patience))
    });
    let looked = looked.into_inner();
    println!("over hubs: {looked}");
    let steps = ["publish", "cut", "hop", "shard lagged", "slow reader", "rights", "revoke", "pause", "restart"];
    looked.at_least(100, &steps);
    looked.at_least(20, &["true gaps"]);
    looked.at_least(8_000, &["heard"]);
}

#[test]
fn over_servers() {
    let (runtime, looked) = (runtime(), RefCell::new(Looked::default()));
    let effort = Effort {
        worlds: 14,
        patience: Patience { piece: Duration::from_millis(10), end: Duration::from_secs(60) },
        cutting: Patience { piece: Duration::from_millis(20), end: Duration::from_secs(10) },
        tries: 40,
        times: 1,
        time: Duration::from_secs(240),
    };
    hold(&effort, plan::over_servers(), |plan, patience| {
        runtime.block_on(server_world::World::play(plan, &mut looked.borrow_mut(), patience))
    });
    let looked = looked.into_inner();
    println!("over servers: {looked}");
    looked
        .at_least(10, &["cut", "hop", "slow reader", "rights", "end heard", "pause", "broker away", "kill", "restart"]);
    looked.at_least(2_000, &["heard"]);
}
