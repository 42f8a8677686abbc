//! Other people's programs, of `tests/interop`, at work; `tests/all` installs their packages into `target/interop`.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use tokio::sync::mpsc;

use super::{PATIENCE, apache};

/// Where the packages of the programs are installed.
pub fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop")
}

/// What runs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    Shell,
    Node,
    Python,
    /// One source file, with the jars of Apache Kafka.
    Java,
}

impl Runner {
    /// The command that runs this file of `tests/interop`; or what is missing for it.
    fn command(self, file: &str, needs: &str) -> Result<Command, String> {
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(file);
        let (program, file) = match self {
            Runner::Shell => {
                runs(needs, "-V")?;
                ("sh".into(), there)
            }
            Runner::Node => {
                runs("node", "--version")?;
                is_there(&installed().join("node_modules").join(needs))?;
                // Node looks for packages beside the file.
                let copy = installed().join(file);
                fs::copy(there, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
                ("node".into(), copy)
            }
            Runner::Python => {
                let python = installed().join("venv/bin/python3");
                is_there(&python)?;
                (python, there)
            }
            Runner::Java => {
                runs(needs, "-version")?;
                is_there(&apache::jars())?;
                let mut command = Command::new("java");
                command.arg("-cp").arg(apache::jars().join("*")).arg(there);
                return Ok(command);
            }
        };
        let mut command = Command::new(program);
        command.arg(file);
        Ok(command)
    }
}

pub fn runs(program: &str, question: &str) -> Result<(), String> {
    let ended = Command::new(program).arg(question).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if ended.is_ok() { Ok(()) } else { Err(format!("{program} is not installed")) }
}

pub fn is_there(path: &Path) -> Result<(), String> {
    if path.exists() { Ok(()) } else { Err(format!("{} is not there", path.display())) }
}

/// A program at work, killed when the chapter ends.
pub struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
    complaints: Arc<Mutex<String>>,
}

impl Program {
    /// None: something is missing for it, and whoever runs the tests has been told.
    pub fn start(runner: Runner, file: &str, needs: &str, arguments: &[&str]) -> Option<Program> {
        let mut command = match runner.command(file, needs) {
            Ok(command) => command,
            Err(missing) => {
                skip(&format!("tests/interop/{file}"), &missing);
                return None;
            }
        };
        command.args(arguments);
        Some(Program::spawn(&mut command))
    }

    /// Whatever it is.
    pub fn spawn(command: &mut Command) -> Program {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the program starts");
        let (into, lines) = mpsc::channel(1024);
        let output = child.stdout.take().expect("stdout");
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if into.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let (mut errors, heard) = (child.stderr.take().expect("stderr"), Arc::clone(&complaints));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut piece) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..read]));
            }
        });
        Program { child, lines, complaints }
    }

    /// The next line; None when it has no more to say.
    pub async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE * 2, self.lines.recv()).await;
        line.unwrap_or_else(|_| panic!("nothing more was said; complaints:\n{}", self.complaints()))
    }

    /// Everything it says until it ends by itself, which has to be well.
    pub async fn ends_well(mut self) -> String {
        let mut said = String::new();
        while let Some(line) = self.line().await {
            said.push_str(&line);
            said.push('\n');
        }
        let status: ExitStatus = self.child.wait().expect("it can be waited for");
        assert!(status.success(), "{status}\n{said}\n{}", self.complaints());
        said
    }

    pub fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a machine does not let us do, whatever is installed: said where nothing captures it.
pub fn cannot(what: &str, why: &str) {
    apache::say(&format!("SKIPPED {what}: {why}"));
}

/// Says it where nothing captures it; an error where everything has to run.
pub fn skip(what: &str, missing: &str) {
    assert!(!apache::everything_is_required(), "{what} cannot run: {missing}");
    apache::say(&format!("SKIPPED {what}: {missing} (tests/all installs it)"));
}
