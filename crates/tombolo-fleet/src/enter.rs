//! Running one command inside a network namespace.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// A command that cannot be run in a network namespace.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Nothing to run.
    #[error("there is no command to run in {netns:?}; name a program after --")]
    NoCommand {
        /// The network namespace.
        netns: PathBuf,
    },
    /// The network namespace is not there, or may not be opened.
    #[error("the network namespace {netns:?} cannot be opened")]
    Open {
        /// The network namespace.
        netns: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// `argv` as a command that, when spawned, runs inside the network namespace at `netns` with this
/// process's standard streams, environment and directory.
///
/// It has a mount namespace of its own, so that what it mounts stays with it, and a `/sys` that
/// shows the devices of the network namespace, as `ip netns exec` has it; its other files, with
/// `/etc/resolv.conf`, are the host's. Needs root: without it the spawn fails with EPERM.
pub fn command_in(netns: &Path, argv: &[impl AsRef<OsStr>]) -> Result<Command, EnterError> {
    let [program, arguments @ ..] = argv else {
        return Err(EnterError::NoCommand {
            netns: netns.to_owned(),
        });
    };
    let namespace = File::open(netns).map_err(|source| EnterError::Open {
        netns: netns.to_owned(),
        source,
    })?;
    let mut command = Command::new(program);
    command.args(arguments);
    let enter = move || {
        setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        // What the host mounts and unmounts later still shows here, never the other way round.
        let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(None::<&str>, "/", None::<&str>, slave, None::<&str>)?;
        let sysfs = Some("sysfs");
        match mount(sysfs, "/sys", sysfs, MsFlags::empty(), None::<&str>) {
            // The one that is there shows this very namespace.
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    };
    // SAFETY: between fork and exec, `enter` makes four system calls on values that exist already;
    // it neither allocates nor takes a lock.
    unsafe { command.pre_exec(enter) };
    Ok(command)
}
