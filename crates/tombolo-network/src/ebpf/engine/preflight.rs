//! Whether this machine can run the engine, tried out rather than guessed.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tombolo_domain::error_chain;

use crate::ebpf::links::attachment::{AttachmentKind, kernel_is_at_least};
use crate::ebpf::links::interface::ROUTER_MAC;
use crate::ebpf::links::netlink::{Netlink, VethEnd};
use crate::ebpf::maps::object;
use crate::ebpf::namespace;
use crate::engine::{EngineError, EngineKind};
use crate::network::MAX_MTU;

/// The capabilities that the engine needs, by their numbers in linux/capability.h.
const CAPABILITIES: [(u32, &str); 3] = [
    (12, "CAP_NET_ADMIN"),
    (21, "CAP_SYS_ADMIN"),
    (39, "CAP_BPF"),
];

/// The oldest kernel, major and minor, that the engine supports: the first with long-term support
/// that has all of what is used. Taking an entry out of a hash map (5.14) is the latest of it; the
/// program needs atomic exchange and functions with pointers that are verified on their own
/// (5.12), `bpf_ktime_get_coarse_ns` (5.11), `bpf_redirect_peer` (5.10) and ring buffers (5.8).
pub const MINIMUM_KERNEL: (u8, u8) = (5, 15);

/// Tries what an [`EbpfEngine`](crate::ebpf::EbpfEngine) needs, short of attaching its program, in
/// namespaces that go with it. The error says what is missing and what to do about it.
pub fn preflight() -> Result<(), EngineError> {
    has_capabilities()?;
    let (major, minor) = MINIMUM_KERNEL;
    if !kernel_is_at_least(major, minor) {
        return Err(unsupported(format!(
            "it needs Linux {major}.{minor} or later; update the kernel"
        )));
    }
    mounts_bpffs()?;
    loads()?;
    makes_links_to_attach_to()
}

fn has_capabilities() -> Result<(), EngineError> {
    let status = fs::read_to_string("/proc/thread-self/status")
        .map_err(|error| unsupported(format!("/proc/thread-self/status: {error}; mount /proc")))?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .unwrap_or(0);
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(number, _)| effective & (1 << number) == 0)
        .map(|&(_, name)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(unsupported(format!(
        "this process lacks {}; run it as root (sudo), in a container with --privileged",
        missing.join(", "),
    )))
}

fn mounts_bpffs() -> Result<(), EngineError> {
    let mounted = namespace::on_own_thread(|| {
        namespace::unshare_mounts()?;
        // Unseen by others, any mount point will do, and the root is always there.
        mount(
            Some("tombolo"),
            "/",
            Some("bpf"),
            MsFlags::empty(),
            None::<&str>,
        )?;
        Ok(())
    });
    mounted.map_err(|error| {
        unsupported(format!(
            "a BPF file system cannot be mounted: {error}; the kernel needs CONFIG_BPF_SYSCALL, \
             and a container must be allowed to mount"
        ))
    })
}

fn loads() -> Result<(), EngineError> {
    match object::load() {
        Ok(_) => Ok(()),
        Err(error) => Err(unsupported(format!(
            "the kernel does not take the BPF program: {}; `dmesg` may say why",
            error_chain(&error),
        ))),
    }
}

/// The program itself is not attached: the kernel would wait for its readers, tens of
/// milliseconds, at every start of the server.
fn makes_links_to_attach_to() -> Result<(), EngineError> {
    let tried =
        namespace::on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let [near, far] = ["near", "far"].map(|name| VethEnd {
                name,
                mac: ROUTER_MAC,
            });
            let here = File::open(namespace::CURRENT)?;
            Netlink::open()?.create_veth(near, far, here.as_fd(), MAX_MTU.into()).map_err(|error| {
            io::Error::other(format!(
                "a veth pair cannot be made: {error}; try `modprobe veth`, the kernel needs \
                 CONFIG_VETH"
            ))
        })?;
            AttachmentKind::of_this_kernel()
                .try_on("near")
                .map_err(|error| {
                    io::Error::other(format!(
                        "a BPF program cannot be attached to a link: {error}; the kernel needs \
                 CONFIG_NET_CLS_ACT and CONFIG_NET_CLS_BPF"
                    ))
                })
        });
    tried.map_err(|error| unsupported(error.to_string()))
}

fn unsupported(reason: String) -> EngineError {
    EngineError::Unsupported {
        engine: EngineKind::Ebpf,
        reason,
    }
}
