//! Other processes: seeing them, signalling them, looking into them.

use super::said;
use crate::fixture::{FIRST_USER, Fixture};

#[tokio::test]
async fn each_process_is_a_user_of_its_own_with_nothing_more() {
    let said = said(
        r#"
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
for key in ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
            "Seccomp"]:
    say(key, *status[key].split())
say("root again:", tried(os.setuid, 0), tried(os.setgid, 0), tried(os.setgroups, [0]))
import resource
say("core", *resource.getrlimit(resource.RLIMIT_CORE))
"#,
    )
    .await;
    let user = FIRST_USER;
    let none = "0000000000000000";
    let expected = [
        format!("Uid {user} {user} {user} {user}"),
        format!("Gid {user} {user} {user} {user}"),
        "Groups".into(),
        format!("CapInh {none}"),
        format!("CapPrm {none}"),
        format!("CapEff {none}"),
        format!("CapBnd {none}"),
        format!("CapAmb {none}"),
        "NoNewPrivs 1".into(),
        "Seccomp 2".into(),
        "root again: EPERM EPERM EPERM".into(),
        "core 0 0".into(),
    ];
    assert_eq!(said, expected);
}

/// A server process that only waits, as the second of its instance.
fn with_a_neighbour(attempt: &str) -> Fixture {
    let mut fixture = Fixture::attempting(attempt);
    fixture.attempt("neighbour", "");
    fixture
}

#[tokio::test]
async fn no_other_process_is_seen_or_signalled() {
    let fixture = with_a_neighbour(
        r#"
open("/local/game/control").readline()
say("seen:", [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())])
outcomes = {tried(os.kill, pid, 9) for pid in range(1, 200) if pid != os.getpid()}
say("killed:", sorted(outcomes))
# Says nothing of those that it may not signal, which is all.
tried(os.kill, -1, 9)
"#,
    );
    fixture.pipe();
    let instance = fixture.start().await;
    // Only now, so that there is somebody to hit.
    fixture.log_of_until("neighbour-2", "done").await;
    fixture.order("go").await;
    let said = fixture.log_until("done").await;
    let status = instance.status().await.unwrap();
    instance.kill().await.unwrap();
    assert_eq!(said, ["seen: []", "killed: ['EPERM', 'ESRCH']"]);
    assert!(status.processes.iter().all(|process| process.restarts == 0));
    assert!(status.processes.iter().all(|process| process.pid.is_some()));
}

#[tokio::test]
async fn no_process_can_be_looked_into() {
    let numbers = format!(
        "trace, read, compare, handle, take = {}, {}, {}, {}, {}\n",
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_kcmp,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd
    );
    let said = said(&format!(
        "{numbers}{}",
        r#"
say(call(trace, 16, 1, 0, 0), call(trace, 0, 0, 0, 0))
say(call(read, 1, 0, 0, 0, 0, 0), call(compare, 1, 1, 0, 0, 0))
supervisor = library.syscall(handle, 1, 0)
say(call(take, supervisor, 0, 0))
for path in ["/proc/1/root", "/proc/1/mem", "/proc/1/fd", "/proc/1/environ", "/proc/1/ns/net"]:
    say(path, tried(os.stat, path))
"#
    ))
    .await;
    assert_eq!(said[..3], ["EPERM EPERM", "EPERM EPERM", "EPERM"]);
    for line in &said[3..] {
        assert!(
            line.ends_with("ENOENT") || line.ends_with("EACCES"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn no_namespace_can_be_made_or_entered() {
    let numbers = format!(
        "enter, leave, clone, clone3 = {}, {}, {}, {}\n",
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_clone,
        libc::SYS_clone3
    );
    let said = said(&format!(
        "{numbers}{}",
        r#"
for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]:
    say(kind, call(enter, os.open("/proc/self/ns/" + kind, os.O_RDONLY), 0))
for flag in [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]:
    say(hex(flag), call(leave, flag), call(clone, flag | 17, 0, 0, 0, 0))
say(call(clone3, 0, 0))
"#
    ))
    .await;
    assert_eq!(said.len(), 15);
    for line in &said[..7] {
        assert!(line.ends_with(" EPERM"), "{line}");
    }
    for line in &said[7..14] {
        assert!(line.ends_with(" EPERM EPERM"), "{line}");
    }
    // Not there at all, so that libraries fall back on clone, whose flags are seen.
    assert_eq!(said[14], "ENOSYS");
}

#[tokio::test]
async fn abstract_sockets_of_another_process_cannot_be_reached() {
    let fixture = {
        let mut fixture = Fixture::attempting(
            r#"
listener = socket.socket(socket.AF_UNIX)
listener.bind("\0tmb-escape")
listener.listen()
say("mine:", tried(socket.socket(socket.AF_UNIX).connect, "\0tmb-escape"))
"#,
        );
        fixture.attempt(
            "other",
            r#"
open("/local/game/control").readline()
say(tried(socket.socket(socket.AF_UNIX).connect, "\0tmb-escape"))
"#,
        );
        fixture
    };
    fixture.pipe();
    let (said, instance) = fixture.outcome().await;
    assert_eq!(said, ["mine: allowed"]);
    fixture.order("go").await;
    let other = fixture.log_of_until("other-2", "done").await;
    instance.kill().await.unwrap();
    // Landlock can since its sixth version.
    let can = tombolo_fleet::SandboxSupport::of_this_machine().landlock;
    let expected = if can >= Some(6) { "EPERM" } else { "allowed" };
    assert_eq!(other, [expected]);
}
