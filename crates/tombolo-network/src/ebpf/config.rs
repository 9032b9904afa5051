//! What an engine is started with.

use std::path::PathBuf;

use tombolo_tasks::Tasks;

use super::error::Doing;
use super::links::attachment::AttachmentKind;
use super::maps::object::FlowTable;
use super::names;
use crate::engine::EngineError;
use crate::outside::OutsideConfig;

/// Where an [`EbpfEngine`](super::EbpfEngine) keeps its things, and what they are called.
#[derive(Debug, Clone)]
pub struct EbpfConfig {
    /// The server's data directory; it must exist. A BPF file system is mounted on `bpf` in it.
    pub directory: PathBuf,
    /// What the namespaces of this engine have in their names, `tmb-NAME-…`: short, and its own
    /// on this machine.
    pub name: String,
    /// How the program is attached.
    pub attachment: AttachmentKind,
    /// How many flows it remembers. Another capacity than before begins with an empty table.
    pub flow_table: FlowTable,
    /// How the networks are joined to the one that the engine is started in; `None` is not at all.
    pub outside: Option<OutsideConfig>,
    /// Where its threads for flows tell how they are.
    pub tasks: Tasks,
}

impl EbpfConfig {
    /// The configuration of a data directory: always the same for the same directory, named by
    /// eight hexadecimal digits of its canonical path's hash. Fails when it does not exist.
    pub fn for_directory(directory: PathBuf) -> Result<Self, EngineError> {
        let name = names::of_directory(&directory)
            .doing(|| format!("finding the data directory {}", directory.display()))?;
        Ok(EbpfConfig {
            directory,
            name,
            attachment: AttachmentKind::of_this_kernel(),
            flow_table: FlowTable::default(),
            outside: None,
            tasks: Tasks::default(),
        })
    }
}
