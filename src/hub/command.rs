//! What a shard is asked from other threads, and what it asks of the station behind it.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    frame::Frame,
    listener::{Listener, ListenerId},
    shard::Shard,
};
use crate::notification::{Vector, Viewer};

/// Commands that wait for a shard; more is overload, and said so to whoever arrives.
const COMMANDS: usize = 4096;

/// Something to be done on a shard's thread.
pub type Work = Box<dyn FnOnce(&Rc<Shard>) + Send>;

/// What a shard is asked from other threads.
pub enum Command {
    /// To run something on the shard's thread: an arrival, mostly.
    Run(Work),
    /// The rights of a viewer have changed.
    Rights(ListenerId, Arc<Viewer>),
    /// Say this and end.
    End(ListenerId, Frame),
    /// Say this, which moves nobody's place.
    Tell(ListenerId, Frame),
    /// The same to everybody.
    TellAll(Frame),
    /// The client is gone.
    Gone(ListenerId),
    /// Everybody leaves, spread over this time.
    Drain(Duration),
}

/// What the station behind the hub does for a shard: it is given this, and knows nothing else of it.
pub trait Detour: Send + Sync {
    /// Brings a listener that cannot follow from `at` back to where the shard is, at the listener's own pace.
    fn take(&self, shard: &Rc<Shard>, listener: Listener, at: Vector);
    /// The goodbye for somebody who reads nothing.
    fn too_slow(&self) -> Frame;
    /// The goodbye of a node that stops; whoever hears it comes back within `window`.
    fn restart(&self, window: Duration) -> Frame;
}

/// The shard takes no more commands for now, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shard is too busy")]
pub struct TooBusy;

/// Reaches a shard from other threads. A cheap clone; the shard ends with the last of them.
#[derive(Clone)]
pub struct ShardHandle(mpsc::Sender<Command>);

impl ShardHandle {
    pub(super) fn new() -> (ShardHandle, mpsc::Receiver<Command>) {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        (ShardHandle(commands), inbox)
    }

    /// Never waits: a full shard is overload.
    pub fn tell(&self, command: Command) -> Result<(), TooBusy> {
        self.0.try_send(command).map_err(|_| TooBusy)
    }

    /// For what must not be lost, such as the end of a stream.
    pub async fn insist(&self, command: Command) -> Result<(), TooBusy> {
        self.0.send(command).await.map_err(|_| TooBusy)
    }
}
