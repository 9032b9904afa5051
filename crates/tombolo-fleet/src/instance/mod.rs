//! The control plane's side of an instance.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest, Lines};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

mod error;

pub use error::{AttachError, ConfigureError, ControlError, StartError, StopError};

use crate::api::control::{PROTOCOL, Request, SOCKET, socket_path};
use crate::api::event::NumberedEvent;
use crate::api::format::InstanceFile;
use crate::api::incarnation::{Incarnation, SupervisorState, is_locked, try_lock};
use crate::api::spec::{InstanceSpec, ServerProcess, Work, check_processes};
use crate::api::status::InstanceStatus;
use crate::cgroup;
use crate::pidfd::PidFd;
use crate::supervisor::{ALREADY_RUNNING, SUBCOMMAND};

/// How long the processes of an instance may take to be gone once they were all killed: the kernel
/// lets a process die only after its system call has ended.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a supervisor may take to be up, which takes it milliseconds.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often to look for a supervisor that is coming up.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long a supervisor may take to answer; it never blocks.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// A live instance: a handle on its supervisor. Dropping it leaves the instance running.
#[derive(Debug)]
pub struct Instance {
    directory: PathBuf,
    incarnation: Incarnation,
    supervisor: AsyncFd<PidFd>,
}

impl Instance {
    /// Starts the instance and returns when its supervisor is up; that the server processes run,
    /// or why not, are events. `binary` is run as `binary instance-supervisor SPEC` and must call
    /// [`supervisor::main`](crate::supervisor::main) then.
    ///
    /// Never starts an instance twice: see [`StartError::AlreadyRunning`]. When this process is
    /// killed halfway, the instance comes up nevertheless, and [`Instance::attach`] finds it.
    pub async fn start(binary: &Path, spec: &InstanceSpec) -> Result<Self, StartError> {
        spec.check()?;
        let directory = &spec.directory;
        if Self::attach(directory).await?.is_some() {
            return Err(StartError::AlreadyRunning {
                directory: directory.clone(),
            });
        }
        let written = {
            let spec = spec.clone();
            off_thread(move || {
                make_directory(&spec.directory)?;
                spec.write(&spec.directory)
            })
        };
        written.await.map_err(|source| StartError::WriteSpec {
            directory: directory.clone(),
            source,
        })?;
        let output = Command::new(binary)
            .arg(SUBCOMMAND)
            .arg(InstanceSpec::path_in(directory))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(START_TIMEOUT, output)
            .await
            .map_err(|_| StartError::TimedOut)?
            .map_err(|source| StartError::Run {
                binary: binary.to_owned(),
                source,
            })?;
        match output.status.code() {
            Some(0) => {}
            Some(code) if code == i32::from(ALREADY_RUNNING) => {
                return Err(StartError::AlreadyRunning {
                    directory: directory.clone(),
                });
            }
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                let reason = match said.trim() {
                    "" => output.status.to_string(),
                    said => said.to_owned(),
                };
                return Err(StartError::Supervisor { reason });
            }
        }
        let instance = Self::attach(directory).await?;
        instance.ok_or_else(|| StartError::Gone {
            directory: directory.clone(),
        })
    }

    /// The instance in `directory` if it runs; one that is just coming up, started by a control
    /// plane that was killed or gave up meanwhile, is waited for. What an instance that was killed
    /// has left there is no obstacle, and [`Instance::start`] replaces it.
    pub async fn attach(directory: &Path) -> Result<Option<Self>, AttachError> {
        let failed = |source| AttachError {
            directory: directory.to_owned(),
            source,
        };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(found) = Self::find(directory).await.map_err(failed)? {
                return Ok(Some(found));
            }
            // A supervisor holds the lock before it says who it is, and after it has died for as
            // long as the kernel takes to let go.
            let locked = {
                let directory = directory.to_owned();
                off_thread(move || is_locked(&directory))
            };
            if !locked.await.map_err(failed)? {
                remove_cgroups(directory).await.map_err(failed)?;
                return Ok(None);
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The instance whose supervisor has said that it runs, and does.
    async fn find(directory: &Path) -> io::Result<Option<Self>> {
        let directory = directory.to_owned();
        let looked = {
            let directory = directory.clone();
            off_thread(move || running_supervisor(&directory))
        };
        let Some((incarnation, supervisor)) = looked.await? else {
            return Ok(None);
        };
        // SAFETY: a PidFd owns its descriptor, which is open until it is dropped, and has no
        // other one to return.
        let supervisor =
            unsafe { AsyncFd::register_with_interest(supervisor, Interest::READABLE)? };
        Ok(Some(Instance {
            directory,
            incarnation,
            supervisor,
        }))
    }

    /// The instance's directory, [`InstanceSpec::directory`].
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Which run of the supervisor this is. Keep it beside the number of the last event that was
    /// dealt with: in another incarnation numbers begin anew, and one resumes after 0.
    pub fn incarnation(&self) -> &Incarnation {
        &self.incarnation
    }

    /// Whether the supervisor lives, and so may its server processes.
    pub fn is_alive(&self) -> bool {
        // A poll that fails says nothing about the process.
        !self.supervisor.get_ref().has_ended().unwrap_or(false)
    }

    /// Returns when the instance has ended: no process of it is left.
    pub async fn ended(&self) -> io::Result<()> {
        // A pidfd becomes readable once and stays so, hence nothing is to be cleared.
        self.supervisor.readable().await?.retain_ready();
        Ok(())
    }

    /// The events after number `resume_after` (0 for all), and then whatever happens. Events are
    /// kept for the next caller until they are acknowledged.
    pub async fn events(&self, resume_after: u64) -> Result<Events, ControlError> {
        let stream = self.ask(Request::ResumeAfter(resume_after)).await?;
        Ok(Events {
            lines: BufReader::new(stream).lines(),
            directory: self.directory.clone(),
        })
    }

    /// Tells the supervisor that the events up to `seq` are safe and need not be kept. When it
    /// returns, the supervisor has taken note.
    pub async fn acknowledge(&self, seq: u64) -> Result<(), ControlError> {
        self.tell(Request::Acknowledge(seq)).await
    }

    /// Makes the instance run `processes` from now on, and after its next start too. Those that run
    /// already go on, missing ones are started, and those that are not wanted any more are ended;
    /// all of that is reported by events. Fine to call again with the same, which changes nothing: do
    /// so after [`Instance::attach`], since who called it last may have been killed in the middle.
    ///
    /// When it returns, the supervisor has taken note.
    pub async fn configure(&self, processes: Vec<ServerProcess>) -> Result<(), ConfigureError> {
        check_processes(&processes)?;
        let kept = {
            let (directory, work) = (self.directory.clone(), Work::Serve(processes.clone()));
            off_thread(move || {
                let mut spec = InstanceSpec::read(&directory)?;
                if spec.work != work {
                    spec.work = work;
                    spec.write(&directory)?;
                }
                Ok(())
            })
        };
        kept.await.map_err(|source| ConfigureError::WriteSpec {
            directory: self.directory.clone(),
            source,
        })?;
        Ok(self.tell(Request::Configure(processes)).await?)
    }

    /// What the instance runs and uses at the moment.
    pub async fn status(&self) -> Result<InstanceStatus, ControlError> {
        let stream = self.ask(Request::Status).await?;
        let answer = async {
            let mut line = String::new();
            match BufReader::new(stream).read_line(&mut line).await? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(serde_json::from_str(&line)?),
            }
        };
        within(REPLY_TIMEOUT, answer)
            .await
            .map_err(|source| self.control_error(source))
    }

    /// Ends the instance: SIGTERM to every process, SIGKILL to what is left after `grace`. When it
    /// returns, processes, control socket, mounts and namespaces are gone; logs stay.
    pub async fn stop(&self, grace: Duration) -> Result<(), StopError> {
        let grace_ms = grace.as_millis().try_into().unwrap_or(u64::MAX);
        let asked = self.tell(Request::Stop { grace_ms }).await;
        if let Err(error) = &asked
            && self.is_alive()
        {
            tracing::warn!(directory = %self.directory.display(), error = %error.source,
                "the supervisor cannot be asked to stop and is killed");
        }
        if asked.is_ok() {
            // Should it fail to end, it is killed below.
            let _ = timeout(grace.saturating_add(KILL_TIMEOUT), self.ended()).await;
        }
        self.kill().await
    }

    /// Ends the instance at once: every process is killed. Fine on one that has ended. When it
    /// returns, processes, control socket, mounts and namespaces are gone; logs stay.
    pub async fn kill(&self) -> Result<(), StopError> {
        let pid = self.incarnation.pid;
        let failed = |source| StopError::Kill {
            pid,
            directory: self.directory.clone(),
            source,
        };
        self.supervisor
            .get_ref()
            .signal(Signal::SIGKILL)
            .map_err(failed)?;
        match timeout(KILL_TIMEOUT, self.ended()).await {
            Ok(ended) => ended.map_err(failed)?,
            Err(_) => {
                return Err(StopError::Hangs {
                    pid,
                    directory: self.directory.clone(),
                });
            }
        }
        let failed = |source| StopError::Remove {
            directory: self.directory.clone(),
            source,
        };
        let directory = self.directory.clone();
        let removed = off_thread(move || remove_remains(&directory));
        removed.await.map_err(failed)?;
        remove_cgroups(&self.directory).await.map_err(failed)
    }

    /// Sends a request that is not replied to, and waits until it was dealt with.
    async fn tell(&self, request: Request) -> Result<(), ControlError> {
        let mut stream = self.ask(request).await?;
        let dealt_with = async {
            stream.shutdown().await?;
            stream.read_to_end(&mut Vec::new()).await
        };
        within(REPLY_TIMEOUT, dealt_with)
            .await
            .map(drop)
            .map_err(|source| self.control_error(source))
    }

    /// A connection on which `request` was sent.
    async fn ask(&self, request: Request) -> Result<UnixStream, ControlError> {
        let asked = async {
            let line = request.line()?;
            let directory = self.directory.clone();
            let directory = off_thread(move || File::open(directory)).await?;
            let mut stream = UnixStream::connect(socket_path(&directory)).await?;
            stream.write_all(line.as_bytes()).await?;
            Ok(stream)
        };
        within(REPLY_TIMEOUT, asked)
            .await
            .map_err(|source| self.control_error(source))
    }

    fn control_error(&self, source: io::Error) -> ControlError {
        ControlError {
            directory: self.directory.clone(),
            source,
        }
    }
}

