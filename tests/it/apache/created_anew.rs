//! A topic created anew whose log is longer at once: the leader epoch falls, and nothing of it passes for the old log.

use crate::harness::{Accounts, Kafka, Listener, Publisher, Server, accounts::token, apache, topics};

/// Row 6 again, at its hardest: what is read next is at an offset that the old log would have reached, too. Each restart
/// of a broker raises the epoch of its leadership, so the old topic's is above the new one's.
#[tokio::test(flavor = "multi_thread")]
async fn fault_06_nothing_of_the_new_log_is_told_as_if_it_were_of_the_old_one() {
    if !apache::there_is("apache: a topic created anew") {
        return;
    }
    let (mut kafka, accounts) = (Kafka::own_apache(1, 1).await, Accounts::start().await);
    let server = Server::start(&kafka, &accounts, &[]).await;
    let mut listener = Listener::open(server.address, &token(1, &[7], None, false), None).await;
    listener.live().await;
    let publisher = Publisher::new(kafka.address);
    for i in 0..3 {
        kafka.go_away().await;
        kafka.come_back().await;
        publisher.tell("mall:7", "mall:7", &format!("old {i}")).await;
        listener.hears(&format!("old {i}")).await;
    }
    listener.live().await;
    for round in 0..3 {
        listener.story.gaps.clear();
        topics::create_anew(kafka.address, 1).await;
        let publisher = Publisher::new(kafka.address);
        let titles: Vec<String> = (0..50).map(|i| format!("new {round}.{i}")).collect();
        for title in &titles {
            publisher.tell("mall:7", "mall:7", title).await;
        }
        let before = listener.story.titles().len();
        while listener.story.gaps.is_empty() {
            listener.next().await.expect("the stream goes on");
        }
        assert_eq!(listener.story.titles()[before..], [""; 0], "told before the gap");
        listener.hears(&titles[49]).await;
        assert_eq!(
            (listener.story.titles()[before..].to_vec(), &*listener.story.gaps),
            (titles.iter().map(|title| &**title).collect(), &["epoch".to_owned()][..])
        );
    }
}
