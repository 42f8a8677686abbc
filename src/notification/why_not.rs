//! Why somebody does not see a notification: for whoever publishes and wonders; it decides nothing.

use super::{
    audience::{Audience, Term},
    ids::MallNo,
    viewer::Viewer,
};

/// What was missing. The later ones were nearer to it: of several terms the nearest says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyNot {
    /// It is for one person, who is somebody else.
    OtherPerson,
    /// It is for partners, and this is an operator.
    NotAPartner,
    /// Neither of the malls is the viewer's.
    OtherMall,
    /// It is for a mall's operators, and this is a partner's admin.
    NotAnOperator,
    /// It is for a partner in a mall of the viewer's, and for another one.
    OtherPartner,
}

impl WhyNot {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            WhyNot::OtherPerson => "other_person",
            WhyNot::NotAPartner => "not_a_partner",
            WhyNot::OtherMall => "other_mall",
            WhyNot::NotAnOperator => "not_an_operator",
            WhyNot::OtherPartner => "other_partner",
        }
    }

    fn of_term(term: Term, viewer: &Viewer, mall_of_the_notification: Option<MallNo>) -> WhyNot {
        match term {
            Term::Mall(mall) | Term::MallPartners(mall) | Term::MallPartner(mall, _) if !viewer.belongs_to(mall) => {
                WhyNot::OtherMall
            }
            Term::Mall(_) => WhyNot::NotAnOperator,
            Term::MallPartners(_) | Term::MallPartner(..) | Term::Partner(_) if viewer.partner.is_none() => {
                WhyNot::NotAPartner
            }
            Term::MallPartner(_, partner) | Term::Partner(partner) if viewer.partner != Some(partner) => {
                WhyNot::OtherPartner
            }
            Term::Operator(admin) if viewer.admin != admin => WhyNot::OtherPerson,
            // Addressed to it, about a mall that it has no right to any more.
            _ if mall_of_the_notification.is_some_and(|mall| !viewer.belongs_to(mall)) => WhyNot::OtherMall,
            _ => WhyNot::OtherPerson,
        }
    }
}

impl Audience {
    /// None for who sees it, as [`Audience::includes`] says.
    #[must_use]
    pub fn why_not(&self, viewer: &Viewer, mall_of_the_notification: Option<MallNo>) -> Option<WhyNot> {
        if self.includes(viewer, mall_of_the_notification) {
            return None;
        }
        self.terms().iter().map(|term| WhyNot::of_term(*term, viewer, mall_of_the_notification)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::{AdminNo, PartnerNo};

    fn viewer(admin: u64, malls: &[u64], partner: Option<u64>) -> Viewer {
        let malls = malls.iter().map(|&mall| MallNo::new(mall).unwrap());
        Viewer::new(AdminNo::new(admin).unwrap(), malls, partner.map(|number| PartnerNo::new(number).unwrap()))
    }

    #[test]
    fn the_nearest_term_says_why() {
        let (one, other) = (viewer(1, &[1001], None), viewer(3, &[1002], None));
        let (food, wear) = (viewer(5, &[1001, 1002], Some(501)), viewer(6, &[1001], Some(502)));
        let table = [
            ("everyone", None, [None; 4]),
            (
                "mall:1001,mall:1001:partner:501",
                None,
                [None, Some(WhyNot::OtherMall), None, Some(WhyNot::OtherPartner)],
            ),
            ("mall:1002", None, [Some(WhyNot::OtherMall), None, Some(WhyNot::NotAnOperator), Some(WhyNot::OtherMall)]),
            ("mall:1001:partners", None, [Some(WhyNot::NotAPartner), Some(WhyNot::OtherMall), None, None]),
            (
                "partner:501",
                None,
                [Some(WhyNot::NotAPartner), Some(WhyNot::NotAPartner), None, Some(WhyNot::OtherPartner)],
            ),
            (
                "operator:1",
                Some(1002),
                [
                    Some(WhyNot::OtherMall),
                    Some(WhyNot::OtherPerson),
                    Some(WhyNot::OtherPerson),
                    Some(WhyNot::OtherPerson),
                ],
            ),
        ];
        for (audience, mall, expected) in table {
            let (audience, mall): (Audience, _) = (audience.parse().unwrap(), mall.map(|n| MallNo::new(n).unwrap()));
            for (viewer, expected) in [&one, &other, &food, &wear].into_iter().zip(expected) {
                assert_eq!(audience.why_not(viewer, mall), expected, "{audience} for {}", viewer.admin);
                assert_eq!(expected.is_none(), audience.includes(viewer, mall), "{audience} for {}", viewer.admin);
            }
        }
    }
}
