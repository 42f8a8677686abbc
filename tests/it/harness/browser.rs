//! One Chromium for the whole run, which `tests/browser/driver.mjs` controls; each test has a profile and tabs in it.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::{PATIENCE, program};

/// More at once would wait for each other on a small machine.
static ROOM: Semaphore = Semaphore::const_new(2);

/// The browser, or what is missing for it.
static DRIVER: LazyLock<Result<Driver, String>> = LazyLock::new(Driver::start);

type Answers = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>>;

struct Driver {
    /// It ends when this is closed, and so with the process that runs the tests.
    commands: Mutex<ChildStdin>,
    answers: Answers,
}

/// A file of `tests/browser` where its packages are: node looks for them beside the file.
pub fn beside_its_packages(file: &str) -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    program::runs("node", "--version")?;
    program::is_there(&package.join("target/browser/node_modules/playwright-core"))?;
    let copy = package.join("target/browser").join(file);
    let copied = std::fs::copy(package.join("tests/browser").join(file), &copy);
    copied.map(|_| copy.clone()).map_err(|error| format!("{}: {error}", copy.display()))
}

impl Driver {
    fn start() -> Result<Driver, String> {
        let find = "command -v chromium || command -v chromium-browser || command -v google-chrome";
        let found = Command::new("sh").args(["-c", find]).output().map_err(|error| error.to_string())?;
        let chromium = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        if chromium.is_empty() {
            return Err("chromium is not installed".to_owned());
        }
        let driver = beside_its_packages("driver.mjs")?;
        let mut command = Command::new("node");
        command.arg(driver).arg(chromium).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (commands, answers) = (Mutex::new(child.stdin.take().expect("stdin")), Answers::default());
        let (said, waiting) = (child.stdout.take().expect("stdout"), Arc::clone(&answers));
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                let came = answer["error"].as_str().map(str::to_owned).map_or(Ok(answer["value"].take()), Err);
                let asked = waiting.lock().unwrap().remove(&answer["id"].as_u64().expect("an id"));
                // A test that failed meanwhile does not wait any more.
                asked.map(|asked| asked.send(came));
            }
            // Whoever waits is told by the end of its channel.
            waiting.lock().unwrap().clear();
        });
        Ok(Driver { commands, answers })
    }

    fn tell(&self, verb: &str, what: &Value) -> oneshot::Receiver<Result<Value, String>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.answers.lock().unwrap().insert(id, tell);
        let mut command = what.clone();
        (command["id"], command["verb"]) = (json!(id), json!(verb));
        writeln!(self.commands.lock().unwrap(), "{command}").expect("the browser's driver listens");
        told
    }

    async fn ask(&self, verb: &str, what: Value) -> Value {
        let told = tokio::time::timeout(PATIENCE * 2, self.tell(verb, &what)).await;
        let answer = told.unwrap_or_else(|_| panic!("{verb} is not answered: {what}"));
        answer.expect("the browser's driver lives").unwrap_or_else(|error| panic!("{verb}: {error}"))
    }
}

