//! Server processes that try to get out of their sandbox.
//!
//! Each test runs a program *inside*, in Python, which tries something and writes how that went. The
//! table in `docs/sandbox.md` names what each of them holds.

mod calls;
mod files;
mod limits;
mod processes;

use tombolo_fleet::{Instance, Limits};

use crate::fixture::{Fixture, until};

/// What the attempts are written in: it is in the `/usr` that server processes see.
const PYTHON: &str = "#!/usr/bin/python3\n";

/// What every attempt may use.
const PRELUDE: &str = r#"
import ctypes, errno, os, socket, stat, sys, time
library = ctypes.CDLL(None, use_errno=True)

def name(number):
    return errno.errorcode.get(number, str(number))

def tried(attempt, *arguments):
    try:
        attempt(*arguments)
        return "allowed"
    except OSError as error:
        return name(error.errno)

def call(number, *arguments):
    ctypes.set_errno(0)
    return "allowed" if library.syscall(number, *arguments) >= 0 else name(ctypes.get_errno())

def say(*words):
    print(*words, flush=True)
"#;

impl Fixture {
    /// With a server process that runs `attempt`, says `done`, and goes on for ever.
    fn attempting(attempt: &str) -> Self {
        let mut fixture = Self::new();
        fixture.attempt("server", attempt);
        fixture
    }

    /// Adds such a server process, as the program `name`.
    fn attempt(&mut self, name: &str, attempt: &str) {
        let end = "\nsay(\"done\")\ntime.sleep(1000)\n";
        self.file(name, &format!("{PYTHON}{PRELUDE}{attempt}{end}"), 0o755);
        let place = self.path("").display().to_string();
        self.run(&format!("/local/game/{name}"), &place, 1);
    }

    /// What the first server process writes before `done`, with the instance, which lives on.
    async fn outcome(&self) -> (Vec<String>, Instance) {
        let instance = self.start().await;
        (self.log_until("done").await, instance)
    }
}

/// What `attempt` writes.
async fn said(attempt: &str) -> Vec<String> {
    let fixture = Fixture::attempting(attempt);
    let (said, instance) = fixture.outcome().await;
    instance.kill().await.unwrap();
    said
}
