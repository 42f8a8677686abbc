//! An Apache Kafka behind doors: TLS with users, TLS with certificates, TLS with tokens, and two whose certificate is bad.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use allim::config;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::OnceCell,
};

use crate::harness::{Accounts, Server, apache::Cluster, free_port, kafka::Place, secrets, topics};

/// Passwords of this chapter, which no log, screen or metric may show.
pub const PASSWORD: &str = "Pass;word=of-allim";
pub const KEY_PASSWORD: &str = "Password-of-a-key";
pub const PASSWORD_OF_NOBODY: &str = "Password-of-nobody";

/// The ports of the doors.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    pub plaintext: u16,
    pub users: u16,
    pub certificates: u16,
    pub tokens: u16,
    pub elsewhere: u16,
    pub expired: u16,
    /// TLS for anybody.
    pub open: u16,
}

pub struct Secured {
    pub cluster: Cluster,
    pub doors: Doors,
    /// Certificates and keys, and the broker's properties.
    pub folder: PathBuf,
}

/// A CA, and certificates that it has signed: of a broker, of one elsewhere, of an expired one, of us; and another CA.
const CERTIFICATES: &str = r#"
set -eu
cd "$1"
ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.pem"
}
# NAME CA DAYS NAMES
signed() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    printf 'subjectAltName=%s\n' "$4" >"$1.names"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$3" -extfile "$1.names" -out "$1.crt"
    cat "$1.key" "$1.crt" >"$1.pem"
}
ca ca
ca another-ca
signed broker ca 2 IP:127.0.0.1
signed elsewhere ca 2 DNS:kafka.elsewhere.test
signed expired ca -1 IP:127.0.0.1
signed allim ca 2 DNS:allim
signed stranger another-ca 2 DNS:allim
openssl pkcs8 -topk8 -in allim.key -passout "pass:$2" -out allim.locked.key
"#;

impl Secured {
    pub async fn start() -> Secured {
        for secret in [PASSWORD, KEY_PASSWORD, PASSWORD_OF_NOBODY] {
            secrets::text(secret);
        }
        let (mut doors, mut folder) = (None, PathBuf::new());
        let cluster = Cluster::with_more(|more, plaintext, controller| {
            let made = Command::new("sh").args(["-c", CERTIFICATES, "sh"]).arg(more).arg(KEY_PASSWORD).output();
            let made = made.expect("sh runs");
            assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
            let [users, certificates, tokens, elsewhere, expired, open] = std::array::from_fn(|_| free_port());
            let all = Doors { plaintext, users, certificates, tokens, elsewhere, expired, open };
            fs::write(more.join("properties"), properties(more, all, controller, PASSWORD)).unwrap();
            let scram = |kind: &str, name: &str, password: &str| format!("{kind}=[name={name},password={password}]\n");
            let of_nobody = scram("SCRAM-SHA-256", "nobody", PASSWORD_OF_NOBODY);
            let (short, long) = ("SCRAM-SHA-256", "SCRAM-SHA-512");
            let users = [scram(short, "allim", PASSWORD), scram(long, "allim", PASSWORD), of_nobody].concat();
            fs::write(more.join("users"), users).unwrap();
            (doors, folder) = (Some(all), more.to_owned());
        })
        .await;
        let secured = Secured { cluster, doors: doors.expect("they were made"), folder };
        topics::answers(secured.admin("any"), 0).await;
        for operation in [READ, WRITE] {
            secured.allow("allim", operation, "BACKOFFICE-NOTIFICATIONS", PREFIXED).await;
        }
        secured
    }

    /// As an administrator beside it reaches a topic.
    pub fn admin(&self, topic: &str) -> Place {
        Place::new(format!("127.0.0.1:{}", self.doors.plaintext), topic.to_owned())
    }

    /// A topic that nobody has yet, with those beside it; three partitions each.
    pub async fn topic(&self) -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let topic = self.admin(&format!("BACKOFFICE-NOTIFICATIONS-{number}"));
        for beside in ["", "-signals", "-dlt"] {
            topics::create(self.admin(&format!("{}{beside}", topic.topic)), 3, 1).await;
        }
        topic
    }

    /// A file beside the broker's properties.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// TLS with the right CA, and nothing else yet.
    pub fn tls(&self, protocol: &str) -> String {
        format!("security.protocol={protocol}\nssl.ca.location={}\n", self.file("ca.pem"))
    }

    pub fn user(&self, mechanism: &str, name: &str, password: &str) -> String {
        let tls = self.tls("sasl_ssl");
        format!("{tls}sasl.mechanism={mechanism}\nsasl.username={name}\nsasl.password={password}\n")
    }

    /// The ACL that this user may do that.
    pub async fn allow(&self, user: &str, operation: u8, topic: &str, pattern: u8) {
        let body = [&1_i32.to_be_bytes()[..], &acl(user, operation, topic, pattern)].concat();
        self.ask(CREATE_ACLS, &body).await;
    }

    pub async fn forbid(&self, user: &str, operation: u8, topic: &str, pattern: u8) {
        let body = [&1_i32.to_be_bytes()[..], &acl(user, operation, topic, pattern)].concat();
        self.ask(DELETE_ACLS, &body).await;
    }

    /// The administrator's requests that no client here has. The answer's first code is an error, or none.
    async fn ask(&self, kind: i16, body: &[u8]) {
        let head = [&kind.to_be_bytes()[..], &1_i16.to_be_bytes(), &7_i32.to_be_bytes(), &(-1_i16).to_be_bytes()];
        let request = [&head.concat(), body].concat();
        let mut socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.doors.plaintext))).await.unwrap();
        socket.write_i32(i32::try_from(request.len()).unwrap()).await.unwrap();
        socket.write_all(&request).await.unwrap();
        let length = socket.read_i32().await.unwrap();
        let mut answer = vec![0; usize::try_from(length).unwrap()];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[12..14], [0, 0], "the broker refuses it: {answer:?}");
    }
}

