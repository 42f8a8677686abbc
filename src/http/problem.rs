//! Why a request is not served: every refusal as status, stable code and words, in one table, with no internals.

use http::StatusCode;

use crate::identity::Refused;

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    NoToken,
    BadToken,
    TokenInUrl,
    BadTicket,
    LateTicket,
    UsedTicket,
    TicketOfOtherPage,
    TicketOfOtherOperator,
    OriginRefused,
    BadLanguage,
    UpgradeRequired,
    BadHandshake,
    UnknownProtocol,
    HostRequired,
    AddressTooLong,
    NotFound,
    MethodNotAllowed,
    NoKey,
    BadKey,
    PageMayNotPublish,
    MayNotAddress,
    BadDryRun,
    NotJson,
    TooLarge,
    BodyBroken,
    BodyTooSlow,
    Unreadable,
    Invalid,
    KafkaUnavailable,
    BadQuestion,
    TimelineUnavailable,
    TimelineDamaged,
    EnoughUnderWay,
    Overload,
    AccountsUnavailable,
    Internal,
}

impl Problem {
    /// In the order of their declaration, of which `Internal` is the last.
    #[cfg(test)]
    pub const ALL: &[Problem] = {
        use Problem::*;
        &[
            NoToken,
            BadToken,
            TokenInUrl,
            BadTicket,
            LateTicket,
            UsedTicket,
            TicketOfOtherPage,
            TicketOfOtherOperator,
            OriginRefused,
            BadLanguage,
            UpgradeRequired,
            BadHandshake,
            UnknownProtocol,
            HostRequired,
            AddressTooLong,
            NotFound,
            MethodNotAllowed,
            NoKey,
            BadKey,
            PageMayNotPublish,
            MayNotAddress,
            BadDryRun,
            NotJson,
            TooLarge,
            BodyBroken,
            BodyTooSlow,
            Unreadable,
            Invalid,
            KafkaUnavailable,
            BadQuestion,
            TimelineUnavailable,
            TimelineDamaged,
            EnoughUnderWay,
            Overload,
            AccountsUnavailable,
            Internal,
        ]
    };

    /// Its code, and what to do about it.
    pub fn said(self) -> (&'static str, &'static str) {
        let (_, code, detail) = self.row();
        (code, detail)
    }

    /// Whether another token, or a new ticket, is all that is missing.
    pub fn is_about_who_asks(self) -> bool {
        self.row().0 == StatusCode::UNAUTHORIZED
    }

    pub fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Problem::NoToken => (
                StatusCode::UNAUTHORIZED,
                "no_token",
                "Send a token: `Authorization: Bearer …`, the cookie of the back office, or a ticket that you got with one of them.",
            ),
            Problem::BadToken => (StatusCode::UNAUTHORIZED, "bad_token", "The token is not known, or has ended."),
            Problem::TokenInUrl => (
                StatusCode::BAD_REQUEST,
                "token_in_url",
                "A token in a URL ends up in logs and histories. Send it as `Authorization: Bearer …` or as a cookie, or get a ticket for it: `POST /tickets`.",
            ),
            Problem::BadTicket => {
                ticket("bad_ticket", "The ticket is none of this server, or was changed. Get a new one.")
            }
            Problem::LateTicket => {
                ticket("late_ticket", "The ticket's time is over. Get a new one and use it at once.")
            }
            Problem::UsedTicket => {
                ticket("used_ticket", "The ticket was used before. Get a new one for each connection.")
            }
            Problem::TicketOfOtherPage => {
                ticket("ticket_of_other_page", "The ticket was given to a page of another origin. Get one from here.")
            }
            Problem::TicketOfOtherOperator => {
                ticket("ticket_of_other_operator", "The ticket is not for who the token or the cookie beside it is.")
            }
            Problem::OriginRefused => (
                StatusCode::FORBIDDEN,
                "origin_refused",
                "Pages of this origin may not come in here. The server's setting is ALLIM_ALLOWED_ORIGINS.",
            ),
            Problem::BadLanguage => (StatusCode::BAD_REQUEST, "bad_language", "`lang` is `ko` or `en`."),
            Problem::UpgradeRequired
            | Problem::BadHandshake
            | Problem::UnknownProtocol
            | Problem::AddressTooLong
            | Problem::HostRequired => self.row_of_the_wire(),
            Problem::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing here."),
            Problem::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take this method.")
            }
            Problem::NoKey
            | Problem::BadKey
            | Problem::PageMayNotPublish
            | Problem::MayNotAddress
            | Problem::BadDryRun
            | Problem::NotJson
            | Problem::TooLarge
            | Problem::BodyBroken
            | Problem::BodyTooSlow
            | Problem::Unreadable
            | Problem::Invalid
            | Problem::KafkaUnavailable => self.row_of_publishing(),
            Problem::BadQuestion | Problem::TimelineUnavailable | Problem::TimelineDamaged => {
                self.row_of_the_timeline()
            }
            Problem::EnoughUnderWay | Problem::Overload | Problem::AccountsUnavailable | Problem::Internal => {
                self.row_of_the_server()
            }
        }
    }
}

