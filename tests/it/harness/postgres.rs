//! A PostgreSQL server of Debian's package for one chapter, with a folder and a port of its own.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{free_port, program::skip, until};

/// It refuses to run as root; the package brings this user.
const USER: &str = "postgres";

pub struct Postgres {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Postgres {
    /// None: it is not installed, and whoever runs the tests has been told.
    pub async fn start() -> Option<Postgres> {
        let Some(programs) = installed() else {
            skip("PostgreSQL", "/usr/lib/postgresql is not there");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        if is_root() {
            let given = Command::new("chown").arg(USER).arg(folder.path()).status().expect("chown runs");
            assert!(given.success());
        }
        let made = command(&programs.join("initdb"))
            .args(["--username=allim", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let child = command(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"])
            .arg(folder.path())
            .stderr(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("postgres starts");
        let mut postgres = Postgres { child, port, _folder: folder };
        let mut answers = || {
            let ended = postgres.child.try_wait().expect("it can be waited for");
            let said = fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "PostgreSQL ended: {said}");
            said.contains("ready to accept connections") && TcpStream::connect(("127.0.0.1", port)).is_ok()
        };
        until("PostgreSQL answers", || std::future::ready(answers())).await;
        Some(postgres)
    }

    pub fn url(&self) -> String {
        format!("postgresql://allim@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its immediate end takes its own children along, which a kill would leave behind.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// The programs of the newest version that is there.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path().join("bin"));
    versions.filter(|programs| programs.join("postgres").exists()).max()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|of_ours| std::os::unix::fs::MetadataExt::uid(&of_ours) == 0)
}

/// This program as somebody who is not root: the process itself, so that its number is its own, and with us its end.
fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.arg(program).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    command
}
