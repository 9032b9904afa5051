//! Landlock (`landlock(7)`): a second wall, which stands also where the view of files has a hole.
//!
//! A server process reads what it sees and writes only to its own folders, devices and `/proc`;
//! where the kernel can, it signals and reaches by abstract sockets only what it started itself.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};

/// What is asked for; a kernel that knows less gives what it has.
const REQUESTED_ABI: ABI = ABI::V6;

/// Where anybody may write as far as the files let them: devices, and a process's own `/proc`.
const SHARED: [&str; 2] = ["/dev", "/proc"];

/// The version of Landlock that the kernel has; `None` is no Landlock, or its first version, which
/// forbids to move a file from one folder to another and is not used.
pub(crate) fn version() -> Option<i32> {
    Some(kernel_version()).filter(|version| *version >= ABI::V2 as i32)
}

/// The version that the kernel tells (`landlock_create_ruleset(2)`), 0 without Landlock.
fn kernel_version() -> i32 {
    /// `LANDLOCK_CREATE_RULESET_VERSION`.
    const VERSION: u32 = 1;
    // SAFETY: with this flag the call takes no attributes and returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            VERSION,
        )
    };
    version.try_into().unwrap_or(0)
}

/// Restricts this thread, and the processes it starts, to writing below `own`. That cannot be
/// undone.
pub(super) fn restrict<'a>(own: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    if version().is_none() {
        return Ok(());
    }
    let everything = AccessFs::from_all(REQUESTED_ABI);
    let shared = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let beneath = |path: &Path, access| -> Result<_, io::Error> {
        let folder = PathFd::new(path).map_err(io::Error::other)?;
        Ok(PathBeneath::new(folder, access))
    };
    let mut rules = vec![beneath(Path::new("/"), AccessFs::from_read(REQUESTED_ABI))?];
    for path in SHARED.map(Path::new) {
        rules.push(beneath(path, AccessFs::from_read(REQUESTED_ABI) | shared)?);
    }
    for path in own {
        rules.push(beneath(path, everything)?);
    }
    let restricted = || -> Result<_, RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(everything)?
            .scope(Scope::from_all(REQUESTED_ABI))?
            .create()?
            .add_rules(rules.into_iter().map(Ok::<_, RulesetError>))?
            .restrict_self()
    };
    restricted().map(drop).map_err(io::Error::other)
}