impl Problem {
    fn row_of_the_wire(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Problem::UpgradeRequired => (
                StatusCode::UPGRADE_REQUIRED,
                "upgrade_required",
                "Here WebSockets begin: a GET over HTTP/1.1 with `Connection: upgrade`, `Upgrade: websocket` and `Sec-WebSocket-Version: 13`.",
            ),
            Problem::BadHandshake => {
                (StatusCode::BAD_REQUEST, "bad_handshake", "`Sec-WebSocket-Key` is one header of 16 bytes in base64.")
            }
            Problem::UnknownProtocol => {
                (StatusCode::BAD_REQUEST, "unknown_protocol", "The sub-protocol spoken here is `allim.v1`.")
            }
            Problem::AddressTooLong => (
                StatusCode::URI_TOO_LONG,
                "address_too_long",
                "An address has 8 KB at most: path, ticket and position together.",
            ),
            _ => (StatusCode::BAD_REQUEST, "host_required", "A request names exactly one host."),
        }
    }
}

impl Problem {
    fn row_of_publishing(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Problem::NoKey => (
                StatusCode::UNAUTHORIZED,
                "no_key",
                "Who publishes has a key: `Authorization: Bearer …`. The server's setting is ALLIM_PUBLISHERS.",
            ),
            Problem::PageMayNotPublish => (
                StatusCode::FORBIDDEN,
                "origin_refused",
                "Services publish, and our own pages; pages of other origins do not.",
            ),
            Problem::MayNotAddress => {
                (StatusCode::FORBIDDEN, "may_not_address", "This key may not address everybody whom this is for.")
            }
            Problem::BadDryRun => (
                StatusCode::BAD_REQUEST,
                "bad_dry_run",
                "`dryRun`, once and `true` or `false`, is all that stands behind the `?`.",
            ),
            Problem::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "Send `Content-Type: application/json`, or `application/cloudevents+json` with a CloudEvent.",
            ),
            Problem::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The body is too large: a notification has 256 KB at most, or what is set here.",
            ),
            Problem::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken", "The body ended before its end."),
            Problem::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body took too long."),
            Problem::Unreadable => {
                (StatusCode::BAD_REQUEST, "unreadable", "The body is no JSON object that can be read.")
            }
            Problem::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "Something is wrong with this notification; `errors` says what.",
            ),
            Problem::KafkaUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "kafka_unavailable",
                "Kafka did not acknowledge it in time. It may have come to lie there all the same: send it again with this `id`, and it is one notification.",
            ),
            // What is left says no more of itself than that.
            _ => (StatusCode::UNAUTHORIZED, "bad_key", "This key may publish nothing here."),
        }
    }
}

impl Problem {
    fn row_of_the_timeline(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Problem::BadQuestion => {
                (StatusCode::BAD_REQUEST, "bad_question", "Something is wrong with this question; `errors` says what.")
            }
            Problem::TimelineUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "timeline_unavailable",
                "The timeline gives no answer. What comes is delivered all the same; ask again later.",
            ),
            _ => (
                StatusCode::SERVICE_UNAVAILABLE,
                "timeline_damaged",
                "The timeline is damaged and shows nothing rather than something wrong. Whoever runs it finds in its log what to do.",
            ),
        }
    }
}

impl Problem {
    fn row_of_the_server(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Problem::EnoughUnderWay => (
                StatusCode::TOO_MANY_REQUESTS,
                "enough_under_way",
                "Enough of yours is under way. Come back when something of it has ended.",
            ),
            Problem::Overload => (StatusCode::SERVICE_UNAVAILABLE, "overload", "Too much to do. Come back later."),
            Problem::AccountsUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "accounts_unavailable",
                "The account service gives no answer. Come back later with the same token.",
            ),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here."),
        }
    }
}

/// None of these is a secret: the exact ones are told only of tickets that are ours.
const fn ticket(code: &'static str, detail: &'static str) -> (StatusCode, &'static str, &'static str) {
    (StatusCode::UNAUTHORIZED, code, detail)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        match refused {
            Refused::Unknown => Problem::BadToken,
            Refused::Unavailable => Problem::AccountsUnavailable,
        }
    }
}
