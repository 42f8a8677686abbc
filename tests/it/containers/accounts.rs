//! The demo's account service alone, as a container of its own runs it.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, Stdio},
};

use crate::harness::{free_port, until};

struct Alone(Child);

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Until it has said where it answers.
fn start(listen: &str) -> (Alone, BufReader<ChildStderr>) {
    let mut child = Alone(program(&["demo-accounts", listen]).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(&format!("http://{listen}/auth/me")), "{line}");
    let complaints = BufReader::new(child.0.stderr.take().unwrap());
    (child, complaints)
}

/// The exit code of `allim health` with an address, and what it said.
fn health(address: &str) -> (Option<i32>, String) {
    let output = program(&["health", address]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn it_says_that_it_lets_everybody_in_answers_a_health_check_and_ends_at_sigterm() {
    let port = free_port();
    let (child, mut complaints) = start(&format!("0.0.0.0:{port}"));
    let mut warning = String::new();
    complaints.read_line(&mut warning).unwrap();
    assert!(
        warning.contains("off loopback: a server that asks it lets in whoever knows the demo's tokens"),
        "{warning}"
    );

    let here = format!("127.0.0.1:{port}");
    assert_eq!(health(&here), (Some(0), "{\"ready\":true}\n".to_owned()));

    let id = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let child = RefCell::new(child);
    until("it ends", async || child.borrow_mut().0.try_wait().unwrap().is_some()).await;
    let code = child.borrow_mut().0.wait().unwrap().code();
    assert_eq!(code, Some(0), "process 1 of a container gets no other signal");
    let (code, said) = health(&here);
    assert!(code == Some(1) && said.contains(&format!("nobody answers on {here}")), "{said}");
}

#[tokio::test]
async fn on_loopback_it_warns_of_nothing() {
    let (child, mut complaints) = start(&format!("127.0.0.1:{}", free_port()));
    drop(child);
    let mut all = String::new();
    complaints.read_to_string(&mut all).unwrap();
    assert_eq!(all, "");
}
