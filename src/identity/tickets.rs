//! Tickets: what a browser shows where it can send no header; sealed, bound, good for seconds and once on each node.
//!
//! Why sealed and not only signed: the rights of a stream are asked again with its token, on whatever node the ticket
//! is redeemed, so the ticket has to carry the token; and a ticket stands in a URL, which ends up in logs and
//! histories. Signed, it would show the token there, which is good for hours. Sealed, it shows nothing, and what is
//! found there is late by then.
//!
//! Guessing needs no limit of its own: a ticket cannot be made without the key (128 bits of seal), and a wrong one
//! costs us two hashes and no question to anybody.
//!
//! `version ‖ salt ‖ seal{ end ‖ operator ‖ length of token ‖ token ‖ page }`, base64url without padding.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf::{self, HKDF_SHA256},
    rand::{SecureRandom, SystemRandom},
};

use super::{ClusterKey, Token};
use crate::notification::AdminNo;

/// The only form so far; another one gets another number and other words for its key.
const VERSION: u8 = 1;
const KEY_IS_FOR: &[u8] = b"allim ticket 1";
const SALT: usize = 16;
type Salt = [u8; SALT];
/// A token and the name of a page, in base64. More is not looked at.
const LONGEST: usize = 16 * 1024;
/// The longest life that can be set, and what a node believes at most: the end was written by the clock of another
/// node. There is no allowance for clocks that differ: a ticket of a node that is ahead lives longer by as much, one
/// of a node that is behind shorter, and 30 seconds hold what synchronised clocks differ by many times over.
pub const LONGEST_LIFE: Duration = Duration::from_secs(120);
/// Redeemed tickets remembered at once: thousands of redemptions a second, and some megabytes.
const MOST_USED: usize = 100_000;

/// Why a ticket opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTicket {
    /// No ticket at all, one of another key, or one that was changed.
    #[error("the ticket is not one of this cluster")]
    Unreadable,
    #[error("the ticket's time is over")]
    Late,
    /// It claims to live longer than any ticket does.
    #[error("the ticket comes from a node whose clock is ahead")]
    Ahead,
    #[error("the ticket was used before")]
    Used,
    #[error("the ticket was given to another page")]
    OtherPage,
    #[error("the ticket is another operator's")]
    OtherOperator,
    /// So many are remembered that one more would make us forget one that is still good. Then we had rather send
    /// somebody away for a while than let somebody in twice; whoever issues cannot know who will redeem, so tickets
    /// are given out all the same.
    #[error("too many tickets were redeemed just now")]
    Full,
}

/// A ticket as it is given out.
pub struct Issued {
    pub text: String,
    pub expires_at: Timestamp,
}

/// A ticket that is ours and is in time; not yet spent.
pub struct Opened {
    salt: Salt,
    expires: i64,
    operator: u64,
    pub token: Token,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(not shown)")
    }
}

/// Gives out tickets and takes them back. A cheap clone.
#[derive(Clone)]
pub struct Tickets(Arc<Inner>);

struct Inner {
    key: ClusterKey,
    life: Duration,
    used: Mutex<Used>,
}

impl Tickets {
    #[must_use]
    pub fn new(key: ClusterKey, life: Duration) -> Tickets {
        let used = Mutex::new(Used { until: BTreeSet::new(), most: MOST_USED });
        Tickets(Arc::new(Inner { key, life, used }))
    }

    /// For this operator, to be redeemed by this page.
    #[must_use]
    pub fn issue(&self, operator: AdminNo, page: &str, token: &Token, now: Timestamp) -> Issued {
        let (salt, expires_at) = (random::<SALT>(), now + self.0.life);
        let token = token.expose().as_bytes();
        let length = u16::try_from(token.len()).expect("a token is at most 8 KiB long");
        let mut inside = Vec::with_capacity(18 + token.len() + page.len() + CHACHA20_POLY1305.tag_len());
        inside.extend(expires_at.as_millisecond().to_be_bytes());
        inside.extend(operator.get().to_be_bytes());
        inside.extend(length.to_be_bytes());
        inside.extend(token);
        inside.extend(page.as_bytes());
        let sealed = seal(&self.0.key, &salt).seal_in_place_append_tag(nonce(), Aad::from([VERSION]), &mut inside);
        sealed.expect("some kilobytes are not too much to be sealed");
        let text = BASE64_URL_SAFE_NO_PAD.encode([&[VERSION][..], &salt, &inside].concat());
        Issued { text, expires_at }
    }

