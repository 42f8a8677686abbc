//! The commands of the documents, typed one after the other beside a running demo, as they stand there.

use std::{
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    commands::{COMMANDS, Runner},
    package,
};
use crate::{
    first_run::{Pasted, first_run},
    harness::{PATIENCE, Server, apache, program, until},
};

/// Somebody's folder, as it is after a build, beside a server that runs there.
struct Desk {
    folder: TempDir,
    server: Server,
    kafka: String,
}

impl Desk {
    async fn new() -> Desk {
        let server = first_run(&[]).await;
        until("live", async || server.get("/readyz").await.1.contains("\"live\":true")).await;
        let kafka = std::fs::read_to_string(server.data.join("kafka.address")).unwrap().trim().to_owned();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("target/debug")).unwrap();
        symlink(env!("CARGO_BIN_EXE_allim"), folder.path().join("target/debug/allim")).unwrap();
        symlink(&server.data, folder.path().join("data")).unwrap();
        symlink(package().join("kafka"), folder.path().join("kafka")).unwrap();
        Desk { folder, server, kafka }
    }

    /// In a shell there, with the documents' addresses replaced by those of this server.
    fn shell(&self, command: &str) -> Command {
        let command =
            command.replace("localhost:8080", &self.server.address.to_string()).replace("127.0.0.1:9092", &self.kafka);
        let ours = self.folder.path().join("target/debug");
        let programs = format!("{}:{}", ours.display(), apache::word("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(self.folder.path()).stdin(Stdio::null());
        shell.env("PATH", programs).env("KEY", "c29tZWJvZHkncyBrZXkgaXMgc29tZWJvZHkncw==");
        shell.env("ALLIM_LISTEN", self.server.address.to_string()).env("ALLIM_DATA_DIR", &self.server.data);
        shell
    }

    /// What it printed; it has to end well.
    async fn run(&self, command: &str) -> String {
        let mut shell = self.shell(command);
        let ended = tokio::task::spawn_blocking(move || shell.output().unwrap());
        let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("`{command}` does not end"));
        let ended = ended.unwrap();
        let (said, complaints) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "`{command}`: {}\n{said}\n{complaints}", ended.status);
        said.into_owned()
    }
}

/// Whether every program of a command is here; what is not is said.
fn is_possible(command: &str) -> bool {
    for (program, question) in [("curl", "--version"), ("kcat", "-V"), ("sqlite3", "--version"), ("openssl", "version")]
    {
        if command.split(' ').any(|word| word == program)
            && let Err(missing) = program::runs(program, question)
        {
            program::skip(&format!("`{command}`"), &missing);
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_does_what_its_page_says() {
    let desk = Desk::new().await;
    // The pages speak of dead letters number 17 and 18.
    desk.run("allim publish --raw '{\"type\":\"nobody.knows\"}' --count 20").await;
    until("they are parked", async || desk.run("allim dead-letters list").await.contains("20 dead letters")).await;
    let mut walked = 0;
    for (command, runner) in COMMANDS {
        match runner {
            Runner::Walk(words) if is_possible(command) => {
                // What was published is kept a moment later.
                let reads = command.contains("/timeline?");
                until(&format!("`{command}` says {words:?}"), async || {
                    let said = desk.run(command).await;
                    assert!(reads || said.contains(words), "`{command}` did not say {words:?}:\n{said}");
                    said.contains(words)
                })
                .await;
                walked += 1;
            }
            Runner::Endless(words) if is_possible(command) => {
                let mut shell = desk.shell(&format!("exec {command}"));
                // A progress of what has no end.
                shell.stderr(Stdio::null());
                let stream = Pasted::of(shell);
                until(&format!("`{command}` says {words:?}"), async || stream.printed().contains(words)).await;
                walked += 1;
            }
            _ => {}
        }
    }
    assert!(walked >= 10, "only {walked} commands were walked");
    // A backup is a timeline that is whole in itself.
    if Path::new("/usr/bin/sqlite3").exists() {
        let backup = desk.folder.path().join("timeline-backup.sqlite");
        let kept = rusqlite::Connection::open(backup).unwrap();
        let rows: i64 = kept.query_row("SELECT count(*) FROM notification", [], |row| row.get(0)).unwrap();
        assert!(rows >= 5, "{rows} rows");
    }
}
