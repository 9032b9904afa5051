//! Attaching the program to the ingress of links in the calling thread's network namespace.
//!
//! From Linux 6.6 on by TCX links, pinned as `links/NAME`: one holds on when the engine's process
//! ends, and moves to another program without a gap. Before, by a filter of the `clsact` qdisc,
//! which lives and dies with the link itself.

use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::{
    self, NlOptions, SchedClassifier, SchedClassifierLink, TcAttachOptions, TcHandle,
};
use aya::programs::{LinkOrder, ProgramError, TcAttachType};
use aya::util::KernelVersion;

use super::bpffs;
use super::error::Doing;
use crate::EngineError;

/// Our filter's place: the first to see a packet.
const PRIORITY: u16 = 1;
const HANDLE: TcHandle = TcHandle::new(0, 1);

/// How the program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentKind {
    /// Pinned TCX links, from Linux 6.6 on.
    Tcx,
    /// Filters of the `clsact` qdisc, from Linux 4.5 on.
    Clsact,
}

impl AttachmentKind {
    /// The best that the running kernel has.
    pub fn of_this_kernel() -> Self {
        if kernel_is_at_least(6, 6) {
            AttachmentKind::Tcx
        } else {
            AttachmentKind::Clsact
        }
    }

    /// Asks of a link what attaching to it takes; with `clsact` the qdisc stays on it.
    pub(super) fn try_on(self, link: &str) -> io::Result<()> {
        match self {
            AttachmentKind::Tcx => SchedClassifier::query_tcx(link, TcAttachType::Ingress)
                .map(drop)
                .map_err(io::Error::other),
            AttachmentKind::Clsact => tc::qdisc_add_clsact(link).map_err(io::Error::other),
        }
    }
}

/// Whether the running kernel is that version or a later one.
pub(super) fn kernel_is_at_least(major: u8, minor: u8) -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(major, minor, 0))
}

/// What attaching the program to a link took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attached {
    /// Nothing.
    Already,
    /// An earlier build's program made way.
    InPlaceOfAnother,
    /// There was none.
    Anew,
}

/// The attachments of one engine.
pub(super) struct Attachments {
    kind: AttachmentKind,
    links: PathBuf,
}

impl Attachments {
    /// Keeps its pins in a directory of `bpffs`.
    pub(super) fn open(kind: AttachmentKind, bpffs: &Path) -> Result<Self, EngineError> {
        let attachments = Attachments {
            kind,
            links: bpffs.join("links"),
        };
        attachments.make_directory()?;
        Ok(attachments)
    }

    /// Makes the directory of the pins, where it is gone.
    pub(super) fn make_directory(&self) -> Result<(), EngineError> {
        fs::create_dir_all(&self.links).doing(|| format!("making {}", self.links.display()))
    }

    /// Attaches `program` to the link, in place of an earlier build's; says what that took.
    pub(super) fn ensure(
        &self,
        program: &mut SchedClassifier,
        link: &str,
    ) -> Result<Attached, EngineError> {
        match self.kind {
            AttachmentKind::Tcx => {
                if is_attached(program, link)? {
                    return Ok(Attached::Already);
                }
                let pin = self.links.join(link);
                if update_pinned(program, &pin) {
                    return Ok(Attached::InPlaceOfAnother);
                }
                // Nothing, or what is left of a link to a device that is gone.
                bpffs::remove_if_there(&pin).doing(|| removing(&pin))?;
                attach_pinned(program, link, &pin)?;
                Ok(Attached::Anew)
            }
            // The kernel tells a filter's program only in a dump; replacing it is no dearer, and
            // fails when there is none.
            AttachmentKind::Clsact if replace_filter(program, link) => Ok(Attached::Already),
            AttachmentKind::Clsact => add_filter(program, link).map(|()| Attached::Anew),
        }
    }

    /// Forgets the attachment of a link that is being deleted.
    pub(super) fn forget(&self, link: &str) -> Result<(), EngineError> {
        let pin = self.links.join(link);
        bpffs::remove_if_there(&pin).doing(|| removing(&pin))
    }
}

fn is_attached(program: &SchedClassifier, link: &str) -> Result<bool, EngineError> {
    let asking = || format!("asking which programs are attached to {link}");
    let id = program.info().doing(asking)?.id();
    let (_, attached) = SchedClassifier::query_tcx(link, TcAttachType::Ingress).doing(asking)?;
    Ok(attached.iter().any(|program| program.id() == id))
}

/// Moves a pinned link to `program`; false when there is no such link, or its device is gone.
fn update_pinned(program: &mut SchedClassifier, pin: &Path) -> bool {
    let Ok(pinned) = PinnedLink::from_pin(pin) else {
        return false;
    };
    let Ok(link) = SchedClassifierLink::try_from(FdLink::from(pinned)) else {
        return false;
    };
    let Ok(id) = program.attach_to_link(link) else {
        return false;
    };
    // Closes our descriptor; the pin holds the link.
    program.take_link(id).is_ok()
}

fn attach_pinned(program: &mut SchedClassifier, link: &str, pin: &Path) -> Result<(), EngineError> {
    let attaching = || format!("attaching the BPF program to {link}");
    let first = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program
        .attach_with_options(link, TcAttachType::Ingress, first)
        .doing(attaching)?;
    let attached = program.take_link(id).doing(attaching)?;
    FdLink::try_from(attached)
        .doing(attaching)?
        .pin(pin)
        .doing(|| format!("pinning the attachment as {}", pin.display()))?;
    Ok(())
}

fn replace_filter(program: &mut SchedClassifier, link: &str) -> bool {
    SchedClassifierLink::attached(link, TcAttachType::Ingress, PRIORITY, HANDLE, None).is_ok_and(
        |filter| match program.attach_to_link(filter) {
            Ok(id) => leave_attached(program.take_link(id)).is_ok(),
            Err(_) => false,
        },
    )
}

fn add_filter(program: &mut SchedClassifier, link: &str) -> Result<(), EngineError> {
    let attaching = || format!("attaching the BPF program to {link} by clsact");
    // Fails when the qdisc is there, and then the filter can be added all the same.
    let qdisc = tc::qdisc_add_clsact(link);
    let place = NlOptions {
        priority: PRIORITY,
        handle: HANDLE,
        classid: None,
    };
    let added =
        program.attach_with_options(link, TcAttachType::Ingress, TcAttachOptions::Netlink(place));
    match (qdisc, added) {
        (_, Ok(id)) => leave_attached(program.take_link(id)).doing(attaching),
        (Err(error), Err(_)) => Err(error).doing(attaching),
        (Ok(()), Err(error)) => Err(error).doing(attaching),
    }
}

/// aya removes a filter when its value goes; ours stays for as long as the link does.
fn leave_attached(filter: Result<SchedClassifierLink, ProgramError>) -> Result<(), ProgramError> {
    mem::forget(filter?);
    Ok(())
}

fn removing(pin: &Path) -> String {
    format!("removing {}", pin.display())
}
