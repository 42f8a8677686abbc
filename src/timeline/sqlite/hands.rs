//! Threads that each hold a connection and do for others what may wait for a disk.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::{Answer, Trouble};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

pub struct Hands {
    jobs: SyncSender<Job>,
}

impl Hands {
    /// One thread for each connection. They end when nobody can ask any more.
    pub fn start(name: &str, connections: Vec<Connection>, waiting: usize) -> Result<Hands, Trouble> {
        let (jobs, inbox) = sync_channel(waiting);
        let inbox = Arc::new(Mutex::new(inbox));
        for connection in connections {
            let inbox = Arc::clone(&inbox);
            let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || work(connection, &inbox));
            spawned.map_err(|error| Trouble::Ill(format!("no thread for it: {error}")))?;
        }
        Ok(Hands { jobs })
    }

    /// What nobody waits for any more when its turn comes is not done.
    pub fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Answer<'_, T> {
        let (answer, waiting) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if !answer.is_closed() {
                let _ = answer.send(job(connection));
            }
        });
        let asked = self.jobs.try_send(job);
        Box::pin(async move {
            asked.map_err(|_| Trouble::Ill("too many questions wait for it".to_owned()))?;
            waiting.await.unwrap_or_else(|_| Err(Trouble::Ill("its thread is gone".to_owned())))
        })
    }
}

fn work(mut connection: Connection, inbox: &Mutex<Receiver<Job>>) {
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(&mut connection),
            Err(_nobody_asks) => return,
        }
    }
}
