//! Who a notification is for: the grammar, and the one function that decides it on every way.

use std::{fmt, str::FromStr};

use super::{
    ids::{AdminNo, MallNo, NotAnId, PartnerNo},
    viewer::Viewer,
};

/// The most terms an audience may have: an order has a handful; more is a mistake or an attack on the index.
pub const MOST_TERMS: usize = 64;

/// One group of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// `everyone`
    Everyone,
    /// `mall:N`, also written `mall:N:operators`: the operators of a mall, never a partner's admin.
    Mall(MallNo),
    /// `mall:N:partners`: every partner's admin in that mall.
    MallPartners(MallNo),
    /// `mall:N:partner:P`: the admins of one partner, in that mall.
    MallPartner(MallNo, PartnerNo),
    /// `partner:P`: the admins of one partner.
    Partner(PartnerNo),
    /// `operator:N`: one admin of any kind.
    Operator(AdminNo),
}

impl Term {
    /// The mall that the term itself names.
    #[must_use]
    pub fn mall(&self) -> Option<MallNo> {
        match *self {
            Term::Mall(mall) | Term::MallPartners(mall) | Term::MallPartner(mall, _) => Some(mall),
            Term::Everyone | Term::Partner(_) | Term::Operator(_) => None,
        }
    }

    /// Whether the viewer is one of this group; see [`Audience::includes`], which is made of it.
    #[must_use]
    pub fn includes(self, viewer: &Viewer, mall_of_the_notification: Option<MallNo>) -> bool {
        // What was addressed to a person or a partner loses its force with the right to the mall it is about.
        let still_in_its_mall = || mall_of_the_notification.is_none_or(|mall| viewer.belongs_to(mall));
        match self {
            Term::Everyone => true,
            Term::Mall(mall) => viewer.partner.is_none() && viewer.belongs_to(mall),
            Term::MallPartners(mall) => viewer.partner.is_some() && viewer.belongs_to(mall),
            Term::MallPartner(mall, partner) => viewer.partner == Some(partner) && viewer.belongs_to(mall),
            Term::Partner(partner) => viewer.partner == Some(partner) && still_in_its_mall(),
            Term::Operator(admin) => viewer.admin == admin && still_in_its_mall(),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Everyone => write!(f, "everyone"),
            Term::Mall(mall) => write!(f, "mall:{mall}"),
            Term::MallPartners(mall) => write!(f, "mall:{mall}:partners"),
            Term::MallPartner(mall, partner) => write!(f, "mall:{mall}:partner:{partner}"),
            Term::Partner(partner) => write!(f, "partner:{partner}"),
            Term::Operator(admin) => write!(f, "operator:{admin}"),
        }
    }
}

/// Why a text is no audience. The words go into logs and answers, so they never repeat the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAudience {
    #[error("the audience is empty")]
    Empty,
    #[error("the audience has more than {MOST_TERMS} terms")]
    TooManyTerms,
    #[error(
        "an audience is `everyone`, `mall:N`, `mall:N:operators`, `mall:N:partners`, `mall:N:partner:P`, \
         `partner:P` or `operator:N`, joined by commas"
    )]
    UnknownTerm,
    #[error("a number in the audience is not {0}")]
    BadNumber(#[from] NotAnId),
}

impl FromStr for Term {
    type Err = BadAudience;

    fn from_str(text: &str) -> Result<Term, BadAudience> {
        let mut parts = text.split(':');
        let mut next = || parts.next();
        let term = match (next(), next(), next(), next(), next()) {
            (Some("everyone"), None, ..) => Term::Everyone,
            (Some("mall"), Some(mall), None | Some("operators"), None, _) => Term::Mall(mall.parse()?),
            (Some("mall"), Some(mall), Some("partners"), None, _) => Term::MallPartners(mall.parse()?),
            (Some("mall"), Some(mall), Some("partner"), Some(partner), None) => {
                Term::MallPartner(mall.parse()?, partner.parse()?)
            }
            (Some("partner"), Some(partner), None, ..) => Term::Partner(partner.parse()?),
            (Some("operator"), Some(admin), None, ..) => Term::Operator(admin.parse()?),
            _ => return Err(BadAudience::UnknownTerm),
        };
        Ok(term)
    }
}

/// A union of one to [`MOST_TERMS`] terms, without repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience(Box<[Term]>);

impl Audience {
    /// Repeats are dropped; the order of the first mention stays.
    pub fn new(terms: impl IntoIterator<Item = Term>) -> Result<Audience, BadAudience> {
        let mut unique: Vec<Term> = Vec::new();
        for term in terms {
            if unique.contains(&term) {
                continue;
            }
            if unique.len() == MOST_TERMS {
                return Err(BadAudience::TooManyTerms);
            }
            unique.push(term);
        }
        if unique.is_empty() { Err(BadAudience::Empty) } else { Ok(Audience(unique.into())) }
    }

    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// Whether this viewer may see it. Live, replayed, listed or called out: every way asks here and nowhere else.
    #[must_use]
    pub fn includes(&self, viewer: &Viewer, mall_of_the_notification: Option<MallNo>) -> bool {
        self.0.iter().any(|term| term.includes(viewer, mall_of_the_notification))
    }
}

impl FromStr for Audience {
    type Err = BadAudience;

    fn from_str(text: &str) -> Result<Audience, BadAudience> {
        if text.trim().is_empty() {
            return Err(BadAudience::Empty);
        }
        if text.split(',').count() > MOST_TERMS {
            return Err(BadAudience::TooManyTerms);
        }
        let terms: Result<Vec<Term>, BadAudience> =
            text.split(',').map(|term| term.trim_matches(' ').parse()).collect();
        Audience::new(terms?)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.0.iter().enumerate() {
            if i > 0 {
                write!(f, ",")?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}
