//! A world of processes: two servers, a broker, the account service, and people with sockets. Rights change by signals.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use allim::notification::Vector;
use futures::future::join_all;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::{
    check::Patience,
    looked::Looked,
    plan::{MALLS, Malls, PARTITIONS, Plan, Step, numbers},
    reference::{Log, Reference},
};
use crate::harness::{
    Accounts, Kafka, Publisher, Server,
    accounts::{answer, token},
    sse::Stream,
    topics,
    transport::{Line, Transport},
    until,
};

/// Bytes of a text: some of them fill what the system keeps for somebody who does not read.
const TEXT: usize = 3_000;

struct Open {
    node: usize,
    /// Which of the processes that were this node.
    process: u64,
    line: Line,
}

struct Person {
    over: Transport,
    reference: Reference,
    open: Option<Open>,
    admin: u64,
    token: String,
    next: Malls,
    last_node: Option<usize>,
    /// The number of the oldest rights that each node may still go by: signals reach one node before the other.
    known: [usize; 2],
    /// The node that has said of the token that it is revoked.
    revoked_at: Option<usize>,
    /// Streams that were ended because their token was.
    ended: u64,
}

struct Node {
    server: Option<Server>,
    process: u64,
    paused: bool,
}

impl Node {
    fn server(&self) -> &Server {
        self.server.as_ref().expect("a node is a server but while it starts again")
    }
}

pub struct World<'a> {
    kafka: Kafka,
    accounts: Accounts,
    nodes: [Node; 2],
    publisher: Publisher,
    published: u64,
    log: Arc<Mutex<Log>>,
    people: Vec<Person>,
    looked: &'a mut Looked,
    patience: Patience,
}

impl Person {
    fn new(number: u64, malls: Malls, log: &Arc<Mutex<Log>>) -> Person {
        let admin = (number + 1) * 1_000;
        Person {
            // One shard has both.
            over: if number.is_multiple_of(2) { Transport::Sse } else { Transport::WebSocket },
            reference: Reference::new(log, malls),
            open: None,
            admin,
            token: token(admin, &numbers(malls), None, false),
            next: malls,
            last_node: None,
            known: [0; 2],
            revoked_at: None,
            ended: 0,
        }
    }

    async fn get(&self, server: &Server) -> io::Result<Line> {
        let place = self.reference.cursor().map(ToString::to_string);
        Line::open(self.over, server.address, &self.token, place.as_deref()).await
    }

    /// Of a GET with its token.
    async fn status(&self, server: &Server) -> Option<u16> {
        let bearer = format!("Bearer {}", self.token);
        let stream = Stream::get(server.address, "/notifications", &[("Authorization", &bearer)]).await;
        stream.ok().map(|stream| stream.status)
    }

    /// Reads one event, if there is one within `patience`; whether anything came.
    async fn read(&mut self, nodes: &[Node; 2], patience: Duration) -> Result<bool, String> {
        let Some(Open { node, process, line }) = &mut self.open else { return Ok(false) };
        let Ok(event) = tokio::time::timeout(patience, line.next()).await else { return Ok(false) };
        if let Ok(Some(event)) = event {
            self.reference.note(&event, &Vector::default())?;
            self.known[*node] = self.reference.known();
            return Ok(true);
        }
        let (node, ended_with_it) = (*node, *process != nodes[*node].process);
        self.open = None;
        match self.reference.bye.as_deref() {
            Some("revoked") if self.reference.malls() == 0 => {
                self.revoked_at = Some(node);
                self.ended += 1;
            }
            // Asked too much at once: it comes back.
            Some("accounts") => {}
            Some("restart") | None if ended_with_it => {}
            bye => return Err(format!("the stream ended with the goodbye {bye:?}")),
        }
        Ok(true)
    }
}

