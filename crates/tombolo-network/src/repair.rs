//! Repairs: changes that the engine did not make, found and undone by it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that was not as the engine had left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// What kind of thing it was.
    pub what: RepairKind,
    /// What was found, as a sentence that names it: `the link v00… of eni-… was gone`.
    pub found: String,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found)
    }
}

/// The kinds of things that an engine keeps on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairKind {
    /// All of it, as after a reboot.
    Everything,
    /// The namespace that the near ends of all links are in, or its name.
    CoreNamespace,
    /// The BPF file system, or what is pinned on it.
    FileSystem,
    /// The network namespace of an interface's workload.
    Namespace,
    /// An interface's link.
    Interface,
    /// The program on an interface's link.
    Attachment,
    /// What joins the networks to what is outside of them.
    Uplink,
    /// An entry of the named table.
    MapEntry(String),
}

/// The repairs of one `apply`: the first [`MAX_LISTED`](Self::MAX_LISTED) as sentences, the others
/// counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repairs {
    /// The first ones.
    pub listed: Vec<Repair>,
    /// How many came after those.
    pub unlisted: usize,
}

impl Repairs {
    /// How many are listed: enough to see what happened, and bounded however much did.
    pub const MAX_LISTED: usize = 100;

    /// How many there were in all.
    pub fn count(&self) -> usize {
        self.listed.len() + self.unlisted
    }

    /// Whether everything was as it had been left.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub(crate) fn add(&mut self, what: RepairKind, found: impl FnOnce() -> String) {
        if self.listed.len() < Self::MAX_LISTED {
            let found = found();
            tracing::warn!(?what, "repaired: {found}");
            self.listed.push(Repair { what, found });
        } else {
            self.unlisted += 1;
        }
    }
}
