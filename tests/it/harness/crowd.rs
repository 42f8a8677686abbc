//! Listeners of all malls who wander over the servers while events come, and whether each has heard exactly its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use super::{Accounts, Kafka, Publisher, Server, Story, Wanderer, accounts::token, transport::noted, until};

const MALLS: [u64; 8] = [1001, 1002, 1003, 10, 100, 1, 7, 77];

/// Whether an audience of [`audiences`] concerns an operator of this mall: everyone, or the mall is among the terms.
pub fn concerns(mall: u64) -> impl Fn(&str) -> bool + Send + Sync + Clone + 'static {
    let own = format!("mall:{mall}");
    move |audience: &str| audience.split(',').any(|term| term == "everyone" || term == own)
}

/// Of event i: every mall, everyone, and unions of two malls, in turn; with the key that a domain service would choose.
pub fn audience(i: u64) -> (String, String) {
    let mall = |i: u64| MALLS[usize::try_from(i % 8).unwrap()];
    match i % 10 {
        8 => ("everyone".into(), format!("mall:{}", mall(i / 10))),
        9 => (format!("mall:{},mall:{}", mall(i / 10), mall(i / 10 + 3)), format!("mall:{}", mall(i / 10))),
        _ => (format!("mall:{}", mall(i)), format!("mall:{}", mall(i))),
    }
}

pub struct Crowd {
    wanderers: JoinSet<(u64, Story)>,
    done: watch::Sender<bool>,
    publisher: Arc<Publisher>,
}

/// Lets `count` listeners of all malls wander over the servers.
pub fn crowd(count: u64, cut_within: u64, servers: &[SocketAddr], publisher: &Arc<Publisher>) -> Crowd {
    noted();
    let (done, watching) = watch::channel(false);
    let mut wanderers = JoinSet::new();
    for i in 0..count {
        let mall = MALLS[usize::try_from(i % 8).unwrap()];
        let wanderer = Wanderer { token: token(70_000 + i, &[mall], None, false), seed: i, cut_within };
        let (servers, watching, publisher) = (servers.to_vec(), watching.clone(), Arc::clone(publisher));
        wanderers.spawn(async move {
            let mine = concerns(mall);
            let enough = move |story: &Story| story.has_all(&publisher.sent(), &mine);
            (mall, wanderer.wander(servers, watching, Arc::new(enough)).await)
        });
    }
    Crowd { wanderers, done, publisher: Arc::clone(publisher) }
}

impl Crowd {
    /// Tells everybody that publishing is over, and checks every story.
    pub async fn check(mut self) -> (usize, u64) {
        self.done.send_replace(true);
        let sent = self.publisher.sent();
        let (mut heard, mut connects) = (0, 0);
        while let Some(ended) = self.wanderers.join_next().await {
            let (mall, story) = ended.expect("nobody gave up");
            story.check(&sent, concerns(mall));
            heard += story.heard.len();
            connects += story.connects;
        }
        (heard, connects)
    }
}

/// Twenty ends by this signal, each with this exit code, while events come: nobody misses or repeats anything.
pub async fn restarted_under_load(signal: &str, exit_code: Option<i32>, env: &[(&str, &str)]) {
    let (kafka, accounts) = (Kafka::start().await, Accounts::start().await);
    let mut server = Server::start(&kafka, &accounts, env).await;
    let publisher = Arc::new(Publisher::new(kafka.address));
    let crowd = crowd(50, 0, &[server.address], &publisher);
    until("everybody came", async || server.metric("allim_streams").await >= 50.0).await;
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    for i in 0..1050 {
        pace.tick().await;
        let (audience, key) = audience(i);
        publisher.tell(&audience, &key, &format!("event {i}")).await;
        if i % 50 == 49 && i < 1000 {
            server.signal(signal);
            // Who is killed has none.
            assert_eq!(server.ended().await.code(), exit_code, "{}", server.log());
            server = server.again().await;
        }
    }
    let (heard, connects) = crowd.check().await;
    assert!(heard > 5_000 && connects >= 500, "{heard} heard, {connects} connects");
}
