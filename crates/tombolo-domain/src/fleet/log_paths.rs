//! LogPaths: the folders of a server process whose files are kept when it has ended.

/// The most of a fleet.
pub const MAX_LOG_PATHS: usize = 10;

/// Where such a folder may be: all that a server process can write to.
const ROOTS: [&str; 3] = ["/local/game", "/local/home", "/tmp"];

/// Why LogPaths are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogPathError {
    /// Too many.
    #[error("a fleet may have {MAX_LOG_PATHS}, and would have {0}")]
    TooMany(usize),
    /// A path outside of the folders that a server process can write to.
    #[error("{0:?} is no folder under /local/game/ and neither /tmp, /local/home nor under them")]
    Elsewhere(String),
}

/// Checks what a fleet is to have.
pub fn check(paths: &[String]) -> Result<(), LogPathError> {
    if paths.len() > MAX_LOG_PATHS {
        return Err(LogPathError::TooMany(paths.len()));
    }
    match paths.iter().find(|path| !is_folder(path)) {
        None => Ok(()),
        Some(other) => Err(LogPathError::Elsewhere(other.chars().take(256).collect())),
    }
}

/// Whether `path` is one that a server process may have: absolute, without `..`, and neither
/// outside of what it can write nor all of its build.
pub fn is_folder(path: &str) -> bool {
    let Some(inner) = ROOTS.iter().find_map(|root| {
        let rest = path.strip_prefix(root)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }) else {
        return false;
    };
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    let inner = inner.trim_end_matches('/');
    let within = inner.strip_prefix('/');
    match within {
        None => !path.starts_with("/local/game"),
        Some(within) => within.split('/').all(plain),
    }
}
