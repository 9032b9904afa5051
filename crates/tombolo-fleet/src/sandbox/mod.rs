//! The sandbox of server processes.
//!
//! The supervisor prepares it once for the instance ([`Sandbox`]) and once for each run of a
//! process ([`Confinement`]). The rest happens in the child, between fork and exec, from the outer
//! walls to the inner ones: each takes away a right that the ones before it needed.
//!
//! | wall | room |
//! | --- | --- |
//! | limits of memory, processes and CPU | [`crate::cgroup`] |
//! | the files that are seen | [`view`], [`game`], [`etc`] |
//! | folders of its own | [`folders`] |
//! | user, capabilities, resources, keys | [`privileges`] |
//! | files that may be written, processes that may be signalled | [`landlock`] |
//! | system calls | [`filter`] |

mod etc;
mod filter;
mod folders;
mod game;
mod landlock;
mod mount;
mod privileges;
mod support;
mod syscalls;
mod view;

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Uid, chdir};

use crate::api::spec::{GAME_DIRECTORY, InstanceSpec, PROCESS_SLOTS, Work};
use crate::cgroup::Cgroup;
use crate::step::{Doing, Hint, StepError};
use filter::Filter;

pub(crate) use folders::Folders;
pub(crate) use game::INSTALL_UPPER;
use landlock::version as landlock_version;
pub use support::SandboxSupport;

/// What all server processes of an instance have in common.
pub(crate) struct Sandbox {
    first_user: Option<u32>,
    tmp_bytes: u64,
    /// What each of them has of its own below `/local/game`, `/tmp` and the home.
    log_folders: Arc<[PathBuf]>,
    /// Where else than in their own folders they may write.
    writable: Option<&'static Path>,
    filter: Arc<Filter>,
    cgroup: Option<Arc<Cgroup>>,
}

impl Sandbox {
    /// Limits the instance, and enters its view. `pid` is the supervisor's process id on the host.
    pub(crate) fn enter(spec: &InstanceSpec, pid: i32) -> Result<Self, StepError> {
        let first_user = spec.sandbox.first_user;
        check_user(first_user)?;
        let filter = Filter::compile().doing(|| "compiling the filter of system calls".into())?;
        let cgroup = Cgroup::make(spec, pid)?;
        let log_folders = view::enter(spec)?;
        Ok(Sandbox {
            first_user,
            tmp_bytes: spec.sandbox.tmp_bytes,
            log_folders: log_folders.into(),
            writable: match spec.work {
                Work::Serve(_) => None,
                Work::Install { .. } => Some(Path::new(GAME_DIRECTORY)),
            },
            filter: Arc::new(filter),
            cgroup: cgroup.map(Arc::new),
        })
    }

    /// The instance's control group; `None` where nothing is limited.
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_deref()
    }

    /// The user of the process at `slot`, from 1; `None` is the supervisor's own.
    pub(crate) fn user(&self, slot: u32) -> Option<u32> {
        self.first_user
            .map(|first| first + (slot - 1) % PROCESS_SLOTS)
    }

    /// What the next run of the process at `slot`, from 1, is put into.
    pub(crate) fn confine(&self, slot: u32) -> io::Result<(Confinement, Refusal)> {
        let user = self.user(slot);
        let (refusal, refusal_writer) = io::pipe()?;
        let confinement = Confinement {
            user,
            folders: Folders::make(self.tmp_bytes, &self.log_folders, user)?,
            log_folders: self.log_folders.clone(),
            writable: self.writable,
            filter: self.filter.clone(),
            cgroup: self.cgroup.clone(),
            refusal_writer,
        };
        Ok((confinement, Refusal(refusal)))
    }
}

/// Root gives its processes users of their own, and no other user can.
fn check_user(first_user: Option<u32>) -> Result<(), StepError> {
    let (doing, hint) = match (first_user, Uid::effective().is_root()) {
        (Some(_), true) | (None, false) => return Ok(()),
        (None, true) => (
            "starting server processes as root".to_owned(),
            "sandbox.first_user in the instance's spec must name their first user",
        ),
        (Some(user), false) => (
            format!("starting server processes as user {user}"),
            "this takes root; without it sandbox.first_user in the instance's spec must be null",
        ),
    };
    let refused = io::ErrorKind::PermissionDenied;
    Err(StepError::new(doing, refused.into(), Some(hint)))
}

/// What one run of a server process is put into.
pub(crate) struct Confinement {
    user: Option<u32>,
    folders: Folders,
    log_folders: Arc<[PathBuf]>,
    writable: Option<&'static Path>,
    filter: Arc<Filter>,
    cgroup: Option<Arc<Cgroup>>,
    refusal_writer: PipeWriter,
}

impl Confinement {
    /// The process's own folders.
    pub(crate) fn folders(&self) -> Folders {
        self.folders.clone()
    }

    /// Puts this process, which is between fork and exec and has one thread, behind every wall, in
    /// `directory`. What cannot be done is named in the [`Refusal`].
    pub(crate) fn enter(&self, directory: &Path) -> io::Result<()> {
        self.walls(directory).map_err(|error| {
            // The parent reads it when it hears that nothing was executed.
            let _ = (&self.refusal_writer).write_all(error.report().as_bytes());
            error.into_source()
        })
    }

    fn walls(&self, directory: &Path) -> Result<(), StepError> {
        if let Some(cgroup) = &self.cgroup {
            cgroup
                .enter()
                .doing(|| "entering the control group".into())?;
        }
        self.folders.mount(&self.log_folders)?;
        // By its path in the view that is seen now.
        chdir(directory).doing(|| format!("entering {}", directory.display()))?;
        privileges::drop_all(self.user).doing(|| "giving up privileges".into())?;
        let own = folders::ALWAYS.iter().map(Path::new);
        let own = own.chain(self.log_folders.iter().map(PathBuf::as_path));
        landlock::restrict(own.chain(self.writable))
            .doing(|| "restricting the process by Landlock".into())?;
        self.filter
            .apply()
            .doing(|| "filtering system calls".into())
            .hint(|_| "this takes a kernel with CONFIG_SECCOMP_FILTER")
    }
}

/// The supervisor's end of the pipe in which a child says which wall it could not be put behind.
pub(crate) struct Refusal(PipeReader);

impl Refusal {
    /// What the child said. The child is gone, and whatever held the [`Confinement`] too.
    pub(crate) fn report(mut self) -> Option<String> {
        let mut report = String::new();
        self.0.read_to_string(&mut report).ok()?;
        (!report.is_empty()).then_some(report)
    }
}
