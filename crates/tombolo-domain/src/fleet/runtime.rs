//! What each instance of a fleet runs.

/// Where a build's files are, seen from a server process (GameLift's own path on Linux).
pub const GAME_ROOT: &str = "/local/game";

/// The most server processes of one instance (GameLift's quota).
pub const MAX_PROCESSES: u32 = 50;

/// The server processes of each instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeConfiguration {
    /// At least one.
    pub server_processes: Vec<ServerProcess>,
}

/// A program, and how many of it run at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerProcess {
    /// The program, an absolute path under [`GAME_ROOT`].
    pub launch_path: String,
    /// Its arguments, in one text.
    pub parameters: Option<String>,
    /// How many run at a time, at least 1.
    pub concurrent_executions: u32,
}

/// A runtime configuration that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// No server process.
    #[error("the runtime configuration has no server process; name at least one")]
    Empty,
    /// Too many.
    #[error(
        "the runtime configuration asks for {0} server processes an instance; the most is {MAX_PROCESSES}"
    )]
    TooMany(u32),
    /// A launch path outside of the build.
    #[error("the launch path {0:?} is not under {GAME_ROOT}/, where the build's files are")]
    LaunchPath(String),
}

impl RuntimeConfiguration {
    /// Checks what the API's model cannot say.
    pub fn new(server_processes: Vec<ServerProcess>) -> Result<Self, RuntimeError> {
        if server_processes.is_empty() {
            return Err(RuntimeError::Empty);
        }
        let count = server_processes.iter().fold(0u32, |sum, process| {
            sum.saturating_add(process.concurrent_executions)
        });
        if count > MAX_PROCESSES {
            return Err(RuntimeError::TooMany(count));
        }
        for process in &server_processes {
            if process.path_in_build().is_none() {
                return Err(RuntimeError::LaunchPath(
                    process.launch_path.chars().take(256).collect(),
                ));
            }
        }
        Ok(RuntimeConfiguration { server_processes })
    }
}

impl ServerProcess {
    /// The launch path from the build's root, if it is within it: no `..`, no empty name.
    pub fn path_in_build(&self) -> Option<&str> {
        let path = self
            .launch_path
            .strip_prefix(GAME_ROOT)?
            .strip_prefix('/')?;
        let plain = |name: &str| !name.is_empty() && name != "." && name != "..";
        (path.split('/').all(plain) && !path.contains('\0')).then_some(path)
    }
}
