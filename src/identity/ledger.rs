//! Which answers are void: those whose question began before something was said about their token or their operator.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::token::TokenHash;
use crate::notification::AdminNo;

/// Tokens and operators spoken of one by one; beyond that every answer is void, which is correct and costs only questions.
const MOST: usize = 100_000;

/// A moment in the order of what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

#[derive(Debug, Default)]
pub struct Ledger(RwLock<Book>);

#[derive(Debug, Default)]
struct Book {
    now: Moment,
    /// Whatever was asked before is void.
    everybody: Moment,
    tokens: HashMap<TokenHash, Moment>,
    admins: HashMap<AdminNo, Moment>,
    /// Of those the ones whose tokens have all ended.
    ended: HashMap<AdminNo, Moment>,
}

impl Ledger {
    fn read(&self) -> RwLockReadGuard<'_, Book> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Book> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be taken before a question begins.
    pub fn now(&self) -> Moment {
        self.read().now
    }

    /// It has ended.
    pub fn token(&self, hash: TokenHash) {
        let mut book = self.write();
        let now = book.goes_on();
        book.tokens.insert(hash, now);
    }

    /// Its rights may be others.
    pub fn admin(&self, admin: AdminNo) {
        let mut book = self.write();
        let now = book.goes_on();
        book.admins.insert(admin, now);
    }

    /// All its tokens have ended.
    pub fn ended(&self, admin: AdminNo) {
        let mut book = self.write();
        let now = book.goes_on();
        book.admins.insert(admin, now);
        book.ended.insert(admin, now);
    }

    pub fn everybody(&self) {
        let mut book = self.write();
        book.goes_on();
        book.forget_the_names();
    }

    /// Whether an answer that was asked for at `asked` must not be given out any more.
    pub fn is_void(&self, hash: TokenHash, admin: AdminNo, asked: Moment) -> bool {
        let book = self.read();
        let said = [book.tokens.get(&hash), book.admins.get(&admin), Some(&book.everybody)];
        said.into_iter().flatten().any(|&said| said > asked)
    }

    /// Whether it was ever said that this very token has ended, as far as names are still known: it does not come to life
    /// again, whatever an account service believes that has not noticed.
    pub fn is_over(&self, hash: TokenHash) -> bool {
        self.read().tokens.contains_key(&hash)
    }

    /// Whether it was said since then that the token has ended; as far as names are still known.
    pub fn has_ended(&self, hash: TokenHash, admin: AdminNo, asked: Moment) -> bool {
        let book = self.read();
        [book.tokens.get(&hash), book.ended.get(&admin)].into_iter().flatten().any(|&said| said > asked)
    }
}

impl Book {
    /// The next moment; names are still few after it.
    fn goes_on(&mut self) -> Moment {
        self.now.0 += 1;
        if self.tokens.len() + self.admins.len() >= MOST {
            self.forget_the_names();
        }
        self.now
    }

    fn forget_the_names(&mut self) {
        self.everybody = self.now;
        self.tokens.clear();
        self.admins.clear();
        self.ended.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Token;

    #[test]
    fn an_answer_is_void_exactly_if_something_was_said_since_its_question() {
        let ledger = Ledger::default();
        let hash = |text: &str| Token::new(text).unwrap().hash();
        let admin = |number: u64| serde_json::from_value::<AdminNo>(number.into()).unwrap();
        let before = ledger.now();
        assert!(!ledger.is_void(hash("one"), admin(1), before));
        ledger.token(hash("one"));
        let between = ledger.now();
        ledger.admin(admin(2));
        let after = ledger.now();
        assert!(ledger.is_void(hash("one"), admin(1), before), "its token");
        assert!(!ledger.is_void(hash("one"), admin(1), between), "asked since");
        assert!(ledger.is_void(hash("other"), admin(2), between), "its operator");
        assert!(!ledger.is_void(hash("other"), admin(2), after));
        assert!(!ledger.is_void(hash("other"), admin(3), before), "the others are not asked again");
        assert!(ledger.has_ended(hash("one"), admin(1), before) && !ledger.has_ended(hash("one"), admin(1), between));
        assert!(!ledger.has_ended(hash("other"), admin(2), before), "its rights are others, its token is not over");
        ledger.ended(admin(2));
        assert!(ledger.has_ended(hash("other"), admin(2), after) && ledger.is_void(hash("other"), admin(2), after));
        ledger.everybody();
        assert!(ledger.is_void(hash("other"), admin(3), after));
        assert!(!ledger.is_void(hash("other"), admin(3), ledger.now()));
    }

    #[test]
    fn it_is_bounded_and_a_full_one_forgets_no_void() {
        let ledger = Ledger::default();
        let one = Token::new("one").unwrap().hash();
        let admin = serde_json::from_value::<AdminNo>(1.into()).unwrap();
        let asked = ledger.now();
        ledger.token(one);
        for n in 0..=MOST {
            ledger.token(Token::new(&format!("t{n}")).unwrap().hash());
        }
        assert!(ledger.is_void(one, admin, asked), "also not when the list was full");
        let book = ledger.read();
        assert!(book.tokens.len() + book.admins.len() <= MOST);
    }
}
