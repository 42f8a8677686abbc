//! The words: what travels, who sees it, what of it, and where in the stream it stands. Pure: no input, no output.

mod audience;
pub mod catalogue;
mod data;
pub mod dates;
pub mod event;
mod fields;
pub mod format;
mod ids;
pub mod json;
pub mod mask;
#[expect(clippy::module_inception, reason = "the noun that the folder is about")]
mod notification;
mod origin;
mod position;
mod render;
mod replace;
pub mod schema;
mod sight;
mod viewer;
mod why_not;

pub use audience::{Audience, BadAudience, MOST_TERMS, Term};
pub use catalogue::{Catalogue, CatalogueError, NoAudience};
pub use data::is_link;
pub use ids::{AdminNo, MallNo, NotAnId, PartnerNo};
pub use json::Unreadable;
pub use notification::{Coordinates, Headers, NotANotificationId, Notification, NotificationId, Record, Shape, Tenant};
pub use origin::{NotAnOrigin, ORIGIN_HEADER, Origin};
pub use position::{BadPosition, Epoch, Position, Vector};
pub use render::{Prepared, Wire};
pub use replace::{State, Verdict};
pub use sight::Sight;
pub use viewer::{Lang, Viewer};
pub use why_not::WhyNot;