    /// Reads a ticket that this page shows. What is inside counts for nothing before the seal is found whole.
    pub fn open(&self, text: &str, page: &str, now: Timestamp) -> Result<Opened, BadTicket> {
        let (opened, given_to) = self.unseal(text).ok_or(BadTicket::Unreadable)?;
        let now = now.as_millisecond();
        if opened.expires <= now {
            return Err(BadTicket::Late);
        }
        if opened.expires.saturating_sub(now) > i64::try_from(LONGEST_LIFE.as_millis()).unwrap_or(i64::MAX) {
            return Err(BadTicket::Ahead);
        }
        if *given_to != *page.as_bytes() { Err(BadTicket::OtherPage) } else { Ok(opened) }
    }

    fn unseal(&self, text: &str) -> Option<(Opened, Vec<u8>)> {
        if text.len() > LONGEST {
            return None;
        }
        // Strict: a text that was written in another way is another ticket.
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (salt, sealed) = rest.split_first_chunk::<SALT>()?;
        let mut sealed = sealed.to_vec();
        let inside = seal(&self.0.key, salt).open_in_place(nonce(), Aad::from([VERSION]), &mut sealed).ok()?;
        let (expires, rest) = inside.split_first_chunk()?;
        let (operator, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (token, page) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let token = Token::new(std::str::from_utf8(token).ok()?).ok()?;
        let (expires, operator) = (i64::from_be_bytes(*expires), u64::from_be_bytes(*operator));
        Some((Opened { salt: *salt, expires, operator, token }, page.to_vec()))
    }

    /// Uses a ticket up for whoever its token turned out to be. Of those who come at once one gets it.
    pub fn spend(&self, ticket: &Opened, operator: AdminNo, now: Timestamp) -> Result<(), BadTicket> {
        if !ticket.is_of(operator) {
            return Err(BadTicket::OtherOperator);
        }
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner).spend(ticket, now.as_millisecond())
    }
}

impl Opened {
    #[must_use]
    pub fn is_of(&self, operator: AdminNo) -> bool {
        self.operator == operator.get()
    }
}

/// Tickets that were redeemed here, until they would be late anyway.
struct Used {
    /// By their end, the first to be forgotten first.
    until: BTreeSet<(i64, Salt)>,
    most: usize,
}

impl Used {
    fn spend(&mut self, ticket: &Opened, now: i64) -> Result<(), BadTicket> {
        // Time went on while the account service was asked, and what follows forgets the late ones.
        if ticket.expires <= now {
            return Err(BadTicket::Late);
        }
        while self.until.first().is_some_and(|(end, _)| *end <= now) {
            self.until.pop_first();
        }
        if self.until.contains(&(ticket.expires, ticket.salt)) {
            Err(BadTicket::Used)
        } else if self.until.len() >= self.most {
            Err(BadTicket::Full)
        } else {
            self.until.insert((ticket.expires, ticket.salt));
            Ok(())
        }
    }
}

/// Each ticket has a key of its own, made of the cluster's and its salt.
fn seal(key: &ClusterKey, salt: &Salt) -> LessSafeKey {
    let made = hkdf::Salt::new(HKDF_SHA256, salt).extract(key.expose());
    let key = made.expand(&[KEY_IS_FOR], &CHACHA20_POLY1305).expect("a key of 32 bytes is short enough to be made");
    LessSafeKey::new(UnboundKey::from(key))
}

