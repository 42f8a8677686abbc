//! Examples that are true: the catalogue's events, as they are sent, and as the server itself then shows them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    http::{Doors, publish::Publishing},
    ingest::RawRecord,
    notification::{Catalogue, Coordinates, Epoch, Lang, Prepared, Sight},
};

/// A type that names nobody: its rule finds operators and partners.
const KNOWN: &str = "order.created";
const WHEN: Timestamp = Timestamp::constant(1_795_154_730, 0);

/// Into the operations that they are examples of.
pub fn put_into(document: &mut Value, doors: &Doors) {
    let notice = json!({
        "type": "notice.published", "audience": "mall:1001", "mallNo": 1001, "title": "점검 안내", "id": "notice-3301",
    });
    let mut requests = Map::new();
    requests.insert("addressed".to_owned(), json!({ "summary": "To a mall, in words of its own", "value": notice }));
    let known = known(&doors.catalogue);
    if let Some(event) = &known {
        requests.insert(
            "known".to_owned(),
            json!({ "summary": "Of a known type: its rule finds who sees it", "value": event }),
        );
    }
    // The key's own: that of the demo, or of somebody.
    let source = if doors.demo.is_some() { "/publishers/demo" } else { "/publishers/shop" };
    let cloud_event = json!({
        "specversion": "1.0", "id": "notice-3302", "source": source, "type": "notice.published",
        "audience": "mall:1001", "mallno": "1001", "title": "점검 안내",
    });
    let publish = &mut document["paths"]["/notifications"]["post"]["requestBody"]["content"];
    publish["application/json"]["examples"] = requests.into();
    publish["application/cloudevents+json"]["examples"] =
        json!({ "addressed": { "summary": "To a mall", "value": cloud_event } });

    let shown = known.and_then(|event| shown(&event, &doors.publishing, &doors.catalogue));
    if let Some(notification) = shown {
        let page =
            json!({ "items": [{ "notification": notification, "read": false }], "position": "AdRFidVFAQuxAAAA" });
        document["paths"]["/timeline"]["get"]["responses"]["200"]["content"]["application/json"]["example"] = page;
        let stream = format!("id: AdRFidVFAQuxAAAA\ndata: {notification}\n\n");
        document["paths"]["/notifications"]["get"]["responses"]["200"]["content"]["text/event-stream"]["example"] =
            stream.into();
    }
}

fn known(catalogue: &Catalogue) -> Option<Value> {
    let data = catalogue.example(KNOWN).filter(|data| !data.is_empty())?;
    Some(json!({ "type": KNOWN, "id": "order-1", "data": data }))
}

/// As an operator sees it who may see all of it.
fn shown(event: &Value, publishing: &Publishing, catalogue: &Catalogue) -> Option<Value> {
    let value = event.to_string();
    let coordinates = Coordinates { epoch: Epoch(0), partition: 0, offset: 0 };
    let headers = vec![("content-type", Some("application/json".as_bytes()))];
    let raw = RawRecord { coordinates, timestamp: WHEN, key: None, headers, value: Some(value.as_bytes()) };
    let notification = publishing.decoder().decode(&raw).ok()?;
    let prepared = Prepared::new(&notification, catalogue).ok()?;
    serde_json::from_str(&prepared.json(Sight { partner: None, personal: true, lang: Lang::Ko })).ok()
}
