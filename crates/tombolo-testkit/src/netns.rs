//! Network namespaces. What a test has opened in one stays in there, whichever thread uses it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// The network namespace of a process, as long as that lives.
pub fn of_process(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/ns/net"))
}

/// Runs `work` in a network namespace, on a thread of its own.
///
/// # Panics
/// The namespace is gone, this is not root, or `work` panicked.
pub fn within<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(namespace).expect("the namespace is there");
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("entering a namespace takes root");
            work()
        });
        thread.join().expect("the work has not panicked")
    })
}

/// A new network namespace with its `lo` up. It goes with the last file, process and thread that
/// has it.
///
/// # Panics
/// This is not root.
pub fn create() -> File {
    let creation = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace takes root");
        ip("link set lo up");
        File::open("/proc/thread-self/ns/net").expect("the namespace is there")
    });
    creation.join().expect("the namespace was made")
}

/// Runs `ip` in the calling thread's namespace, and gives what it printed.
///
/// # Panics
/// It fails.
#[track_caller]
pub fn ip(arguments: &str) -> String {
    let mut command = Command::new("ip");
    let output = command.args(arguments.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("starting ip: {error}"));
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).expect("ip prints UTF-8")
}
