//! Tickets: what was not given out opens nothing, and what was opens for its page, its operator and its time alone.
//!
//! A seed has five lines: the token; the page it is given to; the page that shows it; milliseconds from one to the other;
//! and a text that somebody made up.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use allim_fuzz::{
    identity::{ClusterKey, Tickets, Token, tickets::BadTicket},
    notification::AdminNo,
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

const LIFE: u64 = 30_000;

static TICKETS: LazyLock<Tickets> = LazyLock::new(|| tickets("a key that both nodes have, 32 bytes or more"));
static OTHERS: LazyLock<Tickets> = LazyLock::new(|| tickets("a key of somebody else, of 32 bytes as well"));

fn tickets(key: &str) -> Tickets {
    Tickets::new(ClusterKey::given(key), Duration::from_millis(LIFE))
}

fn opened(text: &str, page: &str, now: Timestamp) -> Result<(), BadTicket> {
    TICKETS.open(text, page, now).map(drop)
}

fuzz_target!(|seed: &[u8]| {
    let seed = String::from_utf8_lossy(seed);
    let mut lines = seed.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (token, given_to, shown_by, after, made_up) = (line(), line(), line(), line(), line());
    let given = Timestamp::UNIX_EPOCH;
    let now = given + Duration::from_millis(after.parse::<u32>().unwrap_or_default().into());
    // Nobody seals by guessing, so what was made up is none of ours.
    assert_eq!(opened(made_up, given_to, given), Err(BadTicket::Unreadable));
    let (Ok(token), Ok(operator), Ok(other)) = (Token::new(token), AdminNo::new(7), AdminNo::new(70)) else { return };
    let ticket = TICKETS.issue(operator, given_to, &token, given).text;
    let expected = match () {
        () if now >= given + Duration::from_millis(LIFE) => Err(BadTicket::Late),
        () if shown_by != given_to => Err(BadTicket::OtherPage),
        () => Ok(()),
    };
    assert_eq!(opened(&ticket, shown_by, now), expected);
    assert_eq!(OTHERS.open(&ticket, shown_by, now).map(drop), Err(BadTicket::Unreadable));
    assert_eq!(opened(&format!("{ticket}{made_up}"), given_to, given).is_ok(), made_up.is_empty());
    let Ok(ticket) = TICKETS.open(&ticket, given_to, given) else { panic!("not taken back") };
    assert!(ticket.token.hash() == token.hash() && ticket.is_of(operator) && !ticket.is_of(other));
});