impl World<'_> {
    /// Plays a plan to its end.
    pub async fn play(plan: &Plan, looked: &mut Looked, patience: Patience) -> Result<(), String> {
        let (kafka, accounts) = (Kafka::alone(3).await, Accounts::start().await);
        topics::create(kafka.address.signals(), 2, 1).await;
        // Little fits anywhere, and only signals bring news of rights.
        let env = [
            ("ALLIM_DELIVER_QUEUE_FRAMES", "4"),
            ("ALLIM_DELIVER_QUEUE_BYTES", "8192"),
            ("ALLIM_HTTP_SEND_BUFFER_BYTES", "8192"),
            ("ALLIM_DELIVER_HEARTBEAT_SECONDS", "1"),
            ("ALLIM_DELIVER_DRAIN_WINDOW_SECONDS", "0"),
            ("ALLIM_HTTP_RECHECK_SECONDS", "3600"),
            ("ALLIM_HTTP_NEW_STREAMS_PER_OPERATOR", "100000"),
            ("ALLIM_HUB_SHARDS", "2"),
            ("ALLIM_HUB_RING", "8"),
            // Memory for some hundred records: who was away for long comes back through the timeline, without a gap.
            ("ALLIM_HUB_MEMORY_BYTES", "524288"),
        ];
        let start = async || Server::start(&kafka, &accounts, &env).await;
        let (one, two) = tokio::join!(start(), start());
        for server in [&one, &two] {
            until("signals are heard", async || server.metric("allim_signals_live").await == 1.0).await;
        }
        let nodes = [one, two].map(|server| Node { server: Some(server), process: 0, paused: false });
        let log = Arc::new(Mutex::new(Log::default()));
        let people = (0..).zip(&plan.people).map(|(number, &malls)| Person::new(number, malls, &log)).collect();
        let publisher = Publisher::new(kafka.address);
        let mut world = World { kafka, accounts, nodes, publisher, published: 0, log, people, looked, patience };
        for step in plan.steps() {
            world.step(step).await?;
        }
        world.end().await
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Publish { partition, malls, many, .. } => self.publish(partition, malls, many).await,
            Step::Come { person, node } => self.come(person, node).await?,
            Step::Cut { person } => {
                let cut = self.people[person].open.take().is_some();
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
            Step::Pause { node } => {
                if !std::mem::replace(&mut self.nodes[node].paused, true) {
                    self.nodes[node].server().signal("STOP");
                    self.looked.at("node paused");
                }
            }
            Step::GoOn { node } => self.go_on(node),
            Step::Restart { node, kill, .. } => self.restart(node, kill).await,
            Step::Away { frozen } => self.broker_pauses(frozen).await?,
            Step::Follow { .. } | Step::Sleep { .. } | Step::Wake { .. } | Step::Settle { .. } => {}
        }
        Ok(())
    }

    async fn publish(&mut self, partition: usize, malls: Malls, many: usize) {
        let audience: Vec<String> = numbers(malls).iter().map(|mall| format!("mall:{mall}")).collect();
        let (audience, key) = (audience.join(","), format!("partition {partition}"));
        let titles = (0..many).map(|i| format!("event {}", self.published + i as u64));
        let telling = titles.map(|title| {
            let (publisher, audience, key) = (&self.publisher, &audience, &key);
            async move { publisher.tell_padded(audience, key, &title, TEXT).await }
        });
        let sent = join_all(telling).await;
        let mut log = self.log.lock().unwrap();
        sent.into_iter().for_each(|sent| log.add(sent.title, (sent.partition, sent.offset), malls));
        self.published += many as u64;
        self.looked.times("publish", many as u64);
    }

    async fn come(&mut self, person: usize, node: usize) -> Result<(), String> {
        let Node { process, paused: false, .. } = self.nodes[node] else { return Ok(()) };
        self.hears_of_its_end(person).await?;
        let (server, person) = (self.nodes[node].server(), &mut self.people[person]);
        person.open = None;
        if person.reference.malls() == 0 {
            if person.revoked_at.take() == Some(node) {
                let status = person.status(server).await;
                if status != Some(401) {
                    return Err(format!("a revoked token is answered {status:?} by the node that ended its stream"));
                }
                self.looked.at("revoked token tried");
            }
            person.admin += 1;
            person.token = token(person.admin, &numbers(person.next), None, false);
            // No node has older rights of a token that is new to everybody.
            person.known = [person.reference.may_see(person.next); 2];
        }
        let line = match person.get(server).await {
            Ok(line) => line,
            Err(error) if error.kind() == io::ErrorKind::Other => return Err(format!("{error} to a good token")),
            Err(_) => return Ok(()),
        };
        person.reference.connects(person.admin, person.known[node]);
        person.open = Some(Open { node, process, line });
        self.looked.times("hop", person.last_node.replace(node).is_some_and(|last| last != node).into());
        Ok(())
    }

    /// Whoever is logged out stays until the stream has ended, by itself; and nothing comes after its end.
    async fn hears_of_its_end(&mut self, person: usize) -> Result<(), String> {
        let person = &mut self.people[person];
        let give_up = Instant::now() + self.patience.end;
        while let Some(open) = person.open.as_ref().filter(|_| person.reference.malls() == 0) {
            if self.nodes[open.node].paused {
                return Ok(());
            }
            if Instant::now() > give_up {
                return Err("a stream goes on after its token was revoked".into());
            }
            person.read(&self.nodes, Duration::from_millis(20)).await?;
        }
        Ok(())
    }

    /// The account service knows first, then everybody is told.
    async fn rights(&mut self, person: usize, malls: Malls) {
        let Person { reference, token, admin, next, .. } = &mut self.people[person];
        if malls != 0 {
            *next = malls;
        }
        if reference.malls() == 0 {
            return;
        }
        reference.may_see(malls);
        let signal = if malls == 0 {
            self.accounts.change(token, None);
            let hash: String = Sha256::digest(&*token).iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"type": "token.revoked", "adminNo": admin, "tokenSha256": hash})
        } else {
            self.accounts.change(token, Some(answer(*admin, &numbers(malls), None, false)));
            json!({"type": "admin.changed", "adminNo": admin})
        };
        self.publisher.signal(&signal).await;
        self.looked.at(if malls == 0 { "revoke" } else { "rights" });
    }

    fn go_on(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].paused) {
            self.nodes[node].server().signal("CONT");
        }
    }

    async fn restart(&mut self, node: usize, kill: bool) {
        self.go_on(node);
        self.end_of(node).await;
        let this = &mut self.nodes[node];
        let mut server = this.server.take().expect("it runs");
        this.process += 1;
        server.signal(if kill { "KILL" } else { "TERM" });
        server.ended().await;
        this.server = Some(server.again().await);
        self.looked.at("node restarted");
        self.looked.at(if kill { "killed" } else { "told to end" });
    }

    /// Nobody reaches the log, and everybody finds out; then everything goes on.
    async fn broker_pauses(&mut self, frozen: bool) -> Result<(), String> {
        if frozen {
            self.kafka.freeze();
        } else {
            self.kafka.go_away().await;
        }
        for person in &mut self.people {
            person.read(&self.nodes, Duration::from_millis(50)).await?;
        }
        if frozen {
            self.kafka.thaw();
        } else {
            self.kafka.come_back().await;
        }
        self.looked.at("broker paused");
        self.looked.at(if frozen { "broker frozen" } else { "broker away" });
        Ok(())
    }

    async fn end_of(&mut self, node: usize) {
        let server = self.nodes[node].server();
        self.looked.times("slow reader", server.metric("allim_detours_total").await as u64);
        self.looked.times("shard lagged", server.metric("allim_sink_lagged_total").await as u64);
    }

    /// Everybody who is there reads to the end, who is not comes back; and then what the last rights allow, exactly.
    async fn end(mut self) -> Result<(), String> {
        (0..2).for_each(|node| self.go_on(node));
        self.everybody_reads().await?;
        for malls in 1..1 << MALLS.len() {
            self.publish(usize::from(malls) % PARTITIONS, malls, 1).await;
        }
        self.everybody_reads().await?;
        for person in &self.people {
            self.looked.times("heard", person.reference.heard as u64);
            self.looked.times("end heard", person.ended);
        }
        for node in 0..2 {
            self.end_of(node).await;
        }
        Ok(())
    }

    async fn everybody_reads(&mut self) -> Result<(), String> {
        for i in 0..self.people.len() {
            let give_up = Instant::now() + self.patience.end;
            loop {
                if self.people[i].open.is_none() {
                    self.come(i, i % 2).await?;
                }
                let person = &mut self.people[i];
                while person.read(&self.nodes, Duration::from_millis(20)).await? {}
                let reference = &person.reference;
                let has_its_rights = reference.malls() != 0 && reference.is_told();
                if person.open.is_some() && has_its_rights && reference.has_passed_everything() {
                    break;
                }
                if Instant::now() > give_up {
                    let (cursor, told) = (reference.cursor(), reference.is_told());
                    let mut log: Vec<String> = self.nodes.iter().map(|node| node.server().log()).collect();
                    for node in &self.nodes {
                        log.push(node.server().get("/metrics").await.1);
                    }
                    return Err(format!("somebody stays behind at {cursor:?}; told: {told}; {}", log.join("\n")));
                }
            }
        }
        Ok(())
    }
}
