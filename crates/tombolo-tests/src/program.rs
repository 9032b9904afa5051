//! A program that runs beside a test, such as one inside a VPC by `tombolo run`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::Server;
use crate::wait;

/// How long a program may take to end.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// A program that runs until this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Runs `command` in the backend's VPC at `address`, and keeps what it prints.
    pub fn run(server: &impl Server, vpc: &str, address: &str, command: &[&str]) -> Self {
        Program::run_as(server, "backend", vpc, address, command)
    }

    /// Runs `command` in an account's VPC at `address`, and keeps what it prints.
    pub fn run_as(
        server: &impl Server,
        account: &str,
        vpc: &str,
        address: &str,
        command: &[&str],
    ) -> Self {
        let place = ["--account", account, "--vpc", vpc, "--address", address];
        let mut run = server.command(&["run"]);
        Program::start(run.args(place).arg("--").args(command))
    }

    /// Starts `command` and keeps what it prints.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        let stdout = child.stdout.take().expect("it is piped");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                kept.lock().expect("nobody panics with the lock").push(line);
            }
        });
        Program { child, lines }
    }

    /// Waits until the program has printed a line that begins with `start`.
    #[track_caller]
    pub fn until_it_prints(&self, start: &str) -> String {
        wait::until(
            &format!("a line {start:?} among {:?}", self.lines()),
            || {
                let mut lines = self.lines().into_iter();
                lines.find(|line| line.starts_with(start))
            },
        )
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It has ended, and its end was waited for.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("ids are positive"));
        kill(pid, signal).expect("it is this process's child");
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn until_it_ends(&mut self) -> ExitStatus {
        wait::until("a program to end", || {
            self.child.try_wait().expect("it is this process's child")
        })
    }

    /// What it printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .expect("nobody panics with the lock")
            .clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(pid) = self.child.id().try_into() {
            // An error means that it is gone already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let ended = wait::within(EXIT_TIMEOUT, || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            // The server finds that the program is gone, and takes its interface away.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