fn fresh(word: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{word} {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A browser of somebody's own: cookies, connections and tabs.
pub struct Profile {
    driver: &'static Driver,
    name: String,
    _room: Option<SemaphorePermit<'static>>,
}

impl Profile {
    /// None: something is missing for it, and whoever runs the tests has been told.
    pub async fn new() -> Option<Profile> {
        match &*DRIVER {
            Ok(driver) => {
                let room = ROOM.acquire().await.expect("never closed");
                Some(Profile::with(driver, Some(room), json!({})).await)
            }
            Err(missing) => {
                program::skip("a test in Chromium", missing);
                None
            }
        }
    }

    /// One more for the same test, with options of Playwright's `newContext`.
    pub async fn another(&self, options: Value) -> Profile {
        Profile::with(self.driver, None, options).await
    }

    async fn with(driver: &'static Driver, room: Option<SemaphorePermit<'static>>, mut options: Value) -> Profile {
        let profile = Profile { driver, name: fresh("profile"), _room: room };
        options["profile"] = json!(profile.name);
        driver.ask("profile", options).await;
        profile
    }

    pub async fn open(&self, url: &str) -> Tab {
        let tab = Tab { driver: self.driver, name: fresh("tab") };
        self.driver.ask("open", json!({"profile": self.name, "tab": tab.name, "url": url})).await;
        tab
    }

    /// Without a network, as the browser sees it; and with one again.
    pub async fn offline(&self, on: bool) {
        self.driver.ask("offline", json!({"profile": self.name, "on": on})).await;
    }

    pub async fn cookie(&self, cookie: Value) {
        self.driver.ask("cookie", json!({"profile": self.name, "cookie": cookie})).await;
    }

    /// Answers for addresses like this one in place of who is there.
    pub async fn answer_with(&self, like: &str, kind: &str, body: &str) {
        self.driver.ask("answer", json!({"profile": self.name, "like": like, "kind": kind, "body": body})).await;
    }

    /// Refuses what is asked of addresses like this one, until they are left alone again.
    pub async fn refuse(&self, like: &str, status: u16) {
        let answer = json!({"profile": self.name, "like": like, "kind": "application/problem+json", "body": "{}", "status": status});
        self.driver.ask("answer", answer).await;
    }

    /// The same, but what is asked waits for its refusal until they are left alone.
    pub async fn refuse_late(&self, like: &str, status: u16) {
        self.driver.ask("hold", json!({"profile": self.name, "like": like, "status": status})).await;
    }

    pub async fn leave_alone(&self, like: &str) {
        self.driver.ask("leave", json!({"profile": self.name, "like": like})).await;
    }

    /// Is the other end of its WebSockets to addresses like this one, and says all this when it is spoken to.
    pub async fn converse_with(&self, like: &str, messages: &[String]) {
        self.driver.ask("converse", json!({"profile": self.name, "like": like, "messages": messages})).await;
    }

    /// And says this too.
    pub async fn say(&self, message: &Value) {
        self.driver.ask("say", json!({"profile": self.name, "message": message.to_string()})).await;
    }

    /// What its tabs asked servers for since this was last called: `Fetch POST http://…`, preflights among it.
    pub async fn requests(&self) -> Vec<String> {
        let asked = self.driver.ask("requests", json!({"profile": self.name})).await;
        serde_json::from_value(asked).expect("a list")
    }

    /// The raw frames of its event streams since this was last called: `stream`, `event`, `id`, `data`. A message of a
    /// WebSocket is an event `websocket`.
    pub async fn frames(&self) -> Vec<Value> {
        let frames = self.driver.ask("frames", json!({"profile": self.name})).await;
        serde_json::from_value(frames).expect("a list")
    }

    /// Ends it; nothing in it may have complained.
    pub async fn done(self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "scripts made mistakes, or were forbidden something: {complaints:#?}");
    }

    /// Ends it; what its scripts did wrong, and what they were forbidden.
    pub async fn complaints(self) -> Vec<String> {
        let complaints = self.driver.ask("done", json!({"profile": self.name})).await;
        serde_json::from_value(complaints).expect("a list")
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // Not waited for; after `done` there is nothing left to end.
        drop(self.driver.tell("done", &json!({"profile": self.name})));
    }
}

/// A page in a profile; it stays until its profile ends.
pub struct Tab {
    driver: &'static Driver,
    name: String,
}

impl Tab {
    /// The body of a function of `arg`, in the page.
    pub async fn run(&self, js: &str, arg: Value) -> Value {
        self.driver.ask("run", json!({"tab": self.name, "js": js, "arg": arg})).await
    }

    /// What an expression is there now.
    pub async fn value(&self, js: &str) -> Value {
        self.run(&format!("return {js}"), Value::Null).await
    }

    /// Waits until an expression is true there.
    pub async fn until(&self, js: &str) {
        self.until_of(js, Value::Null).await;
    }

    /// The same, of `arg`.
    pub async fn until_of(&self, js: &str, arg: Value) {
        let patience = u64::try_from(PATIENCE.as_millis()).expect("short");
        self.driver.ask("until", json!({"tab": self.name, "js": js, "arg": arg, "patience": patience})).await;
    }

    /// Covered by another tab, and on top again.
    pub async fn look_away(&self, away: bool) {
        self.driver.ask("look", json!({"tab": self.name, "away": away})).await;
    }

    pub async fn close(self) {
        self.driver.ask("close", json!({"tab": self.name})).await;
    }

    /// As when its process dies.
    pub async fn crash(self) {
        self.driver.ask("crash", json!({"tab": self.name})).await;
    }
}

/// What a person does, and what there is to look at.
impl Tab {
    async fn does(&self, verb: &str, mut what: Value) -> Value {
        what["tab"] = json!(self.name);
        self.driver.ask(verb, what).await
    }

    /// With the mouse, on something that can be seen and reached.
    pub async fn click(&self, what: &str) {
        self.does("click", json!({"what": what})).await;
    }

    pub async fn press(&self, keys: &[&str]) {
        self.does("press", json!({"keys": keys})).await;
    }

    pub async fn write(&self, text: &str) {
        self.does("type", json!({"text": text})).await;
    }

    pub async fn size(&self, width: u32, height: u32) {
        self.does("size", json!({"width": width, "height": height})).await;
    }

    /// `light` or `dark`, as the system wants it.
    pub async fn scheme(&self, scheme: &str) {
        self.does("scheme", json!({"colorScheme": scheme})).await;
    }

    /// Into `target/browser/pictures`.
    pub async fn picture(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser/pictures");
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join(name);
        self.does("picture", json!({"file": file})).await;
        file
    }

    /// Clicks; the `name` and the `text` of the file that comes of it.
    pub async fn download(&self, what: &str) -> Value {
        self.does("download", json!({"what": what})).await
    }

    /// What keeps people out, as axe sees it.
    pub async fn axe(&self) -> Vec<Value> {
        serde_json::from_value(self.does("axe", json!({})).await).expect("a list")
    }
}
