//! The only maker of texts and data: a notification as one sight sees it.

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    AdminNo, Lang, MallNo, Notification, NotificationId, PartnerNo, Sight, State,
    catalogue::{Catalogue, Class, Entry, Template, Texts, Values, When, index},
    data::{Distinguishes, Fields, Seen, is_link},
    dates,
    event::{Event, Severity},
    fields,
    json::Unreadable,
};

/// The field that counts the states of a job.
const VERSION: &str = "version";

/// A notification whose body has been read: made once, when first somebody wants it.
#[derive(Clone)]
pub struct Prepared {
    id: NotificationId,
    type_name: Arc<str>,
    mall: Option<MallNo>,
    at: Timestamp,
    entry: Arc<Entry>,
    event: Event,
    distinguishes: Distinguishes,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({} {}, {} fields)", self.type_name, self.id, self.event.fields.len())
    }
}

/// A notification as one viewer sees it.
// In the order of part 5 of the design.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
#[serde(rename_all = "camelCase")]
pub struct Wire<'w> {
    /// The one identity: the same on every node, in a repeat, and for everybody.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{21}[AQgw]$")]
    id: NotificationId,
    /// The catalogue's name, such as `order.created`.
    #[serde(rename = "type")]
    type_name: &'w str,
    /// Its group; that of an unknown type is `system`.
    category: &'w str,
    severity: Severity,
    /// Plain text in the language asked for, never markup.
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Where a click leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(https?://|/)")]
    link: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    mall_no: Option<MallNo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mall_name: Option<&'w str>,
    /// The viewer's own or, for operators, the event's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    partner_no: Option<PartnerNo>,
    /// Kafka's time: lists are sorted by it.
    #[schema(format = DateTime)]
    at: String,
    /// When it happened, if the producer says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    occurred_at: Option<String>,
    /// From then on it is of no use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Which item it is about: of one key and one mall a page shows the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<String>,
    /// No sound, no badge.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    silent: bool,
    /// The producer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'w str>,
    /// The admin who did it: on that admin's own page it is shown as read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    actor_no: Option<AdminNo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handled_by: Option<Handler<'w>>,
    /// The event's own fields, as far as the viewer may see them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    data: &'w Map<String, Value>,
}

/// Who settled the item of the key. That it is settled is said also where nobody is named, or to whoever may not know.
#[derive(Serialize, ToSchema)]
#[schema(as = HandledBy)]
#[serde(rename_all = "camelCase")]
struct Handler<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    admin_no: Option<AdminNo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_name: Option<&'w str>,
}

impl Prepared {
    /// Reads the body. Where headers said all that routing needs this is the first look at it, and it may be unreadable.
    pub fn new(notification: &Notification, catalogue: &Catalogue) -> Result<Prepared, Unreadable> {
        let event = Event::read(notification.record())?;
        let entry = Arc::clone(catalogue.entry(&notification.type_name));
        let distinguishes = Fields { entry: &entry, fields: &event.fields }.distinguishes();
        Ok(Prepared {
            id: notification.id,
            type_name: Arc::clone(&notification.type_name),
            mall: notification.mall,
            at: notification.at,
            entry,
            event,
            distinguishes,
        })
    }

