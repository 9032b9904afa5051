//! Attaching the program to the ingress of links in the calling thread's network namespace.
//!
//! From Linux 6.6 on by TCX links, pinned as `links/NAME`: one holds on when the engine's process
//! ends, and moves to another program without a gap. Before, by a [`filter`].

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::{self, SchedClassifier, SchedClassifierLink, TcAttachOptions};
use aya::programs::{LinkOrder, TcAttachType};
use aya::util::KernelVersion;
use nix::net::if_::if_nametoindex;

use crate::ebpf::bpffs;
use crate::ebpf::error::Doing;
use crate::ebpf::links::filter;
use crate::ebpf::links::netlink::Netlink;
use crate::engine::EngineError;

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
    pub(in crate::ebpf) fn try_on(self, link: &str) -> io::Result<()> {
        match self {
            AttachmentKind::Tcx => SchedClassifier::query_tcx(link, TcAttachType::Ingress)
                .map(drop)
                .map_err(io::Error::other),
            AttachmentKind::Clsact => tc::qdisc_add_clsact(link).map_err(io::Error::other),
        }
    }
}

/// Whether the running kernel is that version or a later one.
pub(in crate::ebpf) fn kernel_is_at_least(major: u8, minor: u8) -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(major, minor, 0))
}

/// What attaching the program to a link took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ebpf) enum Attached {
    /// Nothing.
    Already,
    /// An earlier build's program made way.
    InPlaceOfAnother,
    /// There was none.
    Anew,
}

/// How many links have a TCX link at most.
///
/// The kernel waits for its readers whenever it attaches or detaches by TCX, about ten milliseconds,
/// with the lock held that every other change of a network device on the machine waits for; more
/// threads do not change that. A filter takes a tenth of a millisecond and costs each packet some
/// nanoseconds more. So every link gets a filter at once, and [`Attachments::settle`] replaces one
/// after the other while nothing else is to be done: so many that all of them can be removed within a
/// second.
const MAX_TCX: usize = 64;

/// How long the kernel may take to detach a program whose link is closed.
const DETACH_TIMEOUT: Duration = Duration::from_secs(2);
const DETACH_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The attachments of one engine.
pub(in crate::ebpf) struct Attachments {
    kind: AttachmentKind,
    links: PathBuf,
    /// The links that have a filter until a TCX link takes its place.
    provisional: BTreeSet<String>,
    /// The links that have a TCX link.
    settled: BTreeSet<String>,
}

impl Attachments {
    /// Keeps its pins in a directory of `bpffs`.
    pub(in crate::ebpf) fn open(kind: AttachmentKind, bpffs: &Path) -> Result<Self, EngineError> {
        let attachments = Attachments {
            kind,
            links: bpffs.join("links"),
            provisional: BTreeSet::new(),
            settled: BTreeSet::new(),
        };
        attachments.make_directory()?;
        Ok(attachments)
    }

    /// Makes the directory of the pins, where it is gone.
    pub(in crate::ebpf) fn make_directory(&self) -> Result<(), EngineError> {
        fs::create_dir_all(&self.links).doing(|| format!("making {}", self.links.display()))
    }

    /// Attaches `program` with a filter to a link that has just been made; it may be settled later.
    pub(in crate::ebpf) fn attach(
        &mut self,
        program: &mut SchedClassifier,
        link: &str,
    ) -> Result<(), EngineError> {
        filter::add(program, link)?;
        if self.kind == AttachmentKind::Tcx {
            self.provisional.insert(link.to_owned());
        }
        Ok(())
    }

    /// Attaches `program` at once as it is to stay.
    pub(in crate::ebpf) fn attach_to_stay(
        &mut self,
        program: &mut SchedClassifier,
        link: &str,
    ) -> Result<(), EngineError> {
        match self.kind {
            AttachmentKind::Clsact => filter::add(program, link),
            AttachmentKind::Tcx => self.attach_pinned(program, link),
        }
    }

