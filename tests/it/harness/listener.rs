//! People who listen: one stream at a time, or a wanderer who is cut, hops between nodes, and always comes back.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    PATIENCE,
    checker::Story,
    sse::Event,
    transport::{Line, chosen, noted},
};

/// One open stream.
pub struct Listener {
    pub line: Line,
    pub story: Story,
}

impl Listener {
    pub async fn open(address: SocketAddr, token: &str, position: Option<&str>) -> Listener {
        let story = Story { position: position.map(str::to_owned), ..Story::default() };
        Listener::resume(address, token, story).await.expect("the stream opens")
    }

    /// Goes on with a story, as a browser does.
    pub async fn resume(address: SocketAddr, token: &str, mut story: Story) -> io::Result<Listener> {
        story.live = None;
        noted();
        let line = Line::open(chosen(), address, token, story.position.as_deref()).await?;
        Ok(Listener { line, story })
    }

    /// The next event, noted in the story.
    pub async fn next(&mut self) -> Option<Event> {
        let event = tokio::time::timeout(PATIENCE, self.line.next()).await.expect("an event in time").ok().flatten()?;
        self.story.note(&event);
        Some(event)
    }

    /// Reads until an event of this name; beats alone do not make it wait for ever.
    pub async fn event(&mut self, name: &str) -> Event {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}: {:?}", self.story));
            if event.name == name {
                return event;
            }
            assert!(tokio::time::Instant::now() < give_up, "no {name} came: {}", self.story.summary());
        }
    }

    /// Reads whatever comes for so long; the stream stays.
    pub async fn stays_for(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.line.next()).await {
            self.story.note(&event.expect("it stays").expect("it stays"));
        }
    }

    /// Reads until it is live, which it may be already.
    pub async fn live(&mut self) -> &mut Listener {
        while self.story.live != Some(true) {
            self.event("status").await;
        }
        self
    }

    /// Reads until the notification with this title.
    pub async fn hears(&mut self, title: &str) -> serde_json::Value {
        loop {
            let notification = self.event("message").await.json();
            if notification["title"] == title {
                return notification;
            }
        }
    }

    /// Cuts the connection; the story goes on elsewhere.
    pub fn cut(self) -> Story {
        self.story
    }
}

/// Somebody whose connection is cut at random, and who comes back to any of the servers until told to stop.
pub struct Wanderer {
    pub token: String,
    pub seed: u64,
    /// A cut after so many events at most; 0: never by itself.
    pub cut_within: u64,
}

impl Wanderer {
    /// Wanders until `done` is true, then listens until the story is complete as `enough` sees it.
    pub async fn wander(
        self,
        servers: Vec<SocketAddr>,
        done: watch::Receiver<bool>,
        enough: Arc<dyn Fn(&Story) -> bool + Send + Sync>,
    ) -> Story {
        let mut dice = fastrand::Rng::with_seed(self.seed);
        let mut story = Story::default();
        let mut give_up = None;
        // Also within a stream that stays open: who waits there for what never comes would wait for ever.
        let mut patience = |story: &Story, done: bool| {
            let now = tokio::time::Instant::now();
            let end = done.then(|| *give_up.get_or_insert(now + PATIENCE * 2));
            assert!(end.is_none_or(|end| now < end), "never complete: {}", story.summary());
        };
        loop {
            patience(&story, *done.borrow());
            let address = servers[dice.usize(..servers.len())];
            let budget = if self.cut_within > 0 && !*done.borrow() { dice.u64(0..=self.cut_within) } else { u64::MAX };
            let opened = tokio::time::timeout(PATIENCE, Listener::resume(address, &self.token, story.clone())).await;
            let Ok(Ok(mut listener)) = opened else {
                tokio::time::sleep(Duration::from_millis(dice.u64(5..50))).await;
                continue;
            };
            story.connects += 1;
            listener.story.connects += 1;
            for _ in 0..budget {
                patience(&listener.story, *done.borrow());
                if *done.borrow() && enough(&listener.story) {
                    return listener.cut();
                }
                match tokio::time::timeout(Duration::from_millis(200), listener.line.next()).await {
                    Ok(Ok(Some(event))) => listener.story.note(&event),
                    Ok(_) => break,
                    Err(_) => {}
                }
            }
            story = listener.cut();
        }
    }
}
