//! Joins the kept way: Kafka's second reader, the recorder, the store, and what the hub has to know of it.

use std::{fs::File, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Database},
    deliver::Streams,
    hub::{Frame, Hub, Kept},
    ingest::Ingest,
    publish::Producer,
    telemetry::Metrics,
    timeline::{self, DeadLetterTopic, Growth, KeptAt, Recorder, Sqlite, Store, Trouble},
};

/// What writes, until it is told to stop.
pub struct Recording {
    stop: CancellationToken,
    writer: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
}

impl Recording {
    /// What is not written by then is read again from Kafka next time.
    pub async fn end(self, within: Duration) {
        self.stop.cancel();
        self.others.iter().for_each(JoinHandle::abort);
        let _ = tokio::time::timeout(within, self.writer).await;
    }
}

/// Opens the store, and keeps other servers out of it for as long as the file is held.
pub fn open(settings: &config::Settings) -> anyhow::Result<Option<(File, Arc<dyn Store>)>> {
    let Database::Sqlite(path) = &settings.database else { return Ok(None) };
    let alone = timeline::lock(path).map_err(|why| anyhow!(why))?;
    let shown = path.display();
    let store = Sqlite::open(path).map_err(|trouble| match trouble {
        Trouble::Damaged(why) => anyhow!(
            "the timeline {shown} is damaged: {why}. Move it away and start again: it is read anew from Kafka, as far \
             back as the topic goes; what was marked is lost with it, and everything counts as read, unless you have a backup"
        ),
        trouble => anyhow!("{trouble}"),
    });
    let store = store.with_context(|| format!("the timeline {shown} cannot be opened"))?;
    Ok(Some((alone, Arc::new(store))))
}

/// Starts to record.
pub fn record(
    settings: &config::Settings,
    store: Arc<dyn Store>,
    hub: &Hub,
    streams: &Streams,
    producer: &Producer,
    metrics: &Metrics,
) -> anyhow::Result<(Ingest, Recording)> {
    // Before anything is read: what is not known to be kept is not forgotten for its age.
    hub.kept(Kept::Unknown);
    let stop = CancellationToken::new();
    let of_the_timeline = settings.timeline.clone();
    let growth = Growth::new(metrics.clone());
    let (recorder, kept, writing) =
        Recorder::new(Arc::clone(&store), of_the_timeline.clone(), metrics.clone(), growth.clone(), stop.clone());
    let keeping = of_the_timeline.retention;
    let reader = Ingest::kept(&settings.ingest, keeping, settings.catalogue.clone(), metrics, Arc::new(recorder))?;
    let letters = DeadLetterTopic::new(store.clone(), producer, settings.ingest.group_id.clone(), growth);
    let letters = tokio::spawn(letters.run(stop.clone()));
    let purging = tokio::spawn(timeline::purge_for_ever(store, of_the_timeline, metrics.clone()));
    let telling = tokio::spawn(tell(kept, hub.clone(), streams.clone()));
    Ok((reader, Recording { stop, writer: tokio::spawn(writing), others: vec![purging, telling, letters] }))
}

/// Memory learns how far the timeline is, and who was told to look into the list later hears when.
async fn tell(mut kept: watch::Receiver<KeptAt>, hub: Hub, streams: Streams) {
    loop {
        let at = match &*kept.borrow_and_update() {
            KeptAt::Unknown => Kept::Unknown,
            KeptAt::At(position) => Kept::At(position.clone()),
        };
        if hub.kept(at) {
            streams.tell_everybody(Frame::kept()).await;
        }
        if kept.changed().await.is_err() {
            return;
        }
    }
}
