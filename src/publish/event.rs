//! What `allim publish` writes: a structured CloudEvent with the key that keeps a mall's order.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::notification::{Audience, MallNo, PartnerNo, Term};

/// A record as it goes to the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub key: Option<String>,
    pub headers: Vec<(String, String)>,
    pub value: Vec<u8>,
}

/// An event that was asked for.
#[derive(Debug, Clone, Default)]
pub struct Event {
    pub kind: String,
    pub mall: Option<MallNo>,
    pub partner: Option<PartnerNo>,
    pub audience: Option<Audience>,
    pub title: Option<String>,
    pub body: Option<String>,
    pub data: Map<String, Value>,
    pub key: Option<String>,
}

impl Event {
    /// Puts the mall and the partner that were asked for into the data, wherever the data name one.
    pub fn settle(&mut self) {
        if let Some(mall) = self.mall {
            let other = self.data.get("mallNo").is_some_and(|there| *there != json!(mall));
            if other {
                // It is the name of the mall that the data were about.
                self.data.shift_remove("mallName");
            }
            self.data.insert("mallNo".to_owned(), json!(mall));
        } else {
            self.mall = self.data.get("mallNo").and_then(number).and_then(|n| MallNo::new(n).ok());
        }
        if let Some(partner) = self.partner {
            self.data.values_mut().for_each(|value| replace_partner(value, partner));
            if self.data.contains_key("partnerNo") {
                self.data.insert("partnerNo".to_owned(), json!(partner));
            }
        }
    }

    /// The record, under an id of its own.
    #[must_use]
    pub fn record(&self, id: &str, now: Timestamp) -> Outgoing {
        let mut event = json!({
            "specversion": "1.0",
            "id": id,
            "source": "/allim/publish",
            "type": self.kind,
            "time": now.to_string(),
            "datacontenttype": "application/json",
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                event[name] = value;
            }
        };
        set("audience", self.audience.as_ref().map(|audience| audience.to_string().into()));
        set("mallno", self.mall.map(|mall| mall.to_string().into()));
        set("partnerno", self.partner.map(|partner| partner.to_string().into()));
        set("title", self.title.clone().map(Value::from));
        set("body", self.body.clone().map(Value::from));
        set("partitionkey", self.key.clone().map(Value::from));
        set("data", Some(Value::Object(self.data.clone())));
        Outgoing {
            key: self.key.clone(),
            headers: vec![("content-type".to_owned(), "application/cloudevents+json; charset=utf-8".to_owned())],
            value: event.to_string().into_bytes(),
        }
    }
}

/// The key of a record: the mall's, so that a mall's notifications keep their order, also for what goes to its partners;
/// else the first that it is for. What is for everyone has none.
#[must_use]
pub fn key_for(mall: Option<MallNo>, audience: &Audience) -> Option<String> {
    let terms = audience.terms();
    let mall = mall.or_else(|| terms.iter().find_map(Term::mall));
    mall.map(|mall| format!("mall:{mall}")).or_else(|| match terms.first()? {
        Term::Everyone => None,
        term => Some(term.to_string()),
    })
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// In every line of an order, say.
fn replace_partner(value: &mut Value, partner: PartnerNo) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "partnerNo" => *value = json!(partner),
                    _ => replace_partner(value, partner),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace_partner(value, partner)),
        _ => {}
    }
}

/// A random UUID (version 4): a repeat with the same id would be taken for one event.
#[must_use]
pub fn fresh_id() -> String {
    let bits = fastrand::u128(..);
    let versioned = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{versioned:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Event {
        let data = json!({"mallNo": 1001, "mallName": "온달몰", "orderNo": "1",
                          "orderProductOptions": [{"partnerNo": 501}, {"partnerNo": "502"}]});
        Event { kind: "order.created".into(), data: data.as_object().unwrap().clone(), ..Event::default() }
    }

    fn written(event: &Event) -> Value {
        let record = event.record("the-id", "2026-11-20T00:00:00Z".parse().unwrap());
        serde_json::from_slice(&record.value).unwrap()
    }

    #[test]
    fn an_event_keeps_its_own_mall_or_takes_the_one_asked_for() {
        let mut event = order();
        event.settle();
        let value = written(&event);
        assert_eq!((&value["type"], &value["id"]), (&json!("order.created"), &json!("the-id")));
        assert_eq!(value["data"]["mallName"], "온달몰");
        assert_eq!(value.get("audience"), None, "the catalogue's rule decides");

        let mut event = Event { mall: Some(MallNo::new(1002).unwrap()), ..order() };
        event.partner = Some(PartnerNo::new(503).unwrap());
        event.settle();
        let value = written(&event);
        assert_eq!(value["data"]["mallNo"], 1002);
        assert_eq!(value["data"].get("mallName"), None);
        assert_eq!(value["data"]["orderProductOptions"], json!([{"partnerNo": 503}, {"partnerNo": 503}]));
    }

    #[test]
    fn a_mall_keeps_its_order_else_whoever_it_is_for() {
        let key = |mall: Option<u64>, audience: &str| {
            key_for(mall.map(|mall| MallNo::new(mall).unwrap()), &audience.parse().unwrap())
        };
        assert_eq!(key(Some(1001), "operator:70001").as_deref(), Some("mall:1001"));
        assert_eq!(key(None, "mall:1002:partner:501").as_deref(), Some("mall:1002"));
        assert_eq!(key(None, "operator:70001").as_deref(), Some("operator:70001"));
        assert_eq!(key(None, "partner:501").as_deref(), Some("partner:501"));
        assert_eq!(key(None, "everyone"), None);
    }

    #[test]
    fn ids_are_random_uuids() {
        let (one, other) = (fresh_id(), fresh_id());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
        assert!(["8", "9", "a", "b"].contains(&&one[19..20]), "{one}");
    }
}
