//! What a listener proves itself with: a token, or a ticket that carries one.

use std::sync::Arc;

use http::request::Parts;
use jiff::Timestamp;

use super::{Doors, extract, origin::Page, problem::Problem};
use crate::{
    identity::{
        Refused, Token,
        tickets::{BadTicket, Opened},
    },
    notification::Viewer,
};

/// Shown by a request, and not yet asked about.
pub struct Proof {
    /// Asked about now, and again while the stream is open.
    pub token: Token,
    ticket: Option<Shown>,
}

struct Shown {
    ticket: Opened,
    /// A browser sends its cookie along with a ticket.
    beside: Option<Token>,
}

impl Proof {
    /// Asks nobody.
    pub fn of(parts: &Parts, page: &Page, doors: &Doors) -> Result<Proof, Problem> {
        let token = extract::token(parts, &doors.cookie);
        let Some(text) = extract::ticket(&parts.uri) else { return Ok(Proof { token: token?, ticket: None }) };
        let beside = match token {
            Ok(token) => Some(token),
            Err(Problem::NoToken) => None,
            Err(problem) => return Err(problem),
        };
        match doors.tickets.open(&text, &page.name, Timestamp::now()) {
            Ok(ticket) => Ok(Proof { token: ticket.token.clone(), ticket: Some(Shown { ticket, beside }) }),
            Err(bad) => Err(refuse(bad, doors)),
        }
    }

    /// Whose it is. A ticket is still good after it: whoever is sent away because nobody can say who it is may return
    /// with it.
    pub async fn viewer(&self, doors: &Doors) -> Result<Arc<Viewer>, Problem> {
        let viewer = doors.identity.who(&self.token).await?;
        let Some(Shown { ticket, beside }) = &self.ticket else { return Ok(viewer) };
        if let Some(beside) = beside {
            match doors.identity.who(beside).await {
                Ok(other) if !ticket.is_of(other.admin) => return Err(refuse(BadTicket::OtherOperator, doors)),
                // What names nobody, such as the cookie of yesterday, contradicts nothing.
                Ok(_) | Err(Refused::Unknown) => {}
                Err(unavailable) => return Err(unavailable.into()),
            }
        }
        Ok(viewer)
    }

    /// Uses up the ticket, if there is one: what it is for is given now.
    pub fn spend(&self, viewer: &Viewer, doors: &Doors) -> Result<(), Problem> {
        let Some(Shown { ticket, .. }) = &self.ticket else { return Ok(()) };
        doors.tickets.spend(ticket, viewer.admin, Timestamp::now()).map_err(|bad| refuse(bad, doors))?;
        doors.metrics.tickets.with("redeemed").inc();
        Ok(())
    }
}

/// Counted, and said so that it can be helped.
fn refuse(bad: BadTicket, doors: &Doors) -> Problem {
    let (outcome, problem) = match bad {
        BadTicket::Unreadable => ("unreadable", Problem::BadTicket),
        BadTicket::Ahead => ("ahead", Problem::BadTicket),
        BadTicket::Late => ("late", Problem::LateTicket),
        BadTicket::Used => ("used", Problem::UsedTicket),
        BadTicket::OtherPage => ("other_page", Problem::TicketOfOtherPage),
        BadTicket::OtherOperator => ("other_operator", Problem::TicketOfOtherOperator),
        BadTicket::Full => ("full", Problem::Overload),
    };
    doors.metrics.tickets.with(outcome).inc();
    problem
}