pub const READ: u8 = 3;
pub const WRITE: u8 = 4;
pub const DESCRIBE: u8 = 8;
pub const LITERAL: u8 = 3;
pub const PREFIXED: u8 = 4;
const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;

/// Of a topic, from every host; the filter of a deletion looks the same.
fn acl(user: &str, operation: u8, topic: &str, pattern: u8) -> Vec<u8> {
    let text = |text: &str| [&i16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let (user, host) = (text(&format!("User:{user}")), text("*"));
    [&[2_u8][..], &text(topic), &[pattern], &user, &host, &[operation, 3]].concat()
}

/// The broker's, over those of `tests/kafka/broker`.
pub fn properties(folder: &Path, doors: Doors, controller: u16, plain_password: &str) -> String {
    let Doors { plaintext, users, certificates, tokens, elsewhere, expired, open } = doors;
    let folder = folder.display();
    let named = [
        ("PLAINTEXT", plaintext),
        ("USERS", users),
        ("CERTIFICATES", certificates),
        ("TOKENS", tokens),
        ("ELSEWHERE", elsewhere),
        ("EXPIRED", expired),
        ("OPEN", open),
    ];
    let listeners = named.map(|(name, port)| format!("{name}://127.0.0.1:{port}")).join(",");
    let logs_in = "org.apache.kafka.common.security";
    format!(
        r#"
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_SSL,CERTIFICATES:SSL,TOKENS:SASL_SSL,ELSEWHERE:SSL,EXPIRED:SSL,OPEN:SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.certificates.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]*).*$/$1/
listener.name.elsewhere.ssl.keystore.type=PEM
listener.name.elsewhere.ssl.keystore.location={folder}/elsewhere.pem
listener.name.expired.ssl.keystore.type=PEM
listener.name.expired.ssl.keystore.location={folder}/expired.pem
listener.name.users.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN
listener.name.users.scram-sha-256.sasl.jaas.config={logs_in}.scram.ScramLoginModule required;
listener.name.users.scram-sha-512.sasl.jaas.config={logs_in}.scram.ScramLoginModule required;
listener.name.users.plain.sasl.jaas.config={logs_in}.plain.PlainLoginModule required user_allim="{plain_password}";
listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.tokens.oauthbearer.sasl.jaas.config={logs_in}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"#
    )
}

/// The broker of the chapter; nobody takes it away.
pub async fn secured() -> &'static Secured {
    static SECURED: OnceCell<Secured> = OnceCell::const_new();
    SECURED.get_or_init(Secured::start).await
}

/// What a server or a command is told to reach a topic through a door.
pub struct Way {
    pub port: u16,
    pub topic: Place,
    /// Where the properties stand, a line each: nothing secret is in the environment.
    properties: TempDir,
}

impl Way {
    pub fn new(port: u16, topic: Place, properties: &str) -> Way {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("properties"), properties).unwrap();
        Way { port, topic, properties: folder }
    }

    fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("ALLIM_KAFKA_BOOTSTRAP_SERVERS", format!("127.0.0.1:{}", self.port)),
            ("ALLIM_KAFKA_TOPIC", self.topic.topic.to_owned()),
            ("ALLIM_KAFKA_PROPERTIES_FILE", self.properties.path().join("properties").display().to_string()),
        ]
    }

    /// A server that comes this way; it may not be let in.
    pub fn server(&self, accounts: &Accounts, more: &[(&str, &str)]) -> Server {
        let (variables, url) = (self.variables(), accounts.url());
        let mut all: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(("ALLIM_ACCOUNTS_URL", &url));
        all.extend_from_slice(more);
        Server::spawn(&all)
    }

    /// A command that comes this way.
    pub async fn runs(&self, arguments: &[&str]) -> Output {
        self.runs_with(&[], arguments).await
    }

    /// On the data of a server.
    pub async fn runs_in(&self, data: &str, arguments: &[&str]) -> Output {
        self.runs_with(&[("ALLIM_DATA_DIR", data)], arguments).await
    }

    pub async fn runs_with(&self, more: &[(&str, &str)], arguments: &[&str]) -> Output {
        let variables = self.variables();
        let mut all: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(more);
        runs(&all, arguments).await
    }

    /// The only line of a command that fails.
    pub async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.runs(arguments).await;
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.lines().count()), (Some(1), 1), "{arguments:?}: {err}");
        secrets::none_in(&[("a command", &err)]);
        err
    }
}

/// The program itself, in a folder of its own, with these variables alone.
pub async fn runs(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    for (name, _) in config::environment() {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).current_dir(folder.path()).args(arguments);
    tokio::task::spawn_blocking(move || (command.output().unwrap(), folder)).await.unwrap().0
}
