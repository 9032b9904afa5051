//! Starting a program in the sandbox.

use std::ffi::CString;
use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, execve};

use super::stream::Stream;
use crate::api::spec::{GAME_DIRECTORY, HOME_DIRECTORY};
use crate::sandbox::{Folders, Sandbox};

/// What a process executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) launch_path: String,
    pub(super) arguments: Vec<String>,
}

/// A program that was started.
pub(super) struct Launched {
    pub(super) pid: Pid,
    /// What it writes.
    pub(super) stream: Stream,
    /// What is its own to write to.
    pub(super) folders: Folders,
}

/// Why a program could not be run.
pub(super) struct LaunchError {
    /// What the child said of it, if it came to that.
    report: Option<String>,
    source: io::Error,
}

impl LaunchError {
    /// Whether it may succeed later: the machine was short of something, or the program was open
    /// for writing.
    pub(super) fn is_passing(&self) -> bool {
        use Errno::{EAGAIN, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ETXTBSY};
        let passing = [EAGAIN, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ETXTBSY];
        self.source
            .raw_os_error()
            .is_some_and(|code| passing.contains(&Errno::from_raw(code)))
    }
}

impl From<io::Error> for LaunchError {
    fn from(source: io::Error) -> Self {
        LaunchError {
            report: None,
            source,
        }
    }
}

impl Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.report {
            Some(report) => f.write_str(report),
            None => self.source.fmt(f),
        }
    }
}

/// The program's file, when the launch path names a file below the game directory.
pub(super) fn find(launch_path: &str) -> Option<PathBuf> {
    let path = Path::new(launch_path);
    let below = |path: &Path| path.starts_with(GAME_DIRECTORY);
    let program = fs::canonicalize(path).ok()?;
    (below(path) && below(&program) && fs::metadata(&program).ok()?.is_file()).then_some(program)
}

/// Runs the program of `command`, which was found at the path `program`, as the process at `slot`:
/// in a process group of its own, in the directory that it lies in, with nothing of the supervisor's
/// environment: PATH, HOME and LANG, and no GAMELIFT variable; in the sandbox.
pub(super) fn launch(
    program: &Path,
    command: &Command,
    slot: u32,
    sandbox: &Sandbox,
    now: Instant,
) -> Result<Launched, LaunchError> {
    let (confinement, refusal) = sandbox.confine(slot)?;
    let folders = confinement.folders();
    let directory = program.parent().unwrap_or(Path::new(GAME_DIRECTORY));
    let directory = directory.to_owned();
    let (stream, writer) = Stream::new(sandbox.user(slot), now)?;
    let file = CString::new(program.as_os_str().as_bytes()).map_err(io::Error::from)?;
    let mut arguments = vec![CString::new(command.launch_path.as_str()).map_err(io::Error::from)?];
    for argument in &command.arguments {
        arguments.push(CString::new(argument.as_str()).map_err(io::Error::from)?);
    }
    let environment = [
        c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        CString::new(format!("HOME={HOME_DIRECTORY}")).map_err(io::Error::from)?,
        c"LANG=C.UTF-8".to_owned(),
    ];
    let mut child = process::Command::new(program);
    child
        .stdin(Stdio::null())
        .stdout(writer.stream()?)
        .stderr(writer.stream()?)
        .process_group(0);
    let execute = move || {
        // The supervisor takes its signals from a descriptor and blocks them for that; a program
        // that inherited the block would never see its SIGTERM.
        SigSet::empty().thread_set_mask()?;
        confinement.enter(&directory)?;
        // Executed here, since the standard library's execvp(3) would hand a program for another
        // processor to the shell and call that a success.
        match execve(&file, &arguments, &environment)? {}
    };
    // SAFETY: it runs between fork and exec in a copy of a process that has one thread, so that
    // there is no lock for it to meet.
    unsafe { child.pre_exec(execute) };
    let spawned = child.spawn();
    // With it goes the last writer to `refusal`.
    drop(child);
    let spawned = spawned.map_err(|source| LaunchError {
        report: refusal.report(),
        source,
    })?;
    Ok(Launched {
        pid: Pid::from_raw(spawned.id().cast_signed()),
        stream,
        folders,
    })
}
