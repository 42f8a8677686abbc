//! What happens in a world, as data: scenes of steps, so that a failing plan can be cut down to the few that matter.

use std::fmt;

use proptest::{collection::vec, prelude::*};

pub const PARTITIONS: usize = 3;
/// Numbers that are prefixes of one another, on purpose.
pub const MALLS: [u64; 3] = [1, 10, 100];

/// Some of [`MALLS`], a bit each: whom a record is for, or what somebody may see.
pub type Malls = u8;

pub fn numbers(malls: Malls) -> Vec<u64> {
    MALLS.into_iter().enumerate().filter(|(bit, _)| malls & (1 << bit) != 0).map(|(_, mall)| mall).collect()
}

/// What a node of a world without processes is made of; small, so that everything runs full.
#[derive(Debug, Clone)]
pub struct Make {
    pub memory_bytes: u64,
    pub ring: usize,
    pub queue_frames: usize,
}

#[derive(Debug, Clone)]
pub enum Step {
    /// So many records for these malls; with holes between their offsets where the log can have any.
    Publish {
        partition: usize,
        malls: Malls,
        many: usize,
        holes: u64,
    },
    /// A node reads on in one partition.
    Follow {
        node: usize,
        partition: usize,
        many: usize,
    },
    /// Somebody comes; who is connected is cut, and hops.
    Come {
        person: usize,
        node: usize,
    },
    Cut {
        person: usize,
    },
    /// Who does so rarely reads slowly.
    Read {
        person: usize,
        many: usize,
    },
    /// From now on these malls and no others.
    Rights {
        person: usize,
        malls: Malls,
    },
    /// The token ends; whoever comes again comes with a new one.
    Revoke {
        person: usize,
    },
    /// One of a node's shards does nothing until it is woken.
    Sleep {
        node: usize,
        shard: usize,
    },
    Wake {
        node: usize,
    },
    /// Everything asked of a node's shards so far is done.
    Settle {
        node: usize,
    },
    /// A node hears nothing of the log, and knows it; a process stands still.
    Pause {
        node: usize,
    },
    GoOn {
        node: usize,
    },
    /// A node dies (killed, or told to end) and comes back, remembering so many records of each partition.
    Restart {
        node: usize,
        kill: bool,
        remembers: u64,
    },
    /// The broker goes away, or answers nothing for a while, and comes back with all it had.
    Away {
        frozen: bool,
    },
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub nodes: [Make; 2],
    /// What each of them may see at first.
    pub people: Vec<Malls>,
    /// Nothing waits for what was asked before. Else a world plays the same each time, as far as threads allow.
    pub rushed: bool,
    pub scenes: Vec<Vec<Step>>,
}

/// As it is written in a test that keeps it: with the names of [`Step`] in scope.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Plan {{\n    nodes: {:?},\n    people: vec!{:?},", self.nodes, self.people)?;
        writeln!(f, "    rushed: {},\n    scenes: vec![", self.rushed)?;
        for scene in self.scenes.iter().filter(|scene| !scene.is_empty()) {
            writeln!(f, "        vec![")?;
            scene.iter().try_for_each(|step| writeln!(f, "            {step:?},"))?;
            writeln!(f, "        ],")?;
        }
        write!(f, "    ],\n}}")
    }
}

impl Plan {
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.scenes.iter().flatten()
    }
}

fn malls() -> impl Strategy<Value = Malls> {
    1..8_u8
}

const PEOPLE: usize = 5;

fn publish(most: usize) -> impl Strategy<Value = Step> {
    let holes = prop_oneof![3 => Just(0), 1 => 1..4_u64];
    (0..PARTITIONS, malls(), 1..=most, holes).prop_map(|(partition, malls, many, holes)| Step::Publish {
        partition,
        malls,
        many,
        holes,
    })
}

fn comes() -> impl Strategy<Value = Step> {
    (0..PEOPLE, 0..2_usize).prop_map(|(person, node)| Step::Come { person, node })
}

fn reads(most: usize) -> impl Strategy<Value = Step> {
    (0..PEOPLE, 1..=most).prop_map(|(person, many)| Step::Read { person, many })
}

fn cut() -> impl Strategy<Value = Step> {
    (0..PEOPLE).prop_map(|person| Step::Cut { person })
}

fn rights() -> impl Strategy<Value = Step> {
    (0..PEOPLE, malls()).prop_map(|(person, malls)| Step::Rights { person, malls })
}

fn revoke() -> impl Strategy<Value = Step> {
    (0..PEOPLE).prop_map(|person| Step::Revoke { person })
}

fn restart() -> impl Strategy<Value = Step> {
    (0..2_usize, any::<bool>(), 0..30_u64).prop_map(|(node, kill, remembers)| Step::Restart { node, kill, remembers })
}

fn make() -> impl Strategy<Value = Make> {
    let memory = prop_oneof![Just(4_000_u64), Just(20_000), Just(1_000_000)];
    let (ring, queue) = (prop_oneof![Just(2_usize), Just(4), Just(16)], prop_oneof![Just(1_usize), Just(2), Just(8)]);
    (memory, ring, queue).prop_map(|(memory_bytes, ring, queue_frames)| Make { memory_bytes, ring, queue_frames })
}

fn plan(step: impl Strategy<Value = Step>, scenes: usize, steps: usize) -> impl Strategy<Value = Plan> {
    let people = vec(malls(), PEOPLE);
    let scenes = vec(vec(step, 0..=steps), 0..=scenes);
    ([make(), make()], people, any::<bool>(), scenes).prop_map(|(nodes, people, rushed, scenes)| Plan {
        nodes,
        people,
        rushed,
        scenes,
    })
}

/// Plans for hubs in this process: every interleaving is cheap, so they are many and short.
pub fn over_hubs() -> impl Strategy<Value = Plan> {
    let node = || 0..2_usize;
    let step = prop_oneof![
        24 => publish(12),
        30 => (node(), 0..PARTITIONS, 1..=12_usize).prop_map(|(node, partition, many)| Step::Follow { node, partition, many }),
        16 => comes(),
        28 => reads(3),
        5 => cut(),
        6 => rights(),
        4 => revoke(),
        5 => (node(), 0..2_usize).prop_map(|(node, shard)| Step::Sleep { node, shard }),
        6 => node().prop_map(|node| Step::Wake { node }),
        8 => node().prop_map(|node| Step::Settle { node }),
        2 => node().prop_map(|node| Step::Pause { node }),
        3 => node().prop_map(|node| Step::GoOn { node }),
        2 => restart(),
    ];
    plan(step, 20, 20)
}

/// Plans for two processes and a broker: each world costs seconds, so they are few, long and dense.
pub fn over_servers() -> impl Strategy<Value = Plan> {
    let node = || 0..2_usize;
    let step = prop_oneof![
        20 => publish(30),
        16 => comes(),
        30 => reads(20),
        8 => cut(),
        6 => rights(),
        4 => revoke(),
        3 => node().prop_map(|node| Step::Pause { node }),
        4 => node().prop_map(|node| Step::GoOn { node }),
        2 => restart(),
        2 => any::<bool>().prop_map(|frozen| Step::Away { frozen }),
    ];
    plan(step, 16, 25)
}