/// One key seals one ticket, so one nonce is enough.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("a system without random numbers can keep no secret");
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "https://admin.example.com";

    fn tickets(key: &str) -> Tickets {
        Tickets::new(ClusterKey::given(key), Duration::from_secs(30))
    }

    fn operator(number: u64) -> AdminNo {
        AdminNo::new(number).unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-20T00:00:00Z".parse().unwrap()
    }

    fn issued(tickets: &Tickets) -> String {
        tickets.issue(operator(7), PAGE, &Token::new("demo-70001").unwrap(), now()).text
    }

    #[test]
    fn a_ticket_opens_on_every_node_with_the_key_and_shows_nothing() {
        let (one, other) = (tickets("the key of both"), tickets("the key of both"));
        let text = issued(&one);
        let ticket = other.open(&text, PAGE, now()).unwrap();
        assert_eq!(ticket.token.expose(), "demo-70001");
        assert_eq!(other.spend(&ticket, operator(7), now()), Ok(()));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
        for inner in ["demo", "admin.example"] {
            assert!(!text.contains(inner) && !bytes.windows(inner.len()).any(|part| part == inner.as_bytes()));
        }
        assert!(!format!("{ticket:?}").contains("demo"));
        assert_ne!(issued(&one), text, "no two are alike");
    }

    #[test]
    fn what_is_wrong_with_a_ticket_is_said_exactly_where_it_is_ours() {
        let ours = tickets("a key");
        let text = issued(&ours);
        let opened = |text: &str, page: &str, after: u64| {
            let now = now() + Duration::from_millis(after);
            ours.open(text, page, now).map(drop)
        };
        assert_eq!(opened(&text, PAGE, 29_999), Ok(()));
        assert_eq!(opened(&text, PAGE, 30_000), Err(BadTicket::Late));
        assert_eq!(opened(&text, "https://admin.example.com:444", 0), Err(BadTicket::OtherPage));
        assert_eq!(opened(&text, "", 0), Err(BadTicket::OtherPage));
        let ahead = ours.issue(operator(7), PAGE, &Token::new("t").unwrap(), now() + LONGEST_LIFE);
        assert_eq!(opened(&ahead.text, PAGE, 0), Err(BadTicket::Ahead));
        assert_eq!(tickets("another key").open(&text, PAGE, now()).map(drop), Err(BadTicket::Unreadable));
        let ticket = ours.open(&text, PAGE, now()).unwrap();
        assert_eq!(ours.spend(&ticket, operator(70), now()), Err(BadTicket::OtherOperator));
        assert_eq!(ours.spend(&ticket, operator(7), now()), Ok(()), "whom it was not for has not used it up");
        assert_eq!(ours.spend(&ticket, operator(7), now()), Err(BadTicket::Used));
        for garbage in
            ["", "x", "undefined", "AQ", "====", "티켓", &text[1..], &text[..text.len() - 1], &format!("{text}=")]
        {
            assert_eq!(opened(garbage, PAGE, 0), Err(BadTicket::Unreadable), "{garbage}");
        }
        assert_eq!(opened(&"A".repeat(LONGEST + 1), PAGE, 0), Err(BadTicket::Unreadable));
    }

    #[test]
    fn used_tickets_are_remembered_until_they_are_late_and_never_forgotten_for_want_of_room() {
        let mut used = Used { until: BTreeSet::new(), most: 3 };
        let ticket =
            |n: u8, expires: i64| Opened { salt: [n; SALT], expires, operator: 7, token: Token::new("t").unwrap() };
        for n in 0..3 {
            assert_eq!(used.spend(&ticket(n, 100 + i64::from(n)), 0), Ok(()));
        }
        assert_eq!(used.spend(&ticket(9, 200), 99), Err(BadTicket::Full));
        assert_eq!(used.spend(&ticket(0, 100), 99), Err(BadTicket::Used), "full is no reason to forget");
        assert_eq!(used.spend(&ticket(9, 200), 100), Ok(()), "the first was late by then");
        // Opened in time, and late when the account service had answered: its first use is forgotten by now.
        assert_eq!(used.spend(&ticket(0, 100), 100), Err(BadTicket::Late));
        assert_eq!(used.spend(&ticket(9, 200), 150), Err(BadTicket::Used));
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_refused(token in "[!-~]{1,64}", at in any::<prop::sample::Index>(), with in 1..=255_u8) {
            let ours = tickets("a key");
            let text = ours.issue(operator(7), PAGE, &Token::new(&token).unwrap(), now()).text;
            prop_assert!(ours.open(&text, PAGE, now()).is_ok());
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
            let at_byte = at.index(bytes.len());
            bytes[at_byte] ^= with;
            let changed = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(ours.open(&changed, PAGE, now()).map(drop), Err(BadTicket::Unreadable));
            // The same in its text, where two letters must not mean one byte.
            let mut letters = text.into_bytes();
            let at_letter = at.index(letters.len());
            letters[at_letter] ^= with;
            if let Ok(changed) = String::from_utf8(letters) {
                prop_assert_eq!(ours.open(&changed, PAGE, now()).map(drop), Err(BadTicket::Unreadable));
            }
        }

        #[test]
        fn any_cut_is_refused(cut in any::<prop::sample::Index>()) {
            let ours = tickets("a key");
            let text = issued(&ours);
            let shorter = &text[..cut.index(text.len())];
            prop_assert_eq!(ours.open(shorter, PAGE, now()).map(drop), Err(BadTicket::Unreadable));
        }
    }
}
