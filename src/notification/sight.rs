//! What of a notification somebody sees: the few properties of a viewer that change its text and data.

use super::{
    ids::PartnerNo,
    viewer::{Lang, Viewer},
};

/// A pure function of the viewer and the language asked for. Viewers of one sight share every encoded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sight {
    /// None: an operator, who sees all partners' parts.
    pub partner: Option<PartnerNo>,
    /// May see the personal data of customers unmasked.
    pub personal: bool,
    pub lang: Lang,
}

impl Sight {
    /// `asked`: the language named in the request; else the viewer's own.
    #[must_use]
    pub fn of(viewer: &Viewer, asked: Option<Lang>) -> Sight {
        Sight { partner: viewer.partner, personal: viewer.sees_personal, lang: asked.unwrap_or(viewer.lang) }
    }
}
