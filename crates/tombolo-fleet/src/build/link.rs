//! Which links a build may have.

use std::path::{Component, Path};

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
