//! Who may publish over HTTP: keys of which we know the hash alone, each with what it may address.

use std::sync::Arc;

use super::{Token, TokenHash};
use crate::notification::{Audience, MallNo, Term};

/// A service that may publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// For logs and as the source of its events; no secret.
    pub name: String,
    /// SHA-256 of its key.
    pub key: TokenHash,
    pub malls: Malls,
    /// Whether it may address everyone.
    pub everyone: bool,
}

/// Which malls a publisher may address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malls {
    All,
    Some(Vec<MallNo>),
}

impl Malls {
    fn holds(&self, mall: MallNo) -> bool {
        match self {
            Malls::All => true,
            Malls::Some(malls) => malls.contains(&mall),
        }
    }
}

/// What a publisher wanted to address and may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAllowed {
    /// The mall that the notification is about.
    Mall(MallNo),
    Term(Term),
}

impl Publisher {
    /// All that it may not; nothing where it may publish this.
    #[must_use]
    pub fn may_not(&self, audience: &Audience, mall: Option<MallNo>) -> Vec<NotAllowed> {
        let of_mall = mall.filter(|mall| !self.malls.holds(*mall)).map(NotAllowed::Mall);
        let terms = audience.terms().iter().filter(|term| !self.may_address(**term, mall));
        of_mall.into_iter().chain(terms.map(|term| NotAllowed::Term(*term))).collect()
    }

    fn may_address(&self, term: Term, mall: Option<MallNo>) -> bool {
        match (term, term.mall()) {
            (Term::Everyone, _) => self.everyone,
            (_, Some(mall)) => self.malls.holds(mall),
            // A person or a partner may be of any mall, unless the notification names one: then only who belongs to
            // that mall sees it.
            (_, None) => mall.map_or(self.malls == Malls::All, |mall| self.malls.holds(mall)),
        }
    }
}

/// All publishers. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Publishers(Arc<[Publisher]>);

impl Publishers {
    #[must_use]
    pub fn new(publishers: impl IntoIterator<Item = Publisher>) -> Publishers {
        Publishers(publishers.into_iter().collect())
    }

    /// These and one more.
    #[must_use]
    pub fn and(&self, one: Publisher) -> Publishers {
        Publishers(self.0.iter().cloned().chain([one]).collect())
    }

    /// Whose key this is. Compared are hashes, so how long it takes tells nothing of a key.
    #[must_use]
    pub fn whose(&self, key: &Token) -> Option<&Publisher> {
        let hash = key.hash();
        self.0.iter().find(|publisher| publisher.key == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publisher(malls: Malls, everyone: bool) -> Publisher {
        Publisher { name: "orders".into(), key: Token::new("the-key").unwrap().hash(), malls, everyone }
    }

    #[test]
    fn a_key_addresses_its_malls_and_who_belongs_to_them() {
        let mall = |number| MallNo::new(number).unwrap();
        let of_two = publisher(Malls::Some(vec![mall(1001), mall(10)]), false);
        let table: [(&str, Option<u64>, usize); 13] = [
            ("mall:1001", None, 0),
            ("mall:1001", Some(1001), 0),
            ("mall:1001,mall:10:partners,mall:10:partner:5", None, 0),
            ("mall:100", None, 1),
            ("mall:1001,mall:1002,mall:1002:partner:501", None, 2),
            ("mall:1001", Some(1002), 1),
            ("mall:1002", Some(1002), 2),
            ("everyone", None, 1),
            ("everyone", Some(1001), 1),
            ("operator:70001", None, 1),
            ("operator:70001", Some(1001), 0),
            ("operator:70001", Some(1002), 2),
            ("partner:501", Some(10), 0),
        ];
        for (audience, about, refused) in table {
            let audience = audience.parse().unwrap();
            let about = about.map(mall);
            assert_eq!(of_two.may_not(&audience, about).len(), refused, "{audience} about {about:?}");
            assert_eq!(publisher(Malls::All, true).may_not(&audience, about), [], "{audience} about {about:?}");
            let everyone = audience.terms().contains(&Term::Everyone);
            assert_eq!(publisher(Malls::All, false).may_not(&audience, about).len(), usize::from(everyone));
            let alone = publisher(Malls::Some(Vec::new()), true).may_not(&audience, about).is_empty();
            assert_eq!(alone, everyone && about.is_none(), "{audience} about {about:?}");
        }
    }

    #[test]
    fn only_the_very_key_opens() {
        let publishers = Publishers::new([publisher(Malls::All, true)]);
        assert_eq!(publishers.whose(&Token::new("the-key").unwrap()).unwrap().name, "orders");
        for other in ["the-key2", "the-ke", "THE-KEY", "demo-70001"] {
            assert_eq!(publishers.whose(&Token::new(other).unwrap()), None);
        }
    }
}
