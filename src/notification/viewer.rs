//! Who is looking: what the account service said of a token's owner, and what it makes visible.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    audience::Term,
    ids::{AdminNo, MallNo, PartnerNo},
};

/// The languages that texts exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Korean, for whoever did not say otherwise.
    #[default]
    Ko,
    /// English.
    En,
}

impl Lang {
    /// Reads `ko`, `en`, `ko-KR`, `en_US` …; anything else is nothing.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Lang> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        match () {
            () if primary.eq_ignore_ascii_case("ko") => Some(Lang::Ko),
            () if primary.eq_ignore_ascii_case("en") => Some(Lang::En),
            () => None,
        }
    }
}

/// One admin with the rights of now. A partner's admin has `partner`, an operator has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    pub admin: AdminNo,
    pub name: String,
    /// Sorted and without repeats; see [`Viewer::new`].
    malls: Box<[MallNo]>,
    pub partner: Option<PartnerNo>,
    /// May see the personal data of customers unmasked.
    pub sees_personal: bool,
    pub lang: Lang,
    /// When the token ends, where the account service says so.
    pub expires_at: Option<Timestamp>,
}

impl Viewer {
    /// An operator or partner admin of these malls; no right beyond that, Korean, no end.
    #[must_use]
    pub fn new(admin: AdminNo, malls: impl IntoIterator<Item = MallNo>, partner: Option<PartnerNo>) -> Viewer {
        let mut malls: Vec<MallNo> = malls.into_iter().collect();
        malls.sort_unstable();
        malls.dedup();
        Viewer {
            admin,
            name: String::new(),
            malls: malls.into(),
            partner,
            sees_personal: false,
            lang: Lang::Ko,
            expires_at: None,
        }
    }

    #[must_use]
    pub fn malls(&self) -> &[MallNo] {
        &self.malls
    }

    #[must_use]
    pub fn belongs_to(&self, mall: MallNo) -> bool {
        self.malls.binary_search(&mall).is_ok()
    }

    /// The audience terms that may reach this viewer. They only find candidates: [`super::Audience::includes`] decides.
    pub fn terms(&self) -> impl Iterator<Item = Term> + '_ {
        let own = [Term::Everyone, Term::Operator(self.admin)];
        let partner = self.partner.map(Term::Partner);
        let of_malls = self.malls.iter().flat_map(move |&mall| match self.partner {
            None => [Some(Term::Mall(mall)), None],
            Some(partner) => [Some(Term::MallPartners(mall)), Some(Term::MallPartner(mall, partner))],
        });
        own.into_iter().chain(partner).chain(of_malls.flatten())
    }
}
