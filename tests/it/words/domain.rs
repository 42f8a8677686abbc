//! The example events of the domain's own page, as they come over Kafka: what each of three people reads of them.

use std::fmt::Write as _;

use allim::notification::{Lang, Sight};
use serde_json::Value;

use super::{decode, operator, partner, prepared, texts::assert_finished, wire};

#[test]
fn every_example_of_the_domain_reads_well() {
    let people = [
        ("operator", operator(true, Lang::Ko)),
        ("operator without personal data", operator(false, Lang::Ko)),
        ("partner 12034", partner(12034, false, Lang::Ko)),
    ];
    let mut page = String::new();
    for line in include_str!("examples.jsonl").lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let notification = decode(&event).expect("a notification");
        let number = event["id"].as_str().and_then(|id| id.split_once('X')).expect("a number").1;
        writeln!(page, "\n{number} {} for {}", notification.type_name, notification.audience).expect("a String");
        let mut told: Vec<Sight> = Vec::new();
        for (who, sight) in people {
            // Whom it is not for sees nothing of it; and who sees the same is not listed twice.
            let is_for_partners = notification.audience.to_string().contains("12034")
                || notification.audience.to_string().contains("everyone");
            let reduced = prepared(&notification).reduce(sight);
            if sight.partner.is_some() && !is_for_partners || told.contains(&reduced) {
                continue;
            }
            told.push(reduced);
            let mut said = Vec::new();
            for lang in [Lang::Ko, Lang::En] {
                let seen = wire(&notification, Sight { lang, ..sight });
                assert_finished(&seen["title"], line);
                if let Some(body) = seen.get("body") {
                    assert_finished(body, line);
                }
                let text = |name: &str| seen[name].as_str().unwrap_or("–").to_owned();
                said.push(format!("  {who}: {} | {}", text("title"), text("body")));
                if lang == Lang::En {
                    said.push(format!("    {}", facts(&seen)));
                }
            }
            writeln!(page, "{}", said.join("\n")).expect("a String");
        }
    }
    insta::assert_snapshot!(page);
}

/// All of the wire object but texts and data, and of the data the names.
fn facts(seen: &Value) -> String {
    let apart = ["id", "type", "title", "body", "at", "data"];
    let members = seen.as_object().expect("an object").iter().filter(|(name, _)| !apart.contains(&name.as_str()));
    let mut facts: Vec<String> = members.map(|(name, value)| format!("{name}={value}")).collect();
    let fields = seen["data"].as_object().map(|data| data.keys().cloned().collect::<Vec<_>>().join(" "));
    facts.push(format!("data: {}", fields.unwrap_or_else(|| "none".to_owned())));
    facts.join(" ")
}
