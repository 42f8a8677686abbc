//! Settings: all mistakes at once, no secret shown, and nothing starts with a bad one.

use std::{fs, path::Path, process::Command, time::Duration};

use allim::config::{self, Accounts, Broker, Environment, Purpose, Settings};
use tempfile::TempDir;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads with this text as `allim.toml` and these variables; a mistake is a list of lines.
fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let folder = TempDir::new().unwrap();
    if !file.is_empty() {
        fs::write(folder.path().join("allim.toml"), file).unwrap();
    }
    config::load(Purpose::Serve, None, folder.path(), &environment(variables))
        .map_err(|complaints| complaints.to_string().lines().map(str::to_owned).collect())
}

#[test]
fn without_any_setting_a_demo_runs() {
    let settings = load("", &[]).unwrap();
    assert_eq!(settings.broker, Broker::Embedded { listen: None, log_max_bytes: 1 << 30 });
    assert_eq!(settings.accounts, Accounts::Demo);
    assert_eq!(settings.http.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(settings.ingest.topic, "BACKOFFICE-NOTIFICATIONS");
    assert_eq!(settings.ticket_life, Duration::from_secs(30));
    assert!(settings.ingest.legacy_text, "people paste what the old page took");
    assert_eq!(settings.deliver.drain_window, Duration::ZERO);
    assert!(settings.data_dir.is_absolute());
    assert!(settings.report().starts_with("settings are good\n"));
}

#[test]
fn with_real_brokers_the_careful_defaults_hold() {
    let file = "[kafka]\nbootstrap_servers = [\"kafka-1:9092\", \"[::1]:9092\"]\n[kafka.properties]\n\
                \"client.rack\" = \"hunter2\"\n\"socket.timeout.ms\" = 9000\n\
                [accounts]\nurl = \"https://accounts.example.com/auth/me\"\n";
    let settings = load(file, &[("ALLIM_KAFKA_TOPIC", "OTHER"), ("ALLIM_ACCOUNTS_CONCURRENT", "8")]).unwrap();
    assert_eq!(settings.broker, Broker::Real);
    assert_eq!(settings.accounts, Accounts::Real);
    assert_eq!(settings.ingest.bootstrap_servers, "kafka-1:9092,[::1]:9092");
    assert_eq!(settings.ingest.topic, "OTHER");
    assert!(settings.ingest.properties.contains(&("socket.timeout.ms".into(), "9000".into())));
    assert!(!settings.ingest.legacy_text);
    assert_eq!(settings.deliver.drain_window, Duration::from_secs(20));
    assert_eq!(settings.identity.concurrent, 8);
    let report = settings.report();
    assert!(report.contains("kafka.topic = \"OTHER\"   (ALLIM_KAFKA_TOPIC)"), "{report}");
    assert!(report.contains("tickets hold on the node that gave them out: cluster_key is not set"), "{report}");
    assert!(report.contains("accounts.url = \"https://accounts.example.com/auth/me\"   (accounts.url in allim.toml)"));
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn a_variable_overrides_the_file_and_a_secret_may_stand_in_a_file_of_its_own() {
    let folder = TempDir::new().unwrap();
    let key = "0123456789abcdef0123456789abcdef";
    fs::write(folder.path().join("key"), format!("{key}\n")).unwrap();
    fs::write(folder.path().join("kafka"), "# for the brokers\nsocket.timeout.ms=9000\nclient.rack=a=b;c\n").unwrap();
    fs::write(folder.path().join("allim.toml"), "listen = \"127.0.0.1:1\"\nlog_format = \"json\"\n").unwrap();
    let variables = environment(&[
        ("ALLIM_LISTEN", "0.0.0.0:80"),
        ("ALLIM_CLUSTER_KEY_FILE", "key"),
        ("ALLIM_KAFKA_PROPERTIES_FILE", "kafka"),
        ("ALLIM_LEGACY_TEXT", "off"),
        ("ALLIM_DEMO_OPEN", "on"),
    ]);
    let settings = config::load(Purpose::Serve, None, folder.path(), &variables).unwrap();
    assert!(!settings.report().contains("tickets hold"), "{}", settings.report());
    assert_eq!(settings.http.listen, "0.0.0.0:80".parse().unwrap());
    assert_eq!(settings.cluster_key.as_ref().unwrap().text(), key);
    assert_eq!(settings.ingest.properties[1], ("client.rack".into(), "a=b;c".into()), "a password may have a ;");
    assert!(!settings.ingest.legacy_text);
    assert!(
        !format!("{settings:?}").contains("a=b;c") && !format!("{settings:?}").contains(key),
        "a settings' Debug ends in a log one day"
    );
    assert!(!settings.report().contains(key));
}

#[test]
fn the_timeline_is_one_nodes_and_where_it_is_kept_is_said() {
    let folder = TempDir::new().unwrap();
    let load = |variables: &[(&str, &str)]| {
        config::load(Purpose::Serve, None, folder.path(), &environment(variables)).unwrap().report()
    };
    let kept_in = |name: &str| format!("the timeline is kept in {}", folder.path().join(name).display());
    let one_node = "SQLite is one node's";
    let demo = load(&[]);
    assert!(demo.contains(&kept_in("data/timeline.sqlite")) && !demo.contains(one_node), "{demo}");
    let real =
        load(&[REAL, ("ALLIM_ACCOUNTS_URL", "http://accounts/me"), ("ALLIM_DATABASE_URL", "sqlite:elsewhere.db")]);
    assert!(real.contains(&kept_in("elsewhere.db")) && real.contains(one_node), "{real}");
    let none = load(&[("ALLIM_DATABASE_URL", "none")]);
    assert!(none.contains("there is no timeline") && !none.contains(one_node), "{none}");
}

#[test]
fn a_demo_off_loopback_is_wanted_by_name_and_what_is_no_demo_needs_no_such_word() {
    let everywhere = ("ALLIM_LISTEN", "0.0.0.0:8080");
    let open = load("", &[everywhere, ("ALLIM_DEMO_OPEN", "on")]).unwrap();
    assert!(open.report().contains("whoever reaches it may come in with the demo's tokens"), "{}", open.report());
    let own_accounts = load("", &[everywhere, ("ALLIM_ACCOUNTS_URL", "http://accounts/me")]).unwrap();
    assert!(!own_accounts.report().contains("the demo's tokens"));
    let three = load("log_format = \"xml\"\n[hub]\nring = \"x\"", &[everywhere]).unwrap_err();
    assert!(three.len() == 3 && three.iter().any(|line| line.contains("ALLIM_DEMO_OPEN=on")), "{three:#?}");
    let command = config::load(Purpose::Command, None, Path::new("."), &environment(&[everywhere]));
    assert!(command.is_ok(), "who opens no door lets nobody in");
}

/// File, variables, and what the only line must hold.
type Broken = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const REAL: (&str, &str) = ("ALLIM_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092");

#[cfg(not(feature = "kafka-tls"))]
const NO_TLS: &str = "this build speaks no TLS: build with `--features kafka-tls`, or use the container";

const BROKEN: &[Broken] = &[
    ("listen = \"127.0.0.1:99999\"", &[], &["listen in allim.toml: \"127.0.0.1:99999\"; wanted is an address"]),
    ("listen = 8080", &[], &["listen in allim.toml: \"8080\"", "address"]),
    ("", &[("ALLIM_LISTEN", "localhost:8080")], &["ALLIM_LISTEN: \"localhost:8080\"; wanted is an address"]),
    ("", &[("ALLIM_LISTEN", "")], &["ALLIM_LISTEN: empty; wanted"]),
    ("lisetn = \"127.0.0.1:1\"", &[], &["lisetn in allim.toml: there is no such setting; did you mean listen?"]),
    (
        "",
        &[("ALLIM_DATABASE_URL", "postgres://allim:hunter2@db/allim")],
        &["ALLIM_DATABASE_URL", "sqlite:PATH", "PostgreSQL is not spoken yet"],
    ),
    ("[kafak]\ntopic = \"X\"\ngroup_id = \"y\"", &[], &["kafak in allim.toml", "did you mean [kafka]?"]),
    ("kafka = 3", &[], &["kafka in allim.toml", "a section [kafka]"]),
    ("[listen]\nx = 1", &[], &["listen in allim.toml: a section; wanted is an address"]),
    (
        "",
        &[("ALLIM_KAFKA_TOPICS", "X")],
        &["ALLIM_KAFKA_TOPICS: there is no such variable; did you mean ALLIM_KAFKA_TOPIC?"],
    ),
    ("", &[("ALLIM_LISTEN_FILE", "x")], &["ALLIM_LISTEN_FILE: there is no such variable"]),
    ("listen = ", &[], &["allim.toml: line 1 is no TOML"]),
    ("log = \"info\"\n\nmanagement_token = \"hunter2hunter2hunter2", &[], &["allim.toml: line 3 is no TOML"]),
    ("[hub]\nmemory_bytes = \"much\"", &[], &["hub.memory_bytes in allim.toml: \"much\"; wanted is a whole number"]),
    ("[hub]\nmemory_bytes = -1", &[], &["\"-1\"; wanted is a whole number from 65536"]),
    ("[hub]\nmemory_age_seconds = true", &[], &["\"true\"; wanted is seconds, a whole number from 1 to 604800"]),
    ("legacy_text = \"perhaps\"", &[], &["wanted is on or off"]),
    ("log_format = \"xml\"", &[], &["wanted is text or json"]),
    ("log = \"allim=loud\"", &[], &["log in allim.toml: \"allim=loud\"; wanted is a level"]),
    ("catalogue = \"missing.toml\"", &[], &["\"missing.toml\"; wanted is a file that can be read"]),
    ("catalogue = \"allim.toml\"", &[], &["\"allim.toml\"; wanted is a file of good types"]),
    ("data_dir = \" \"", &[], &["data_dir in allim.toml: empty"]),
    (
        "database_url = \"mysql://root:hunter2@db/x\"",
        &[],
        &["database_url in allim.toml: \"mysql://***@db/x\"; wanted is sqlite:"],
    ),
    (
        "cluster_key = \"hunter2\"",
        &[],
        &["cluster_key in allim.toml: 7 characters, not shown; wanted is a secret of 32"],
    ),
    ("cluster_key = 12345678", &[], &["cluster_key in allim.toml: a value of type integer, not shown"]),
    ("", &[("ALLIM_CLUSTER_KEY_FILE", "/does/not/exist")], &["ALLIM_CLUSTER_KEY_FILE: \"/does/not/exist\": "]),
    ("", &[("ALLIM_MANAGEMENT_TOKEN", "hunter2"), ("ALLIM_MANAGEMENT_TOKEN_FILE", "x")], &["wanted is one of the two"]),
    (
        "management_listen = \"0.0.0.0:9464\"",
        &[],
        &["management_listen in allim.toml: 0.0.0.0:9464 is off loopback; wanted is a management_token"],
    ),
    ("management_listen = \"127.0.0.1:8080\"", &[], &["wanted is an address of its own"]),
    ("allowed_origins = [\"https://*.example.com\"]", &[], &["wanted is exact origins"]),
    ("allowed_origins = \"https://a.example.com/\"", &[], &["wanted is exact origins"]),
    ("trusted_proxies = \"10.0.0.0/33\"", &[], &["wanted is addresses or networks"]),
    ("token_header = \"two words\"", &[], &["wanted is the name of a header"]),
    ("token_cookie = \"a;b\"", &[], &["wanted is the name of a cookie"]),
    ("[accounts.pointers]\nadmin_no = \"adminNo\"", &[], &["wanted is a JSON pointer"]),
    ("[accounts]\nurl = \"accounts:8080\"", &[], &["accounts.url in allim.toml", "such as https://"]),
    ("[accounts]\nurl = \"https://me:hunter2@accounts\"", &[], &["\"https://***@accounts\"; wanted"]),
    ("[accounts]\nurl = \"http://accounts:99999/me\"", &[], &["wanted is an address such as"]),
    ("[accounts]\ntimeout_milliseconds = 10000", &[], &["wanted is milliseconds, a whole number from 50 to 2000"]),
    ("[demo]\nkafka_listen = \"0.0.0.0:9092\"", &[], &["demo.kafka_listen in allim.toml", "loopback"]),
    (
        "",
        &[("ALLIM_LISTEN", "0.0.0.0:8080")],
        &["ALLIM_LISTEN: 0.0.0.0:8080 is off loopback, and", "wanted is ALLIM_ACCOUNTS_URL,", "or ALLIM_DEMO_OPEN=on,"],
    ),
    (
        "listen = \"[::]:8080\"\n[demo]\nopen = false",
        &[],
        &["listen in allim.toml: [::]:8080 is off loopback, and", "wanted is accounts.url,", "or demo.open = true,"],
    ),
    (
        "",
        &[REAL],
        &["ALLIM_ACCOUNTS_URL: not set; wanted with ALLIM_KAFKA_BOOTSTRAP_SERVERS: demo accounts never meet"],
    ),
    ("[accounts]\nurl = \"http://a\"\n[kafka]\nbootstrap_servers = \"kafka\"", &[], &["wanted is host:port,host:port"]),
    (
        "[accounts]\nurl = \"http://a\"\n[kafka]\nbootstrap_servers = \"a:1,,b:2\"",
        &[],
        &["wanted is host:port,host:port"],
    ),
    ("[accounts]\nurl = \"http://a\"\n[kafka]\nbootstrap_servers = []", &[], &["wanted is host:port,host:port"]),
    ("[kafka]\ngroup_id = \"NOTIFICATION-GROUP\"", &[], &["the system this replaces"]),
    (
        "",
        &[("ALLIM_KAFKA_PROPERTIES", "sasl.password")],
        &["ALLIM_KAFKA_PROPERTIES: 13 characters, not shown; wanted is key=value"],
    ),
    (
        "[kafka.properties]\n\"group.id\" = \"hunter2\"",
        &[],
        &["kafka.properties in allim.toml: a section; wanted is that group.id is set as kafka.group_id"],
    ),
    ("", &[("ALLIM_KAFKA_PROPERTIES", "enable.auto.commit=true")], &["left to us"]),
    (
        "",
        &[("ALLIM_KAFKA_PROPERTIES", "client.rack=a;sokcet.timeout.ms=hunter2")],
        &["ALLIM_KAFKA_PROPERTIES: sokcet.timeout.ms: No such configuration property"],
    ),
    (
        "[kafka.properties]\n\"socket.timeout.ms\" = \"hunter2\"",
        &[],
        &["kafka.properties in allim.toml: socket.timeout.ms: Invalid value"],
    ),
    #[cfg(not(feature = "kafka-tls"))]
    ("[kafka.properties]\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.password\" = \"hunter2\"", &[], &[NO_TLS]),
    #[cfg(not(feature = "kafka-tls"))]
    ("[kafka.properties]\n\"security.protocol\" = \"ssl\"", &[], &[NO_TLS]),
    #[cfg(not(feature = "kafka-tls"))]
    (
        "",
        &[("ALLIM_KAFKA_PROPERTIES", "ssl.ca.location=/etc/ca.pem")],
        &["ssl.ca.location is about TLS or SASL", NO_TLS],
    ),
    #[cfg(feature = "kafka-tls")]
    (
        "",
        &[("ALLIM_KAFKA_PROPERTIES", "sasl.username=me;sasl.password=hunter2")],
        &["sasl.username has no effect while security.protocol is plaintext; wanted is a security.protocol of ssl,"],
    ),
    #[cfg(feature = "kafka-tls")]
    (
        "",
        &[("ALLIM_KAFKA_PROPERTIES", "security.protocol=ssl;ssl.ca.location=/does/not/exist")],
        &["ALLIM_KAFKA_PROPERTIES: ssl.ca.location: /does/not/exist: No such file"],
    ),
    ("[deliver]\nqueue_bytes = 1000", &[], &["wanted is a whole number from 4096"]),
];

#[test]
fn each_mistake_is_one_line_with_its_name_its_value_and_the_wish() {
    for (file, variables, parts) in BROKEN {
        let lines = load(file, variables).expect_err(&format!("{file} {variables:?}"));
        assert_eq!(lines.len(), 1, "{file} {variables:?}: {lines:#?}");
        for part in *parts {
            assert!(lines[0].contains(part), "{file} {variables:?}: {}\nlacks: {part}", lines[0]);
        }
        assert!(!lines[0].contains("hunter2"), "a secret is shown: {}", lines[0]);
    }
}

/// The program itself, in a folder of its own, with nothing of our environment that is about it.
fn allim(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    for (name, _) in config::environment() {
        command.env_remove(name);
    }
    let output = command.current_dir(folder).args(arguments).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The program itself: never half-started with defaults. Ports that are taken are `first_run`'s.
#[test]
fn fault_57_with_any_of_them_nothing_starts_and_one_line_says_why() {
    assert!(BROKEN.len() >= 20);
    for (file, variables, parts) in BROKEN {
        let folder = TempDir::new().unwrap();
        if !file.is_empty() {
            fs::write(folder.path().join("allim.toml"), file).unwrap();
        }
        let (code, out, err) = allim(folder.path(), &[], variables);
        assert_eq!((code, out.as_str()), (Some(78), ""), "{file} {variables:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{file} {variables:?}: {err}");
        for part in *parts {
            assert!(err.contains(part), "{file} {variables:?}: {err}\nlacks: {part}");
        }
        assert!(!err.contains("hunter2"), "a secret is shown: {err}");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, usize::from(!file.is_empty()), "{file} {variables:?}: something was begun");
    }
}

/// Whoever deploys the wrong build learns it from every command, before anything is opened or sent.
#[cfg(not(feature = "kafka-tls"))]
#[test]
fn what_this_build_cannot_do_every_command_says() {
    let folder = TempDir::new().unwrap();
    let variables =
        [REAL, ("ALLIM_ACCOUNTS_URL", "http://a"), ("ALLIM_KAFKA_PROPERTIES", "security.protocol=sasl_ssl")];
    for command in [&["check-config"][..], &["publish", "order.created"], &["dead-letters", "redrive", "--all"], &[]] {
        let (code, out, err) = allim(folder.path(), command, &variables);
        assert_eq!((code, out.as_str(), err.lines().count()), (Some(78), "", 1), "{command:?}: {err}");
        assert!(err.contains(NO_TLS), "{command:?}: {err}");
    }
}

#[test]
fn six_mistakes_are_six_lines_and_exit_code_78() {
    let folder = TempDir::new().unwrap();
    let file = "lisetn = \"127.0.0.1:8080\"\nlisten = \"127.0.0.1:808080\"\ndatabase_url = \"mysql://me:hunter2@db\"\n\
                [kafka]\nbootstrap_servers = \"\"\n[hub]\nmemory_bytes = \"64 MiB\"\n";
    fs::write(folder.path().join("allim.toml"), file).unwrap();
    for command in [&["check-config"][..], &["serve"], &[]] {
        let (code, out, err) = allim(folder.path(), command, &[]);
        assert_eq!(code, Some(78), "{command:?}: {err}");
        assert_eq!(out, "");
        assert_eq!(err.lines().count(), 6, "{err}");
        for part in ["lisetn", "808080", "database_url", "servers in allim.toml: empty", "accounts.url", "64 MiB"] {
            assert!(err.contains(part), "{part} in {err}");
        }
        assert!(!err.contains("hunter2"), "{err}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was begun");
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let folder = TempDir::new().unwrap();
    let (code, _, err) = allim(folder.path(), &["--config", "missing.toml", "check-config"], &[]);
    assert_eq!(code, Some(78));
    assert!(err.starts_with("missing.toml: ") && err.lines().count() == 1, "{err}");
    fs::write(folder.path().join("named.toml"), "listen = \"127.0.0.1:4\"").unwrap();
    let (code, out, _) = allim(folder.path(), &["check-config", "--config", "named.toml"], &[]);
    assert_eq!(code, Some(0));
    assert!(out.contains("listen = \"127.0.0.1:4\"   (listen in named.toml)"), "{out}");
}

#[test]
fn a_type_that_the_prefix_hides_is_a_mistake() {
    let folder = TempDir::new().unwrap();
    let types = "[types.\"kr.co.shopby.stock.low\"]\ncategory = \"stock\"\nseverity = \"info\"\n\
                 title = { ko = \"재고\", en = \"Stock\" }\nfields = {}\n";
    fs::write(folder.path().join("types.toml"), types).unwrap();
    fs::write(folder.path().join("allim.toml"), "catalogue = \"types.toml\"").unwrap();
    let (code, _, err) = allim(folder.path(), &["check-config"], &[]);
    assert_eq!(code, Some(78));
    assert!(err.contains("`kr.co.shopby.` is stripped from events (kafka.type_prefix)"), "{err}");
    let (code, _, err) = allim(folder.path(), &["check-config"], &[("ALLIM_KAFKA_TYPE_PREFIX", "")]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn health_says_in_one_line_that_nobody_is_there() {
    let folder = TempDir::new().unwrap();
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(folder.path().join("allim.toml"), format!("listen = \"{address}\"")).unwrap();
    let (code, _, err) = allim(folder.path(), &["health"], &[]);
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("nobody answers on {address}")) && err.lines().count() == 1, "{err}");
}
