//! Where a record stood first: its identity where the producer gave none, also after it was sent once more.

use std::{fmt, str::FromStr};

use super::{Coordinates, Epoch, NotificationId};

/// The header that a redriven dead letter carries: [`Origin`] as text.
pub const ORIGIN_HEADER: &str = "allim-origin";

/// The first coordinates of a record. `life` tells those apart that a truncated log has put at one offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    pub at: Coordinates,
    pub life: u32,
}

impl Origin {
    /// What a record's header says. One that cannot be read, or stands there twice, counts for nothing: it was not written
    /// by us, and the record is as good without it.
    pub fn said_in<'h>(headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>) -> Option<Origin> {
        let mut said = headers.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(ORIGIN_HEADER));
        match (said.next(), said.next()) {
            (Some((_, Some(value))), None) => std::str::from_utf8(value).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The identity of a record whose producer gave it none.
    #[must_use]
    pub fn id(self) -> NotificationId {
        NotificationId::of_life(self.at, self.life)
    }
}

impl From<Coordinates> for Origin {
    fn from(at: Coordinates) -> Origin {
        Origin { at, life: 0 }
    }
}

/// `<epoch in 16 hexadecimal digits>/<life>/<partition>/<offset>`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}/{}/{}", self.at.epoch.0, self.life, self.at.partition, self.at.offset)
    }
}

/// A text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: <epoch in 16 hexadecimal digits>/<life>/<partition>/<offset>")]
pub struct NotAnOrigin;

impl FromStr for Origin {
    type Err = NotAnOrigin;

    /// Reads what [`fmt::Display`] writes, and nothing else: two texts must not be one origin.
    fn from_str(text: &str) -> Result<Origin, NotAnOrigin> {
        let parts: Vec<&str> = text.split('/').collect();
        let [epoch, life, partition, offset] = parts[..] else { return Err(NotAnOrigin) };
        let at = Coordinates {
            epoch: Epoch(u64::from_str_radix(epoch, 16).map_err(|_| NotAnOrigin)?),
            partition: partition.parse().map_err(|_| NotAnOrigin)?,
            offset: offset.parse().map_err(|_| NotAnOrigin)?,
        };
        let origin = Origin { at, life: life.parse().map_err(|_| NotAnOrigin)? };
        if origin.to_string() == text { Ok(origin) } else { Err(NotAnOrigin) }
    }
}
