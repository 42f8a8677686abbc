//! Which refusals each operation may answer with: one table, whose rows become responses with the words of `problem.rs`.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{
        AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
    },
};

use crate::http::problem::Problem::{self, *};

/// What comes before any operation; `not_found` and `method_not_allowed` are those of no operation.
const BEFORE_ALL: &[Problem] = &[HostRequired, AddressTooLong, Internal];
/// With too many connections everybody is told so but those who ask how we are.
const TOO_MUCH: &[Problem] = &[Overload];
/// Of who shows a token, from a page that may.
const WHO: &[Problem] = &[OriginRefused, TokenInUrl, NoToken, BadToken, AccountsUnavailable];
/// Of who may show a ticket instead.
const TICKET: &[Problem] = &[BadTicket, LateTicket, UsedTicket, TicketOfOtherPage, TicketOfOtherOperator];
const BODY: &[Problem] = &[TooLarge, BodyBroken, BodyTooSlow, Unreadable];
const TIMELINE: &[Problem] = &[NotFound, TimelineUnavailable, TimelineDamaged];

/// hyper's own answer, which has no body and none of our headers.
const HEAD_TOO_LARGE: &str = "431";

macro_rules! refusals {
    ($($operation:ident: [$($group:ident),*] $($problem:ident)*;)*) => {
        $(
            pub struct $operation;

            impl IntoResponses for $operation {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    responses(&[BEFORE_ALL, $($group,)* &[$($problem),*]])
                }
            }
        )*

        /// Of all operations together.
        #[cfg(test)]
        pub fn every() -> Vec<Problem> {
            [BEFORE_ALL, $($($group,)* &[$($problem),*],)*].concat()
        }
    };
}

refusals! {
    // Operation: what it shares with others, and its own.
    Listening: [TOO_MUCH, WHO, TICKET] BadLanguage;
    WebSocket: [] UpgradeRequired BadHandshake UnknownProtocol OriginRefused TokenInUrl BadLanguage;
    Publishing: [TOO_MUCH, BODY] PageMayNotPublish NoKey BadKey TokenInUrl BadDryRun NotJson Invalid MayNotAddress KafkaUnavailable;
    Tickets: [TOO_MUCH, WHO];
    List: [TOO_MUCH, WHO, TIMELINE] BadLanguage BadQuestion;
    UnreadCount: [TOO_MUCH, WHO, TIMELINE];
    Read: [TOO_MUCH, WHO, TIMELINE, BODY] NotJson BadQuestion;
    Health:  [];
    Open: [TOO_MUCH];
    DemoTraffic: [TOO_MUCH, BODY] OriginRefused Invalid;
    DemoAct: [TOO_MUCH, WHO, BODY] Invalid;
    DemoExport: [TOO_MUCH, WHO, BODY] EnoughUnderWay;
    DemoFile: [TOO_MUCH, WHO, TICKET] NotFound;
}

fn responses(groups: &[&[Problem]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Problem>> = BTreeMap::new();
    for problem in groups.concat() {
        let of_status = by_status.entry(problem.row().0.as_u16()).or_default();
        if !of_status.contains(&problem) {
            of_status.push(problem);
        }
    }
    let of_problems = by_status.into_iter().map(|(status, problems)| (status.to_string(), told(status, &problems)));
    let of_hyper = ResponseBuilder::new().description("The head of the request has more than 32 KB or 100 headers.");
    of_problems
        .map(|(status, response)| (status, response.into()))
        .chain([(HEAD_TOO_LARGE.to_owned(), of_hyper.build().into())])
        .collect()
}

/// All that one status may mean here.
fn told(status: u16, problems: &[Problem]) -> Response {
    let rows = problems.iter().map(|problem| problem.row());
    let mut codes: Vec<&str> = rows.clone().map(|(_, code, _)| code).collect();
    codes.dedup();
    let description: Vec<String> = rows.map(|(_, code, detail)| format!("- `{code}`: {detail}")).collect();
    let narrowed = ObjectBuilder::new()
        .property("status", ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([status])))
        .property("code", ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)));
    let schema = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(narrowed);
    let response = ResponseBuilder::new()
        .description(description.join("\n"))
        .content("application/problem+json", ContentBuilder::new().schema(Some(schema)).build());
    let header = |kind, said: &str| {
        HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(kind))).description(Some(said)).build()
    };
    let response = match status {
        401 => response.header("WWW-Authenticate", header(Type::String, "`Bearer`.")),
        426 => response.header("Upgrade", header(Type::String, "`websocket`.")),
        503 => response.header("Retry-After", header(Type::Integer, "Seconds after which to come back.")),
        _ => response,
    };
    response.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_that_of_some_operation_or_of_none_at_all() {
        assert_eq!(Problem::ALL.len(), Internal as usize + 1, "one is missing in the list of all");
        let every = every();
        for problem in Problem::ALL {
            let is_of_none = *problem == MethodNotAllowed;
            assert_eq!(every.contains(problem), !is_of_none, "{problem:?}");
        }
    }

    #[test]
    fn what_one_status_may_mean_stands_in_one_response() {
        let all = List::responses();
        let text = serde_json::to_value(&all["400"]).unwrap().to_string();
        for code in ["host_required", "token_in_url", "bad_language", "bad_question"] {
            assert_eq!(text.matches(&format!("\"{code}\"")).count(), 1, "{text}");
        }
        assert!(all.contains_key("503") && !all.contains_key("415"));
    }
}
