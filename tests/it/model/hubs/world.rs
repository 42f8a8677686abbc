//! A world in this process: real hubs, shards, queues and sessions of two nodes, and people who read from the queues.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use allim::{
    deliver::{Arrival, Asked, Goodbye, QueueBody, queue, sse::SSE},
    hub::{Command, ListenerId, ShardHandle},
    notification::{AdminNo, MallNo, Viewer},
};
use http_body_util::BodyExt;

use super::{
    super::{
        check::Patience,
        looked::Looked,
        plan::{MALLS, Malls, PARTITIONS, Plan, Step, numbers},
        reference::{Log, Reference},
    },
    node::{HEARTBEAT, Node},
};
use crate::harness::sse::parse;

struct Stream {
    node: usize,
    id: ListenerId,
    shard: ShardHandle,
    body: QueueBody,
    text: Vec<u8>,
    /// The newest rights that its shard has been told of and has taken up.
    in_force: Arc<AtomicUsize>,
}

struct Person {
    reference: Reference,
    stream: Option<Stream>,
    /// What its next token is good for, after a revocation.
    next: Malls,
    last_node: Option<usize>,
}

pub struct World<'a> {
    plan: &'a Plan,
    log: Arc<Mutex<Log>>,
    nodes: [Node; 2],
    people: Vec<Person>,
    looked: &'a mut Looked,
    patience: Patience,
}

fn viewer(admin: u64, malls: Malls) -> Arc<Viewer> {
    let malls = numbers(malls).into_iter().map(|mall| MallNo::new(mall).unwrap());
    Arc::new(Viewer::new(AdminNo::new(admin).unwrap(), malls, None))
}

impl Person {
    fn connect(&mut self, at: usize, node: &Node) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let admin = NEXT.fetch_add(1, Ordering::Relaxed);
        let (id, shard) = node.streams.place();
        let gone = shard.clone();
        let settings = node.streams.settings();
        let (outlet, body, progress) = queue(settings.queue_frames, settings.queue_bytes, move || {
            let _ = gone.tell(Command::Gone(id));
        });
        let arrival = Arrival {
            id,
            viewer: viewer(admin, self.reference.malls()),
            lang: None,
            coat: &SSE,
            outlet: Box::new(outlet),
            asked: self.reference.cursor().map_or(Asked::Newcomer, |cursor| Asked::At(cursor.clone())),
            guard: Box::new(()),
        };
        node.streams.open(arrival, &shard, progress).expect("the shard is not overloaded");
        self.reference.connects(admin, self.reference.newest());
        let in_force = Arc::new(AtomicUsize::new(self.reference.newest()));
        self.stream = Some(Stream { node: at, id, shard, body, text: Vec::new(), in_force });
        self.last_node = Some(at);
    }

    /// Reads one piece, if there is one within `patience`; whether there was.
    async fn read(&mut self, nodes: &[Node; 2], patience: Duration) -> Result<bool, String> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        let Ok(piece) = tokio::time::timeout(patience, stream.body.frame()).await else { return Ok(false) };
        let Some(Ok(piece)) = piece else {
            self.stream = None;
            return match self.reference.bye.as_deref() {
                Some("revoked") if self.reference.malls() == 0 => Ok(true),
                bye => Err(format!("the stream ended with the goodbye {bye:?}")),
            };
        };
        stream.text.extend_from_slice(&piece.into_data().expect("data"));
        let beginning = nodes[stream.node].beginning();
        while let Some(end) = stream.text.windows(2).position(|w| w == b"\n\n") {
            let block: Vec<u8> = stream.text.drain(..end + 2).collect();
            if let Some(event) = parse(&block[..=end]) {
                self.reference.note(&event, &beginning)?;
            }
        }
        Ok(true)
    }

    /// Tells the stream of the rights that have just been given, and notes when its shard has taken them up.
    async fn tell(&self, number: usize, node: &Node) {
        let Some(Stream { id, shard, in_force, .. }) = &self.stream else { return };
        match self.reference.malls() {
            0 => node.streams.end(*id, shard, Goodbye::Revoked).await,
            malls => node.streams.rights(*id, shard, viewer(self.reference.admin(), malls)).await,
        }
        let in_force = Arc::clone(in_force);
        let _ = shard.tell(Command::Run(Box::new(move |_| {
            in_force.fetch_max(number, Ordering::SeqCst);
        })));
    }
}

