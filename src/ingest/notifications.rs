//! Of a record of the main topic: a notification, or one more count of what nobody can be shown.

use super::{Decoder, RawRecord, Rejected, Rejections, Settings, Understand};
use crate::{
    notification::{Catalogue, Notification},
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
    fn understand(&mut self, record: &RawRecord<'_>, refused: Option<Rejected>) -> Option<Notification> {
        let at = record.coordinates;
        let decoded = refused.map_or_else(|| self.decoder.decode(record), Err);
        decoded.inspect_err(|rejected| self.rejections.rejected(at.partition, at.offset, rejected)).ok()
    }
}
