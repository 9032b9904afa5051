//! Ending what is left in a network namespace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use tombolo_fleet::{EndError, end_namespace_processes};

const GRACE: Duration = Duration::from_millis(200);

/// A shell script in a network namespace of its own, or in this one, killed when a test ends.
struct Script(Child);

impl Script {
    /// Starts it, and waits until it prints a line.
    fn start(words: &[&str], script: &str) -> Self {
        assert!(
            Uid::effective().is_root(),
            "making network namespaces takes root: run `cargo xtask test` as root"
        );
        let words = [words, &["sh", "-c", script]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Script(child)
    }

    fn netns(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.0.id()))
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // What it has in the background; of this namespace nothing is ended.
        let _ = end_namespace_processes(&self.netns(), GRACE);
        // An error means that it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn all_that_is_in_the_namespace_ends_and_nothing_else() {
    let script = "setsid sleep 1000 & echo ready; wait";
    let mut inside = Script::start(&["unshare", "--net"], script);
    let mut outside = Script::start(&["unshare", "--net"], script);
    let mut beside = Script::start(&["env"], "echo ready; exec sleep 1000");
    let path = inside.netns();
    // It keeps the namespace when nobody is in it any more.
    let file = fs::File::open(&path).unwrap();
    let held = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));

    assert_eq!(end_namespace_processes(&path, GRACE).unwrap(), 2);
    assert!(!inside.runs());
    assert!(outside.runs() && beside.runs());
    assert_eq!(end_namespace_processes(&held, GRACE).unwrap(), 0);
}

#[test]
fn sigterm_comes_first_and_who_ignores_it_is_killed_after_the_grace() {
    let stubborn = "trap '' TERM; sleep 1000 & echo ready; wait";
    let mut stubborn = Script::start(&["unshare", "--net"], stubborn);
    let started = Instant::now();
    assert_eq!(
        end_namespace_processes(&stubborn.netns(), GRACE).unwrap(),
        2
    );
    assert!(started.elapsed() >= GRACE, "it had no time to end");
    assert!(!stubborn.runs());

    let orderly = "trap 'kill $!; exit 7' TERM; sleep 1000 & echo ready; wait";
    let mut orderly = Script::start(&["unshare", "--net"], orderly);
    end_namespace_processes(&orderly.netns(), Duration::from_secs(20)).unwrap();
    assert_eq!(orderly.0.wait().unwrap().code(), Some(7));
}

#[test]
fn the_own_namespace_is_refused_and_a_missing_one_is_empty() {
    let own = Path::new("/proc/self/ns/net");
    let refused = end_namespace_processes(own, GRACE);
    assert!(matches!(refused, Err(EndError::OwnNamespace { .. })));
    let missing = Path::new("/run/netns/tmb-missing");
    assert_eq!(end_namespace_processes(missing, GRACE).unwrap(), 0);
}