impl World<'_> {
    /// Plays a plan to its end.
    pub async fn play(plan: &Plan, looked: &mut Looked, patience: Patience) -> Result<(), String> {
        let log = Arc::new(Mutex::new(Log::default()));
        let nodes = [0, 1].map(|n: usize| Node::start(&log, &plan.nodes[n], 0));
        let person = |&malls: &Malls| Person {
            reference: Reference::new(&log, malls),
            stream: None,
            next: malls,
            last_node: None,
        };
        let people = plan.people.iter().map(person).collect();
        let mut world = World { plan, log, nodes, people, looked, patience };
        for step in plan.steps() {
            world.step(step).await?;
            if !plan.rushed {
                world.nodes[0].settle().await;
                world.nodes[1].settle().await;
            }
        }
        world.end().await
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Publish { partition, malls, many, holes } => self.publish(partition, malls, many, holes),
            Step::Follow { node, partition, many } => self.follow(node, partition, many),
            Step::Come { person, node } => self.come(person, node),
            Step::Cut { person } => {
                let cut = self.people[person].stream.take().is_some();
                self.looked.times("cut", cut.into());
            }
            Step::Read { person, many } => {
                for _ in 0..many {
                    if !self.people[person].read(&self.nodes, self.patience.piece).await? {
                        break;
                    }
                }
            }
            Step::Rights { person, malls } => self.rights(person, malls).await,
            Step::Revoke { person } => self.rights(person, 0).await,
            Step::Sleep { node, shard } => {
                let slept = self.nodes[node].sleep(shard);
                self.looked.times("shard asleep", slept.into());
            }
            Step::Wake { node } => self.nodes[node].wake(),
            Step::Settle { node } => self.nodes[node].settle().await,
            Step::Pause { node } => {
                self.looked.times("pause", self.nodes[node].is_live().into());
                self.nodes[node].pause();
            }
            Step::GoOn { node } => self.nodes[node].go_on(),
            Step::Restart { node, remembers, .. } => self.restart(node, remembers),
            Step::Away { .. } => {}
        }
        Ok(())
    }

    fn publish(&mut self, partition: usize, malls: Malls, many: usize, holes: u64) {
        let mut log = self.log.lock().unwrap();
        for _ in 0..many {
            let offset = log.ends().get(partition) + holes;
            log.add(format!("{partition}/{offset}"), (partition, offset), malls);
        }
        self.looked.times("publish", many as u64);
    }

    fn follow(&mut self, node: usize, partition: usize, many: usize) {
        for _ in 0..many {
            // Taken before: what is in force then is in force for the record.
            let in_force: Vec<usize> = self.people.iter().map(|person| person.in_force(node)).collect();
            let Some(offset) = self.nodes[node].follow(partition) else { return };
            for (person, in_force) in self.people.iter_mut().zip(in_force) {
                person.reference.announced((partition, offset), in_force);
            }
        }
    }

    fn come(&mut self, person: usize, node: usize) {
        let Person { reference, stream, next, last_node } = &mut self.people[person];
        *stream = None;
        if reference.malls() == 0 {
            reference.may_see(*next);
        }
        self.looked.times("hop", last_node.is_some_and(|last| last != node).into());
        self.people[person].connect(node, &self.nodes[node]);
    }

    async fn rights(&mut self, person: usize, malls: Malls) {
        let Person { reference, stream, next, .. } = &mut self.people[person];
        // A token that has ended gets no other rights; whoever comes again has a new one.
        if malls != 0 {
            *next = malls;
        }
        if reference.malls() == 0 {
            return;
        }
        let number = reference.may_see(malls);
        let Some(node) = stream.as_ref().map(|stream| stream.node) else { return };
        self.looked.at(if malls == 0 { "revoke" } else { "rights" });
        self.people[person].tell(number, &self.nodes[node]).await;
    }

    fn restart(&mut self, node: usize, remembers: u64) {
        self.end_of(node);
        for person in &mut self.people {
            person.stream.take_if(|stream| stream.node == node);
        }
        self.nodes[node] = Node::start(&self.log, &self.plan.nodes[node], remembers);
        self.looked.at("restart");
    }

    fn end_of(&mut self, node: usize) {
        let metrics = &self.nodes[node].metrics;
        self.looked.times("shard lagged", metrics.sink_lagged.get());
        self.looked.times("slow reader", metrics.detours.get());
    }

    /// Everybody who is there reads to the end, who is not comes back; and then what the last rights allow, exactly.
    async fn end(mut self) -> Result<(), String> {
        self.nodes.iter_mut().for_each(Node::wake);
        self.quiet_moment().await?;
        self.nodes.iter_mut().for_each(Node::go_on);
        self.everybody_reads().await?;
        for partition in 0..PARTITIONS {
            (1..1 << MALLS.len()).for_each(|malls| self.publish(partition, malls, 1, 0));
        }
        self.everybody_reads().await?;
        for person in &self.people {
            self.looked.times("heard", person.reference.heard as u64);
            self.looked.times("true gaps", person.reference.gaps as u64);
        }
        (0..2).for_each(|node| self.end_of(node));
        Ok(())
    }

    /// Nothing happens for so long that everybody's beat falls into it, while one node is still ahead of the other.
    async fn quiet_moment(&mut self) -> Result<(), String> {
        for i in 0..self.people.len() {
            if self.people[i].stream.is_none() {
                self.come(i, i % 2);
            }
            while self.people[i].read(&self.nodes, Duration::from_millis(2)).await? {}
        }
        tokio::time::sleep(HEARTBEAT * 3 / 2).await;
        for person in &mut self.people {
            while person.read(&self.nodes, Duration::from_millis(1)).await? {}
        }
        Ok(())
    }

    async fn everybody_reads(&mut self) -> Result<(), String> {
        for node in 0..2 {
            (0..PARTITIONS).for_each(|partition| self.follow(node, partition, usize::MAX));
        }
        for i in 0..self.people.len() {
            let give_up = Instant::now() + self.patience.end;
            loop {
                if self.people[i].stream.is_none() {
                    self.come(i, i % 2);
                }
                let person = &mut self.people[i];
                while person.read(&self.nodes, Duration::from_millis(2)).await? {}
                if person.is_done() {
                    break;
                }
                if Instant::now() > give_up {
                    let (cursor, told) = (person.reference.cursor(), person.reference.is_told());
                    return Err(format!("somebody stays behind at {cursor:?}; told of the last rights: {told}"));
                }
            }
        }
        Ok(())
    }
}

impl Person {
    /// The newest rights that its stream on this node has for certain.
    fn in_force(&self, node: usize) -> usize {
        let here = self.stream.as_ref().filter(|stream| stream.node == node);
        here.map_or(0, |stream| stream.in_force.load(Ordering::SeqCst))
    }

    fn is_done(&self) -> bool {
        let Some(Stream { node, .. }) = &self.stream else { return false };
        let reference = &self.reference;
        let has_its_rights = reference.malls() != 0 && self.in_force(*node) == reference.newest();
        has_its_rights && reference.is_told() && reference.has_passed_everything()
    }
}