    /// Sees to it that `program` is attached to the link, in place of an earlier build's; says what
    /// that took. It is attached by `attach` where it is not, [`Self::attach`] or
    /// [`Self::attach_to_stay`].
    pub(in crate::ebpf) fn ensure(
        &mut self,
        program: &mut SchedClassifier,
        link: &str,
        attach: impl FnOnce(&mut Self, &mut SchedClassifier, &str) -> Result<(), EngineError>,
    ) -> Result<Attached, EngineError> {
        if self.kind == AttachmentKind::Clsact {
            // The kernel tells a filter's program only in a dump; replacing it is no dearer, and
            // fails when there is none.
            if filter::replace(program, link) {
                return Ok(Attached::Already);
            }
            attach(self, program, link)?;
            return Ok(Attached::Anew);
        }
        if is_attached(program, link)? {
            self.settled.insert(link.to_owned());
            return Ok(Attached::Already);
        }
        let pin = self.links.join(link);
        if update_pinned(program, &pin) {
            self.settled.insert(link.to_owned());
            return Ok(Attached::InPlaceOfAnother);
        }
        self.settled.remove(link);
        if filter::replace(program, link) {
            // Ours, or that of an engine that ended before it settled.
            self.provisional.insert(link.to_owned());
            return Ok(Attached::Already);
        }
        attach(self, program, link)?;
        Ok(Attached::Anew)
    }

    /// Whether there is something to [`settle`](Self::settle).
    pub(in crate::ebpf) fn is_settled(&self) -> bool {
        self.provisional.is_empty() || self.settled.len() >= MAX_TCX
    }

    /// Attaches `program` by TCX to one of the links that have a filter, and takes the filter away.
    /// At every moment one of the two decides about each packet: TCX is asked first, and its word
    /// is final.
    pub(in crate::ebpf) fn settle(
        &mut self,
        program: &mut SchedClassifier,
        netlink: &mut Netlink,
    ) -> Result<(), EngineError> {
        let Some(link) = self.provisional.pop_first() else {
            return Ok(());
        };
        if !is_attached(program, &link)? {
            self.attach_pinned(program, &link)?;
        }
        self.settled.insert(link.clone());
        if_nametoindex(link.as_str())
            .map_err(io::Error::from)
            .and_then(|index| netlink.delete_clsact(index))
            .doing(|| format!("removing the filter from {link}"))
    }

    /// Forgets the attachment of a link that is being deleted.
    pub(in crate::ebpf) fn forget(&mut self, link: &str) -> Result<(), EngineError> {
        self.provisional.remove(link);
        self.settled.remove(link);
        let pin = self.links.join(link);
        bpffs::remove_if_there(&pin).doing(|| removing(&pin))
    }

    fn attach_pinned(&self, program: &mut SchedClassifier, link: &str) -> Result<(), EngineError> {
        let pin = self.links.join(link);
        // What is left of a link to a device that is gone.
        bpffs::remove_if_there(&pin).doing(|| removing(&pin))?;
        attach_pinned(program, link, &pin)
    }
}

impl Attachments {
    /// Sees to it that `program` is attached to a link of the calling thread's namespace, which
    /// need not be the core: only by TCX, since a link that others have, too, has room for no more
    /// than one filter of ours. The pin is `NAME-INDEX`, after the link's index.
    pub(in crate::ebpf) fn ensure_as(
        &self,
        name: &str,
        program: &mut SchedClassifier,
        link: &str,
        index: u32,
    ) -> Result<Attached, EngineError> {
        let pin = self.links.join(format!("{name}-{index}"));
        self.forget_other(name, &pin)?;
        if pin.exists() && is_attached(program, link)? {
            return Ok(Attached::Already);
        }
        if update_pinned(program, &pin) {
            return Ok(Attached::InPlaceOfAnother);
        }
        bpffs::remove_if_there(&pin).doing(|| removing(&pin))?;
        // An attachment that lost its pin is there until the kernel gets around to it.
        let started = Instant::now();
        while is_attached(program, link)? && started.elapsed() < DETACH_TIMEOUT {
            thread::sleep(DETACH_POLL_INTERVAL);
        }
        attach_pinned(program, link, &pin)?;
        Ok(Attached::Anew)
    }

    /// Takes away what [`Self::ensure_as`] attached by that name.
    pub(in crate::ebpf) fn forget_as(&self, name: &str) -> Result<(), EngineError> {
        self.forget_other(name, Path::new(""))
    }

    fn forget_other(&self, name: &str, kept: &Path) -> Result<(), EngineError> {
        let listing = || format!("listing {}", self.links.display());
        for entry in fs::read_dir(&self.links).doing(listing)? {
            let pin = entry.doing(listing)?.path();
            let is_of_name = pin.file_name().is_some_and(|file| {
                let index = file.to_string_lossy();
                index
                    .strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix('-'))
                    .is_some_and(|rest| rest.parse::<u32>().is_ok())
            });
            if is_of_name && pin != kept {
                bpffs::remove_if_there(&pin).doing(|| removing(&pin))?;
            }
        }
        Ok(())
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

fn removing(pin: &Path) -> String {
    format!("removing {}", pin.display())
}
