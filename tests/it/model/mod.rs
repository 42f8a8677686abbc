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

use std::{cell::RefCell, time::Duration};

use check::{Effort, hold};
use hub_world::World;
use looked::Looked;
use plan::{Make, Plan, Step::*};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn over_hubs() {
    let (runtime, looked) = (runtime(), RefCell::new(Looked::default()));
    let effort = Effort { worlds: 250, tries: 1_500, milliseconds: 60_000 };
    hold(&effort, plan::over_hubs(), |plan, cutting| {
        let patience = Duration::from_secs(if cutting.get() { 3 } else { 30 });
        runtime.block_on(World::play(plan, &mut looked.borrow_mut(), patience))
    });
    let looked = looked.into_inner();
    println!("over hubs: {looked}");
    let steps = ["publish", "cut", "hop", "shard lagged", "slow reader", "rights", "revoke", "pause", "restart"];
    looked.at_least(100, &steps);
    looked.at_least(20, &["true gaps"]);
    looked.at_least(8_000, &["heard"]);
}
