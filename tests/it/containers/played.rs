//! What the Dockerfile builds, started as a container would start it: as nobody, with a root that is read-only.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use allim::config::Environment;
use tempfile::TempDir;

use super::{built, environment, of_the_image};
use crate::harness::{
    apache, free_port,
    program::{cannot, is_there, skip},
    until,
};

/// In a view of the file system of its own, where only the data folder ($1) can be written to, as user $3 in group $4
/// and without any right: what `read_only`, `cap_drop` and `no-new-privileges` make of a container.
const AS_A_CONTAINER: &str = r#"
    mount -t tmpfs -o "mode=0700,uid=$3,gid=$4" tmpfs "$1"
    mount -o remount,bind,ro /
    cd "$2"
    if touch "$2/a-file" 2>/dev/null; then echo "$2 can be written to" >&2; exit 1; fi
    exec setpriv --reuid "$3" --regid "$4" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$0"
"#;

/// Killed with the test.
struct Contained(Option<Child>);

impl Contained {
    fn ends_well(mut self, said: &str) {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.code() == Some(0) && out.contains(said), "{}\n{out}\n{err}", output.status);
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// As the image has it, with ports and a folder that are free here.
fn here(data: &Path) -> Environment {
    let at = |ip: IpAddr| SocketAddr::new(ip, free_port()).to_string();
    let loopback = || at(IpAddr::from([127, 0, 0, 1]));
    let mut here = environment();
    let listen: SocketAddr = here["ALLIM_LISTEN"].parse().unwrap();
    here.insert("ALLIM_LISTEN".into(), at(listen.ip()));
    here.insert("ALLIM_DATA_DIR".into(), data.display().to_string());
    here.insert("ALLIM_MANAGEMENT_LISTEN".into(), loopback());
    here.insert("ALLIM_DEMO_KAFKA_LISTEN".into(), loopback());
    here
}

/// A namespace of its own takes root; None where this machine lets nobody have one.
fn as_a_container(data: &Path, folder: &Path) -> Option<Command> {
    let may = Command::new("unshare").args(["--mount", "mount", "-o", "remount,bind,ro", "/"]).output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        cannot("the image's program with a read-only root", "no file system can be mounted here, which takes root");
        return None;
    }
    let user = of_the_image("USER");
    let (user, group) = user.split_once(':').unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", AS_A_CONTAINER]).arg(built());
    command.arg(data).arg(folder).args([user, group]);
    Some(command)
}

/// To its end.
fn run(arguments: &[&str], environment: &Environment) -> Output {
    Command::new(built()).args(arguments).env_clear().envs(environment).output().unwrap()
}

#[tokio::test]
async fn what_the_dockerfile_builds_is_healthy_as_nobody_with_a_read_only_root_and_ends_at_sigterm() {
    let what = "what the Dockerfile builds";
    if !apache::everything_is_required() {
        // What lies there may be of last week; whoever requires everything has just built it.
        return skip(what, "tests/image/build makes it, and INTEROP=required has it run");
    }
    if let Err(missing) = is_there(&built()) {
        return skip(what, &missing);
    }
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mut here = here(&data);
    let alone = run(&[], &here);
    let said = String::from_utf8(alone.stderr).unwrap();
    assert!(alone.status.code() == Some(78) && said.contains("ALLIM_DEMO_OPEN=on"), "{said}");

    here.insert("ALLIM_DEMO_OPEN".into(), "on".into());
    // It looks for allim.toml in a folder where it cannot write.
    let nobodys = folder.path().join("etc");
    std::fs::create_dir(&nobodys).unwrap();
    let mut command = as_a_container(&data, &nobodys).unwrap_or_else(|| Command::new(built()));
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command.current_dir(&nobodys).env_clear().env("PATH", path).envs(&here);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let contained = RefCell::new(Contained(Some(child)));
    until("the image's own check says that it is healthy", async || {
        let ended = contained.borrow_mut().0.as_mut().unwrap().try_wait().unwrap();
        ended.is_some() || run(&["health"], &here).status.code() == Some(0)
    })
    .await;
    let id = contained.borrow().0.as_ref().unwrap().id().to_string();
    // It may have ended, of which what it said tells more.
    let _ = Command::new("kill").args(["-TERM", &id]).status();
    contained.into_inner().ends_well("demo mode, open to whoever reaches port");
}
