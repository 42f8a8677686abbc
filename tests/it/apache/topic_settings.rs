//! `check-config` towards real brokers: what of a topic is not as it should be, and what that means.

use crate::{
    contract::topics::checked,
    harness::{Kafka, apache, kafka::Place, topics},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_said_with_what_it_means() {
    if !apache::there_is("apache: settings of topics") {
        return;
    }
    let kafka = Kafka::shared_apache(0).await;
    let (place, dead_letters) =
        (kafka.address, Place::new(kafka.address.to_string(), format!("{}-dlt", kafka.address.topic)));
    let about = |lines: &[String], name: &str| -> Vec<String> {
        let begins = format!("{name}: ");
        lines.iter().filter_map(|line| line.strip_prefix(&begins)).map(str::to_owned).collect()
    };

    // Nothing there.
    let (code, lines) = checked(place);
    assert_eq!(code, Some(1), "nobody could be told anything");
    assert!(about(&lines, place.topic)[0].starts_with("is not there: "), "{lines:#?}");
    assert!(about(&lines, dead_letters.topic)[0].starts_with("is not there: "), "{lines:#?}");
    assert!(about(&lines, place.signals().topic)[0].starts_with("is not there: "), "{lines:#?}");

    // Everything another way.
    let wrong = [
        ("cleanup.policy", "compact"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1073741824"),
        ("message.timestamp.type", "CreateTime"),
        ("unclean.leader.election.enable", "true"),
        ("max.message.bytes", "100000"),
        ("min.insync.replicas", "2"),
    ];
    topics::create_with(place, 17, &wrong).await;
    topics::create_with(dead_letters, 3, &[]).await;
    topics::create_with(place.signals(), 1, &[]).await;
    let (code, lines) = checked(place);
    assert_eq!(code, Some(0), "it can be read");
    assert!(lines.contains(&format!("topic {}: partitions 17, one copy, kept for 7 days", place.topic)), "{lines:#?}");
    let said = about(&lines, place.topic);
    for (key, value) in wrong {
        let begins = format!("{key} is {value}, wanted is ");
        assert!(said.iter().any(|line| line.starts_with(&begins) && line.contains(": ")), "{key} in {said:#?}");
    }
    assert!(said.iter().any(|line| line.starts_with("has one copy")), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("has more than 16 partitions")), "{said:#?}");
    assert_eq!(said.len(), wrong.len() + 2, "{said:#?}");
    assert_eq!(about(&lines, dead_letters.topic).len(), 1, "{lines:#?}");
    assert_eq!(about(&lines, place.signals().topic), [""; 0]);
}