    fn fields(&self) -> Fields<'_> {
        Fields { entry: &self.entry, fields: &self.event.fields }
    }

    /// To what this event distinguishes: sights that reduce to the same see the same bytes.
    #[must_use]
    pub fn reduce(&self, sight: Sight) -> Sight {
        self.fields().reduce(self.distinguishes, sight)
    }

    /// Whether it is the running state of a job: a `job` frame, live only.
    #[must_use]
    pub fn is_job(&self) -> bool {
        self.entry.job
    }

    /// Whether the timeline keeps it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.entry.kept
    }

    /// How long the timeline keeps it, where the type has a rule of its own.
    #[must_use]
    pub fn retention(&self) -> Option<SignedDuration> {
        self.entry.retention
    }

    /// No badge and no sound: it is never unread.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.entry.silent
    }

    /// The newest of one key replaces the shown. None where the type has none, or a field of it is missing.
    #[must_use]
    pub fn collapse_key(&self) -> Option<String> {
        self.entry.collapse_key.as_ref()?.fill(&self.event.fields)
    }

    /// Whether it is a state of a job, running or its end: of these the newest alone counts.
    #[must_use]
    pub fn is_of_a_job(&self) -> bool {
        self.entry.job || self.entry.ends_job
    }

    /// What decides whether it replaces another.
    #[must_use]
    pub fn state(&self) -> State {
        let version = || self.event.fields.get(VERSION).and_then(Value::as_u64);
        State {
            mall: self.mall,
            key: self.collapse_key(),
            running: self.entry.job,
            // Only what everybody sees: no client could apply the rule otherwise.
            version: if self.entry.sheet.class(VERSION) == Some(Class::Plain) { version() } else { None },
            occurred: self.occurred(&self.event.fields),
            at: self.at,
            severity: self.severity(),
        }
    }

    /// Whether an admin of this partner did it.
    fn is_by(&self, partner: Option<PartnerNo>) -> bool {
        let by = || fields::get(&self.event.fields, self.entry.actor_partner.as_deref()?);
        let by = by().and_then(|value| serde_json::from_value(value.clone()).ok());
        partner.is_some() && by == partner
    }

    /// As the producer says, else as its type has it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.event.envelope.severity.unwrap_or(self.entry.severity)
    }

    /// As the envelope says, else as the field of the type does, as far as it is in `data`.
    fn occurred(&self, data: &Map<String, Value>) -> Option<Timestamp> {
        let said = self.event.envelope.occurred.as_deref().and_then(dates::read);
        said.or_else(|| dates::read(text_at(data, self.entry.occurred.as_deref()?)?))
    }

    fn expires(&self, data: &Map<String, Value>) -> Option<Timestamp> {
        let said = self.event.envelope.expires.as_deref().and_then(dates::read);
        let field = || dates::read(text_at(data, self.entry.expires.as_deref()?)?);
        // From Kafka's time: the producer's clock decides nothing.
        said.or_else(field).or_else(|| self.at.checked_add(self.entry.lifetime?).ok())
    }

    /// The wire object as one line.
    #[must_use]
    pub fn json(&self, sight: Sight) -> String {
        let seen = self.fields().seen(sight);
        let envelope = &self.event.envelope;
        let (title, body) = self.texts(&seen, sight.lang);
        // A partner's own colleague, or whom the data of this sight names anyway.
        let people = if self.is_by(sight.partner) { &self.event.fields } else { &seen.data };
        let actor_no = self.entry.actor.as_ref().and_then(|field| admin(fields::get(people, field)?));
        let collapse_key = self.collapse_key();
        let closes = |when: &When| collapse_key.is_some() && when.holds(&self.event.fields);
        let handled_by = self.entry.closes.as_ref().is_some_and(closes).then(|| Handler {
            admin_no: actor_no,
            admin_name: self.entry.handled_by.as_ref().and_then(|field| text_at(people, field)),
        });
        let wire = Wire {
            id: self.id,
            type_name: &self.type_name,
            category: &self.entry.category,
            severity: self.severity(),
            title,
            body,
            link: envelope.link.as_deref().or_else(|| seen.text("link")).filter(|link| is_link(link)),
            mall_no: self.mall,
            mall_name: envelope.mall_name.as_deref().or_else(|| seen.text("mallName")),
            partner_no: seen.partner,
            at: dates::rfc3339(self.at),
            occurred_at: self.occurred(&seen.data).map(dates::rfc3339),
            expires_at: self.expires(&seen.data).map(dates::rfc3339),
            collapse_key,
            silent: self.entry.silent,
            correlation_id: envelope.correlation.as_deref(),
            actor_no,
            handled_by,
            data: &seen.data,
        };
        serde_json::to_string(&wire).expect("a struct of texts, numbers and JSON values has a JSON text")
    }

    fn texts(&self, seen: &Seen, lang: Lang) -> (String, Option<String>) {
        let Texts { title, body } = &self.entry.texts[index(lang)];
        // Texts are filled from what this sight sees, so nothing can be in them that is not in its data.
        let find = |path: &str| fields::get(&seen.computed, path).or_else(|| fields::get(&seen.data, path));
        let values = Values { lang, currency: seen.text("currencyCode"), find: &find };
        let own = &self.event.envelope;
        let title = own.title.clone().or_else(|| title.iter().find_map(|text| text.fill(&values)));
        let body = own.body.clone().or_else(|| {
            let part = |texts: &Vec<Template>| texts.iter().find_map(|text| text.fill(&values));
            let parts: Vec<String> = body.iter().filter_map(part).collect();
            (!parts.is_empty()).then(|| parts.join(" · "))
        });
        (title.unwrap_or_else(|| self.type_name.to_string()), body)
    }
}

/// Blank is nobody's name.
fn text_at<'v>(data: &'v Map<String, Value>, path: &str) -> Option<&'v str> {
    fields::get(data, path)?.as_str().filter(|text| !text.trim().is_empty())
}

/// Producers write numbers as texts too.
fn admin(value: &Value) -> Option<AdminNo> {
    serde_json::from_value(value.clone()).ok()
}

impl Seen {
    fn text(&self, field: &str) -> Option<&str> {
        self.data.get(field).and_then(Value::as_str)
    }
}
