//! What the probe of the `ebpf` engine says. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::thread;

use tombolo_network::{EngineError, EngineKind, ebpf};

#[test]
fn root_on_a_current_kernel_can_run_the_engine() {
    ebpf::preflight().unwrap();
}

#[test]
fn a_process_without_capabilities_is_told_which_and_what_to_do() {
    let checked = thread::spawn(|| {
        let nobody: libc::c_long = 65_534;
        // SAFETY: setresuid(2) takes no pointers; by the bare system call, unlike by libc's
        // function, it changes this thread only, which then loses its capabilities.
        let set = unsafe { libc::syscall(libc::SYS_setresuid, nobody, nobody, nobody) };
        assert_eq!(set, 0, "this test needs root");
        ebpf::preflight()
    });
    match checked.join().unwrap() {
        Err(EngineError::Unsupported {
            engine: EngineKind::Ebpf,
            reason,
        }) => assert_eq!(
            reason,
            "this process lacks CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF; run it as root (sudo), in \
             a container with --privileged"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn checking_leaves_nothing_mounted() {
    let on_the_root = || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.lines().filter(|line| line.contains(" / / ")).count()
    };
    let before = on_the_root();
    ebpf::preflight().unwrap();
    assert_eq!(on_the_root(), before);
}
