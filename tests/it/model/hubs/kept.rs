//! Plans as the checks print them, cut down from what a seeded fault broke: each is the shortest story of its kind.

use std::time::Duration;

use super::{
    super::{
        check::Patience,
        looked::Looked,
        plan::{Make, Plan, Step::*},
        runtime,
    },
    world::World,
};

fn holds(plan: &Plan) -> Looked {
    let (runtime, mut looked) = (runtime(), Looked::default());
    let patience = Patience { piece: Duration::from_millis(3), end: Duration::from_secs(30) };
    for _ in 0..5 {
        runtime.block_on(World::play(plan, &mut looked, patience)).unwrap_or_else(|fault| panic!("{fault}\n{plan}"));
    }
    looked
}

/// A ring of 2, both shards of a node asleep, 200 announcements: the shards read on from memory, and nobody notices.
#[test]
fn a_shard_that_sleeps_loses_nothing() {
    let looked = holds(&Plan {
        nodes: [
            Make { memory_bytes: 1_000_000, ring: 2, queue_frames: 8 },
            Make { memory_bytes: 1_000_000, ring: 2, queue_frames: 8 },
        ],
        people: vec![1, 1, 7, 7],
        rushed: false,
        scenes: vec![vec![
            Come { person: 0, node: 0 },
            Come { person: 1, node: 0 },
            Come { person: 2, node: 0 },
            Come { person: 3, node: 0 },
            Sleep { node: 0, shard: 0 },
            Sleep { node: 0, shard: 1 },
            Publish { partition: 0, malls: 3, many: 200, holes: 0 },
            Follow { node: 0, partition: 0, many: 200 },
            Wake { node: 0 },
        ]],
    });
    looked.at_least(5, &["shard lagged"]);
    looked.at_least(5 * 4 * 200, &["heard"]);
}

/// Its shard is behind it when it comes back: what it was given while it caught up is skipped.
#[test]
fn who_is_handed_over_ahead_of_a_shard_hears_nothing_twice() {
    holds(&Plan {
        nodes: [
            Make { memory_bytes: 4000, ring: 2, queue_frames: 2 },
            Make { memory_bytes: 4000, ring: 2, queue_frames: 1 },
        ],
        people: vec![1, 1, 1, 1, 1],
        rushed: false,
        scenes: vec![vec![
            Come { person: 0, node: 0 },
            Sleep { node: 0, shard: 1 },
            Publish { partition: 2, malls: 5, many: 7, holes: 0 },
            Come { person: 0, node: 0 },
        ]],
    });
}

/// The other node was faster: what it gave is not given again, and no place goes back.
#[test]
fn who_comes_from_a_faster_node_keeps_its_place() {
    holds(&Plan {
        nodes: [
            Make { memory_bytes: 4000, ring: 2, queue_frames: 2 },
            Make { memory_bytes: 20000, ring: 2, queue_frames: 8 },
        ],
        people: vec![1, 1, 1, 1, 1],
        rushed: false,
        scenes: vec![
            vec![
                Publish { partition: 0, malls: 1, many: 1, holes: 0 },
                Publish { partition: 2, malls: 4, many: 6, holes: 2 },
                Follow { node: 1, partition: 2, many: 9 },
                Come { person: 3, node: 1 },
            ],
            vec![Read { person: 3, many: 2 }, Come { person: 3, node: 0 }],
        ],
    });
}