/// Runs what takes files where it may block: hundreds of instances share a thread, and a disk that hangs
/// under one of them must not hold up the others.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// The supervisor that has said that it runs the instance in `directory`, and does.
fn running_supervisor(directory: &Path) -> io::Result<Option<(Incarnation, PidFd)>> {
    let Some(state) = SupervisorState::find(directory)? else {
        return Ok(None);
    };
    let SupervisorState {
        incarnation,
        protocol,
    } = state;
    let Some(supervisor) = incarnation.open()? else {
        return Ok(None);
    };
    if protocol > PROTOCOL {
        return Err(io::Error::other(format!(
            "its supervisor, process {}, speaks version {protocol} of the control protocol, and \
             this release up to {PROTOCOL}; run the release that started it, or a later one",
            incarnation.pid
        )));
    }
    Ok(Some((incarnation, supervisor)))
}

/// Removes what a killed supervisor could not. Whoever holds the lock is another supervisor, on its way
/// up, and what is there then is its own.
fn remove_remains(directory: &Path) -> io::Result<()> {
    let Some(lock) = try_lock(directory)? else {
        return Ok(());
    };
    for name in [SOCKET, SupervisorState::NAME] {
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    lock.unlock()
}

/// Removes the control groups of an instance whose supervisor has died. Another supervisor that is
/// on its way up, and holds the lock, does so itself.
async fn remove_cgroups(directory: &Path) -> io::Result<()> {
    let deadline = Instant::now() + KILL_TIMEOUT;
    loop {
        let directory = directory.to_owned();
        let removed = off_thread(move || {
            if !cgroup::are_noted(&directory) {
                return Ok(());
            }
            let Some(lock) = try_lock(&directory)? else {
                return Ok(());
            };
            let removed = cgroup::remove(&directory);
            lock.unlock()?;
            removed
        });
        match removed.await {
            // The kernel lets go of processes a moment after they were seen to end.
            Err(error)
                if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline =>
            {
                sleep(POLL_INTERVAL).await;
            }
            removed => return removed,
        }
    }
}

/// The result of `work`, or a timeout.
async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// The events of an instance, in order.
#[derive(Debug)]
pub struct Events {
    lines: Lines<BufReader<UnixStream>>,
    directory: PathBuf,
}

impl Events {
    /// The next event, as soon as there is one; `None` when the supervisor has ended. Dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Result<Option<NumberedEvent>, ControlError> {
        let failed = |source| ControlError {
            directory: self.directory.clone(),
            source,
        };
        let Some(line) = self.lines.next_line().await.map_err(failed)? else {
            return Ok(None);
        };
        let event = serde_json::from_str(&line);
        event.map(Some).map_err(|error| failed(error.into()))
    }
}
