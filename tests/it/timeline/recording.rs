//! A recorder over a store, fed by hand as Kafka's reader feeds it.

use std::{ops::Range, sync::Arc, time::Duration};

use allim::{
    ingest::{Incoming, Kept, Next},
    notification::{Notification, Vector},
    telemetry::Metrics,
    timeline::{Growth, KeptAt, Recorder, Settings, Store},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

use super::cases::{EPOCH, row};

pub struct Recording {
    recorder: Recorder,
    pub kept: watch::Receiver<KeptAt>,
    pub metrics: Metrics,
    stop: CancellationToken,
    writer: JoinHandle<()>,
}

/// What a record at this offset is understood as, with so many bytes of text.
pub fn record(offset: u64, kind: &str, bytes: usize) -> Kept {
    let row = row(offset, "mall:1", None);
    let was = &row.notification;
    let mut record = was.record().clone();
    record.value = format!(r#"{{"type":"{kind}","title":"{}"}}"#, "x".repeat(bytes)).into();
    let notification = Notification::new(was.id, kind.into(), None, was.audience.clone(), was.at, record);
    Kept::Notification { notification, severity: row.severity, silent: row.silent, until: row.until }
}

impl Recording {
    pub fn of(store: &Arc<dyn Store>) -> Recording {
        let settings = Settings {
            batch_rows: 50,
            batch_linger: Duration::from_millis(5),
            waiting_bytes: 16 << 20,
            retention: Duration::from_secs(86_400),
            purge_every: Duration::from_secs(3_600),
        };
        let (metrics, stop) = (Metrics::new(), CancellationToken::new());
        let (recorder, kept, writing) =
            Recorder::new(Arc::clone(store), settings, metrics.clone(), Growth::new(metrics.clone()), stop.clone());
        Recording { recorder, kept, metrics, stop, writer: tokio::spawn(writing) }
    }

    /// The log begins, with one partition, from where the store is.
    pub async fn begin(&self) {
        let recorder = self.recorder.clone();
        let begun = spawn_blocking(move || {
            let start = recorder.resumes(EPOCH, &[(0, 1_000_000)]).map(Option::unwrap_or_default);
            start.map(|start| recorder.begins(EPOCH, start))
        });
        begun.await.unwrap().unwrap();
    }

    /// These come, each made by `make`; what has no room is waited for, so this may take as long as the store is ill.
    pub fn feed(&self, offsets: Range<u64>, make: impl Fn(u64) -> Kept + Send + 'static) -> JoinHandle<()> {
        let recorder = self.recorder.clone();
        spawn_blocking(move || {
            for offset in offsets {
                recorder.record(Incoming { partition: 0, offset, content: Some(make(offset)) });
            }
        })
    }

    /// Waits until everything before is kept.
    pub async fn is_at(&mut self, next: u64) {
        let is_there = |kept: &KeptAt| matches!(kept, KeptAt::At(at) if at.next == Vector::new(vec![next]));
        let waited = tokio::time::timeout(crate::harness::PATIENCE, self.kept.wait_for(is_there)).await.is_ok();
        assert!(waited, "it is not at {next} but at {:?}", self.kept.borrow());
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.writer.await.unwrap();
    }
}
