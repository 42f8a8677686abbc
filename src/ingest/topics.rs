//! What the brokers say of our topics, held against what we rely on: each difference with what it means.

use std::{
    collections::HashMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier},
    client::ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::task;

use super::{Settings, asyncapi::RETENTION_MS};
use crate::brokers::{self, Ear};

/// Somebody waits at a terminal.
const QUESTION: Duration = Duration::from_secs(10);
/// How long of that before it is looked whether the brokers have said why they do not answer.
const LOOKS: Duration = Duration::from_secs(1);
/// Whatever a client has to say it has said by then.
const A_MOMENT: Duration = Duration::from_millis(100);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// With more of them a position has more than 128 letters, which browsers do not send to another origin unasked.
const SHORT_POSITION: usize = 16;

/// Why nothing can be said of the topics, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("the settings for the brokers are not good: {0}")]
    Settings(String),
    #[error("no broker answers at {0}")]
    NoBroker(String),
    /// They say why.
    #[error("{0}")]
    NotLetIn(String),
    #[error("the settings of the topics may not be read: {0}")]
    Refused(KafkaError),
}

/// Hears why nobody answers.
struct Asks(Ear);

impl ClientContext for Asks {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.line(facility, message);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        self.0.error(reason);
    }
}

impl ConsumerContext for Asks {}

/// A topic as the brokers have it.
#[derive(Debug, Default)]
struct Topic {
    name: String,
    /// None: there is no such topic, or none that may be seen.
    partitions: usize,
    replicas: usize,
    /// It is there or not, and not for this user to know.
    hidden: bool,
    /// None: they are not for this user to know.
    settings: Option<HashMap<String, String>>,
}

impl Topic {
    fn is_there(&self) -> bool {
        self.partitions > 0
    }

    fn get(&self, key: &str) -> &str {
        self.settings.as_ref().and_then(|settings| settings.get(key)).map_or("", String::as_str)
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.get(key).parse().ok()
    }

    fn kept(&self) -> String {
        match self.number("retention.ms") {
            None => "for a time that is not told".to_owned(),
            Some(-1) => "for ever".to_owned(),
            Some(DAY_MS) => "for a day".to_owned(),
            Some(ms) if ms >= DAY_MS && ms % DAY_MS == 0 => format!("for {} days", ms / DAY_MS),
            Some(ms) if ms >= 2 * HOUR_MS => format!("for {} hours", ms / HOUR_MS),
            Some(ms) => format!("for {} seconds", ms / 1000),
        }
    }
}

/// How the topics are.
#[derive(Debug)]
pub struct Report {
    /// Lines for whoever reads them at a terminal: what is there, and what differs.
    pub text: String,
    /// Whether that of the notifications is there, and may be read.
    pub can_be_followed: bool,
}

/// Asks the brokers, and judges what they say.
pub async fn report(settings: &Settings) -> Result<Report, NoAnswer> {
    let names = [settings.topic.clone(), format!("{}-dlt", settings.topic), settings.signals_topic()];
    let topics = ask(settings, names).await?;
    let mut report = String::new();
    for topic in topics.iter().filter(|topic| topic.is_there()) {
        let Topic { name, partitions, replicas, .. } = topic;
        let copies = if *replicas == 1 { "one copy" } else { &format!("{replicas} copies") };
        let _ = writeln!(report, "  topic {name}: partitions {partitions}, {copies}, kept {}", topic.kept());
    }
    let [notifications, dead_letters, signals] = &topics;
    let mut all =
        [of_notifications(notifications, settings), of_dead_letters(dead_letters, notifications), of_signals(signals)];
    for (topic, lines) in topics.iter().zip(&mut all).filter(|(topic, _)| topic.hidden) {
        *lines = vec![format!("may not be seen by this user, who needs ACLs on it: {}", needs(topic, settings))];
    }
    for (topic, line) in
        topics.iter().zip(all).flat_map(|(topic, lines)| lines.into_iter().map(move |line| (topic, line)))
    {
        let _ = writeln!(report, "  {}: {line}", topic.name);
    }
    Ok(Report { text: report, can_be_followed: topics[0].is_there() })
}

fn needs(topic: &Topic, settings: &Settings) -> &'static str {
    if topic.name == settings.topic || topic.name == settings.signals_topic() {
        "Read, Describe"
    } else {
        "Write, Describe"
    }
}

/// Blocks. In a client's first seconds it may not know its brokers, or why they do not answer.
fn look(consumer: &BaseConsumer<Asks>, topic: &mut Topic, servers: &str) -> Result<(), NoAnswer> {
    let began = Instant::now();
    let metadata = loop {
        match consumer.fetch_metadata(Some(&topic.name), LOOKS) {
            Ok(metadata) => break metadata,
            Err(_) => {
                // What the client has to say it says to whoever polls.
                while consumer.poll(A_MOMENT).is_some() && began.elapsed() < QUESTION {}
                match consumer.context().0.trouble() {
                    Some(trouble) => return Err(NoAnswer::NotLetIn(trouble.to_string())),
                    None if began.elapsed() >= QUESTION => return Err(NoAnswer::NoBroker(servers.to_owned())),
                    None => {}
                }
            }
        }
    };
    let Some(there) = metadata.topics().iter().find(|one| one.name() == topic.name) else { return Ok(()) };
    match there.error().map(RDKafkaErrorCode::from) {
        None => {
            topic.partitions = there.partitions().len();
            topic.replicas = there.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
        }
        Some(error) => topic.hidden = error == RDKafkaErrorCode::TopicAuthorizationFailed,
    }
    Ok(())
}

