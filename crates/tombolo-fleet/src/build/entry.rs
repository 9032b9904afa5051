//! What a build may have: which names, kinds of files and links. An archive says what its entries
//! are, and none of that is trusted before it is checked here.

use std::path::{Component, Path, PathBuf};

use super::error::ImportError;

/// The longest name of one file that Linux's file systems take, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// The longest path from the build's root, in bytes. The kernel takes 4096 with everything in front
/// of it, in the data directory and in an instance.
const MAX_PATH_BYTES: usize = 1024;

/// How much of a name that is refused is repeated, in characters.
const MAX_QUOTED_CHARS: usize = 128;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
}

/// The path that `name` means, from the build's root; empty for the root itself. A backslash is a
/// separator like a slash.
pub(super) fn path(name: &str) -> Result<PathBuf, ImportError> {
    let refuse = |reason| {
        Err(ImportError::BadName {
            name: name.chars().take(MAX_QUOTED_CHARS).collect(),
            reason,
        })
    };
    if name.contains('\0') {
        return refuse("has a NUL byte in it");
    }
    let is_separator = |c| matches!(c, '/' | '\\');
    if name.starts_with(is_separator) {
        return refuse("is an absolute path");
    }
    let mut start = name.chars();
    if start.next().is_some_and(|c| c.is_ascii_alphabetic()) && start.next() == Some(':') {
        return refuse("starts with a drive letter");
    }
    let mut path = PathBuf::new();
    for part in name.split(is_separator) {
        match part {
            "" | "." => {}
            ".." => return refuse("has .. in it"),
            part if part.len() > MAX_NAME_BYTES => {
                return refuse("has a part of more than 255 bytes");
            }
            part => path.push(part),
        }
    }
    if path.as_os_str().len() > MAX_PATH_BYTES {
        return refuse("has more than 1024 bytes");
    }
    Ok(path)
}

/// What an entry of the Unix mode `mode` is, whose name is `name`.
///
/// # Errors
/// The English name of what cannot be in a build.
pub(super) fn kind(name: &str, mode: Option<u32>) -> Result<Kind, &'static str> {
    if name.ends_with(['/', '\\']) {
        return Ok(Kind::Directory);
    }
    match mode.unwrap_or(0) & libc::S_IFMT {
        // Archives that were not made on Unix have no type.
        0 | libc::S_IFREG => Ok(Kind::File),
        libc::S_IFDIR => Ok(Kind::Directory),
        libc::S_IFLNK => Ok(Kind::Link),
        libc::S_IFBLK => Err("block device"),
        libc::S_IFCHR => Err("character device"),
        libc::S_IFIFO => Err("named pipe"),
        libc::S_IFSOCK => Err("socket"),
        _ => Err("file of an unknown kind"),
    }
}

/// Whether a link in a directory `depth` below the root leads nowhere outside it, whatever the
/// links that it leads through are. After its leading `..`, which start in a real directory and so
/// are exact, it may only go down: `..` behind another link would be relative to where that leads.
pub(super) fn stays_inside(target: &Path, depth: usize) -> bool {
    let up = target
        .components()
        .take_while(|part| *part == Component::ParentDir)
        .count();
    up <= depth
        && target
            .components()
            .skip(up)
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
