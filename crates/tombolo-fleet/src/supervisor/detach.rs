//! From a child of the control plane to the first process of a PID namespace.

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::wait::waitpid;
use nix::unistd::{
    ForkResult, Gid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, fork, sethostname, setsid,
};

use crate::api::spec::InstanceSpec;
use crate::step::{Doing, Hint, StepError};

/// Which of the processes a caller of [`detach`] has become.
pub(super) enum Side {
    /// The one that called, after the supervisor came up or said why not.
    Starter(Result<(), String>),
    /// The supervisor, which must report to the starter.
    Supervisor(Starter),
}

/// The supervisor's end of the pipe to the starter. Dropped without a message, it tells the
/// starter that the supervisor died.
pub(super) struct Starter(PipeWriter);

impl Starter {
    const UP: &[u8] = b"up";

    /// The instance runs.
    pub(super) fn up(mut self) {
        // A starter that was killed no longer cares, and the instance lives on without it.
        let _ = self.0.write_all(Self::UP);
    }

    /// The instance cannot run.
    pub(super) fn failed(mut self, reason: &str) {
        let _ = self.0.write_all(reason.as_bytes());
    }

    /// What came out of the pipe, once the supervisor closed it.
    fn outcome(mut from: PipeReader) -> Result<(), String> {
        let mut said = Vec::new();
        match from.read_to_end(&mut said) {
            Ok(_) if said == Self::UP => Ok(()),
            Ok(0) => Err("the supervisor died before it was up".into()),
            Ok(_) => Err(String::from_utf8_lossy(&said).into_owned()),
            Err(error) => Err(format!("hearing from the supervisor: {error}")),
        }
    }
}

/// Forks twice; the second child is the first process of the instance's namespaces. The process
/// in between never returns from here.
pub(super) fn detach(spec: &InstanceSpec) -> Result<Side, StepError> {
    let (reader, writer) = io::pipe().doing(|| "making a pipe to the supervisor".into())?;
    let starter = Starter(writer);
    // SAFETY: this process has one thread (see `supervisor::main`), so no lock is held by another
    // that the child would wait for.
    match unsafe { fork() }.doing(|| "forking the intermediate process".into())? {
        ForkResult::Parent { child } => {
            drop(starter);
            let outcome = Starter::outcome(reader);
            // Reaped, so that the caller is left without a zombie; the pipe has said how it ended.
            let _ = waitpid(child, None);
            Ok(Side::Starter(outcome))
        }
        ForkResult::Child => {
            drop(reader);
            match intermediate(spec) {
                Ok(ForkResult::Child) => return Ok(Side::Supervisor(starter)),
                Ok(ForkResult::Parent { .. }) => drop(starter),
                Err(error) => starter.failed(&error.report()),
            }
            // SAFETY: it ends this process and runs no destructor, which is the point: everything
            // that this process holds belongs to the starter or to the supervisor.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Enters every namespace and forks into the PID namespace.
fn intermediate(spec: &InstanceSpec) -> Result<ForkResult, StepError> {
    setsid().doing(|| "leaving the control plane's session".into())?;
    if let Some(path) = &spec.network_namespace {
        join_network(path)?;
    }
    if !Uid::effective().is_root() {
        unshare_user()?;
    }
    let mut namespaces = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if spec.network_namespace.is_none() {
        namespaces |= CloneFlags::CLONE_NEWNET;
    }
    unshare(namespaces)
        .doing(|| format!("making the namespaces of {}", spec.instance))
        .hint(|_| "this takes CAP_SYS_ADMIN: run as root, in a container with --privileged")?;
    if spec.network_namespace.is_none() {
        raise_loopback().doing(|| "bringing the loopback interface up".into())?;
    }
    sethostname(spec.instance.as_str()).doing(|| format!("naming the host {}", spec.instance))?;
    // SAFETY: this process has one thread, as its parent had.
    unsafe { fork() }.doing(|| "forking the supervisor".into())
}

fn join_network(path: &Path) -> Result<(), StepError> {
    let namespace =
        File::open(path).doing(|| format!("opening the network namespace {}", path.display()))?;
    setns(&namespace, CloneFlags::CLONE_NEWNET)
        .doing(|| format!("entering the network namespace {}", path.display()))
        .hint(|_| "entering a network namespace takes root; without it use --network simulated")
}

/// A user namespace in which this user and group are themselves and no other user exists: it gives
/// an unprivileged user the right to make the other namespaces, and no right on the host.
fn unshare_user() -> Result<(), StepError> {
    let (user, group) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER)
        .doing(|| "making a user namespace".into())
        .hint(|errno| match errno {
            Errno::ENOSPC => "raise the limit: sysctl -w user.max_user_namespaces=15000",
            _ => {
                "run Tombolo as root, or allow user namespaces: sysctl -w \
                 kernel.unprivileged_userns_clone=1 (Debian), sysctl -w \
                 kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
            }
        })?;
    // Without this the kernel refuses a group map from an unprivileged process
    // (user_namespaces(7)).
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, &text).doing(|| format!("writing {text:?} to {path}"))?;
    }
    Ok(())
}

/// Brings `lo` up in a network namespace that was just made.
fn raise_loopback() -> io::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: ifreq is plain bytes and integers, for which zeroes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    // SAFETY: SIOCGIFFLAGS reads the name and writes the flags of the ifreq that it is given,
    // which outlives the call.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request) })?;
    // SAFETY: the call above filled in the flags, so that this is the union's live member.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: SIOCSIFFLAGS reads the name and the flags of the ifreq, which outlives the call.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })?;
    Ok(())
}

/// Marks whatever this process inherited beyond the standard streams to be closed in the programs
/// that it starts: a game server must not hold a descriptor of the shell that started Tombolo.
pub(super) fn keep_inherited_descriptors_from_programs() {
    // SAFETY: close_range takes three integers; with CLOSE_RANGE_CLOEXEC it closes nothing now.
    // A kernel before 5.11 refuses it, and then descriptors are as inheritable as they were.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
}

/// Closes the starter's standard streams, which a caller may be reading to their end. What the
/// supervisor itself has to say from here on, a panic, goes to `supervisor.log`.
pub(super) fn leave_standard_streams(directory: &Path) -> Result<(), StepError> {
    let path = directory.join("supervisor.log");
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .doing(|| format!("opening {}", path.display()))?;
    let null = File::open("/dev/null").doing(|| "opening /dev/null".into())?;
    dup2_stdin(&null)
        .and_then(|()| dup2_stdout(&log))
        .and_then(|()| dup2_stderr(&log))
        .doing(|| "leaving the starter's standard streams".into())
}