async fn ask(settings: &Settings, names: [String; 3]) -> Result<[Topic; 3], NoAnswer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", &settings.client_id)
        .set("allow.auto.create.topics", "false");
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    let refused = |error: KafkaError| NoAnswer::Settings(brokers::refused(&error));
    let asks = || Asks(Ear::new(&settings.properties));
    let consumer = BaseConsumer::from_config_and_context(&config, asks()).map_err(refused)?;
    let servers = settings.bootstrap_servers.clone();
    let mut topics = names.map(|name| Topic { name, ..Topic::default() });
    let looked = task::spawn_blocking(move || {
        topics.iter_mut().try_for_each(|topic| look(&consumer, topic, &servers)).map(|()| topics)
    });
    let mut topics = looked.await.unwrap_or_else(|_| Err(NoAnswer::NoBroker(settings.bootstrap_servers.clone())))?;
    let asked: Vec<ResourceSpecifier<'_>> =
        topics.iter().filter(|topic| topic.is_there()).map(|topic| ResourceSpecifier::Topic(&topic.name)).collect();
    if asked.is_empty() {
        return Ok(topics);
    }
    let client = AdminClient::from_config_and_context(&config, asks()).map_err(refused)?;
    let options = AdminOptions::new().request_timeout(Some(QUESTION));
    let told = client.describe_configs(&asked, &options).await.map_err(NoAnswer::Refused)?;
    // Of what is denied rdkafka makes a topic without settings.
    let told = told.into_iter().map(|told| told.ok().map(as_map).filter(|settings| !settings.is_empty()));
    topics.iter_mut().filter(|topic| topic.is_there()).zip(told).for_each(|(topic, told)| topic.settings = told);
    let _ = task::spawn_blocking(move || drop(client)).await;
    Ok(topics)
}

fn as_map(resource: ConfigResource) -> HashMap<String, String> {
    resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

fn of_notifications(topic: &Topic, settings: &Settings) -> Vec<String> {
    if !topic.is_there() {
        return vec!["is not there: until somebody creates it (kafka/topics does) nobody is told anything".to_owned()];
    }
    let mut lines = if topic.settings.is_some() {
        differences(topic, settings)
    } else {
        vec!["its settings may not be read by this user; with the ACL DescribeConfigs they are looked at".to_owned()]
    };
    if topic.replicas == 1 {
        lines.push("has one copy, wanted are 3: with that disk goes what the timeline does not have yet".to_owned());
    }
    if topic.partitions > SHORT_POSITION {
        lines.push(format!(
            "has more than {SHORT_POSITION} partitions: pages of other origins ask once more before each reconnect (a preflight)"
        ));
    }
    lines
}

fn differences(topic: &Topic, settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let mut differs = |is: bool, key: &str, wanted: &str, means: &str| {
        if is {
            lines.push(format!("{key} is {}, wanted is {wanted}: {means}", topic.get(key)));
        }
    };
    let [compacted, producers_clock, unclean] = [
        topic.get("cleanup.policy") != "delete",
        topic.get("message.timestamp.type") != "LogAppendTime",
        topic.get("unclean.leader.election.enable") != "false",
    ];
    differs(compacted, "cleanup.policy", "delete", "of each key all but the newest event vanishes, seen or not");
    let short = topic.number("retention.ms").is_none_or(|ms| ms != -1 && ms < RETENTION_MS);
    let days = format!("{RETENTION_MS} (14 days) or more");
    differs(
        short,
        "retention.ms",
        &days,
        "a timeline that stood still for longer, or was lost, cannot be filled from Kafka",
    );
    let sized = topic.number("retention.bytes").is_some_and(|bytes| bytes != -1);
    differs(sized, "retention.bytes", "-1", "on a busy day events go before their time is over");
    let means = "the list and its dates follow the producers' clocks, the wrong ones too";
    differs(producers_clock, "message.timestamp.type", "LogAppendTime", means);
    let means = "when disks fail acknowledged events may vanish; who listens is told of a gap";
    differs(unclean, "unclean.leader.election.enable", "false", means);
    let alone = topic.replicas > 1 && topic.number("min.insync.replicas").is_none_or(|replicas| replicas < 2);
    differs(alone, "min.insync.replicas", "2", "an event is acknowledged as soon as one disk has it");
    let copies = i64::try_from(topic.replicas).unwrap_or(i64::MAX);
    let too_many = topic.number("min.insync.replicas").is_some_and(|wanted| wanted > copies);
    let means = "there are no more copies, and older brokers acknowledge nothing at all";
    differs(too_many, "min.insync.replicas", &format!("{copies} or less"), means);
    let most = i64::try_from(settings.max_record_bytes).unwrap_or(i64::MAX);
    let narrow = topic.number("max.message.bytes").is_some_and(|bytes| bytes < most);
    let wanted = format!("{most} (kafka.max_record_bytes) or more");
    differs(narrow, "max.message.bytes", &wanted, "notifications that we would show cannot be published");
    lines
}

fn of_dead_letters(topic: &Topic, notifications: &Topic) -> Vec<String> {
    if !topic.is_there() {
        return vec!["is not there: dead letters are kept in the timeline alone".to_owned()];
    }
    let fewer = topic.partitions < notifications.partitions;
    let line = "has fewer partitions than the notifications: a dead letter may lie in another one than its record did";
    fewer.then(|| line.to_owned()).into_iter().collect()
}

fn of_signals(topic: &Topic) -> Vec<String> {
    let line = "is not there: rights that end are noticed when they are asked for again, within a minute";
    (!topic.is_there()).then(|| line.to_owned()).into_iter().collect()
}
