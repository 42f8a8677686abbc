//! Of a record of the main topic: a notification, or one more count of what nobody can be shown.

use super::{Decoder, RawRecord, Rejected, Rejections, Settings, Understand};
use crate::{
    notification::{Catalogue, Coordinates, Notification},
    telemetry::Metrics,
};

pub struct Notifications {
    decoder: Decoder,
    rejections: Rejections,
}

impl Notifications {
    pub fn new(settings: &Settings, catalogue: Catalogue, metrics: &Metrics) -> Notifications {
        let decoder = settings.decoder(catalogue);
        Notifications { decoder, rejections: Rejections::new(metrics.clone()) }
    }
}

impl Understand<Notification> for Notifications {
    fn understand(&mut self, at: Coordinates, record: Result<RawRecord<'_>, Rejected>) -> Option<Notification> {
        let decoded = record.and_then(|record| self.decoder.decode(&record));
        decoded.inspect_err(|rejected| self.rejections.rejected(at.partition, at.offset, rejected)).ok()
    }
}
