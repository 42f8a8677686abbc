//! The words: what travels, who sees it, what of it, and where in the stream it stands. Pure: no input, no output.

mod audience;
mod ids;
mod position;
mod sight;
mod viewer;

pub use audience::{Audience, BadAudience, MOST_TERMS, Term};
pub use ids::{AdminNo, MallNo, NotAnId, PartnerNo};
pub use position::{BadPosition, Epoch, Position, Vector};
pub use sight::Sight;
pub use viewer::{Lang, Viewer};
