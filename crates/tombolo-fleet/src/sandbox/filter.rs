//! The seccomp filter of server processes (`seccomp(2)`): which system calls the kernel takes from
//! them.
//!
//! Four filters, since one has a single answer to what it refuses: what is [`ALLOWED`] passes the
//! first, and anything else does not exist (`ENOSYS`), as in a kernel that is older, which programs
//! know how to do without. The second takes out what is not permitted (`EPERM`), the third the
//! families of sockets that are not there (`EAFNOSUPPORT`), the fourth their protocols
//! (`EPROTONOSUPPORT`): to make the first socket of a protocol, the kernel loads a module. A
//! program for another processor architecture, such as 32-bit x86, is killed by its first call,
//! with SIGSYS.

use std::collections::BTreeMap;
use std::io;

use libc::{c_long, c_ulong};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::syscalls::{ALLOWED, ALLOWED_HERE, FORBIDDEN};

/// The flags of `clone(2)` that ask for namespaces. `clone3(2)` passes its flags in memory, where
/// no filter sees them, and so is not let through: libraries fall back on `clone`.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// The `ioctl(2)` requests that put characters into the input of another process's terminal.
const TERMINAL_INPUT: [c_ulong; 2] = [libc::TIOCSTI as c_ulong, libc::TIOCLINUX as c_ulong];

/// The families of sockets that there are.
const FAMILIES: [libc::c_int; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

/// The protocols that sockets of the Internet's families may name, beside none.
const PROTOCOLS: [(libc::c_int, [libc::c_int; 3]); 2] = [
    (
        libc::AF_INET,
        [libc::IPPROTO_TCP, libc::IPPROTO_UDP, libc::IPPROTO_ICMP],
    ),
    (
        libc::AF_INET6,
        [libc::IPPROTO_TCP, libc::IPPROTO_UDP, libc::IPPROTO_ICMPV6],
    ),
];

/// The kinds of sockets by which the Internet's families have other protocols, without naming them:
/// `SOCK_RDM`, `SOCK_SEQPACKET` and `SOCK_DCCP`.
const OTHER_KINDS: [libc::c_int; 3] = [libc::SOCK_RDM, libc::SOCK_SEQPACKET, libc::SOCK_DCCP];

/// Of the kind, what is not flags: `SOCK_TYPE_MASK` of the kernel's `net.h`.
const KIND: u64 = 0xf;

/// The execution domain of Linux, with and without a randomized address space (`personality(2)`);
/// the last asks which one is in force.
const PERSONALITIES: [u64; 3] = [0, libc::ADDR_NO_RANDOMIZE as u64, 0xffff_ffff];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The compiled filters, in the order in which they are put in place: where several refuse a call,
/// the last one's answer counts.
pub(super) struct Filter([BpfProgram; 4]);

impl Filter {
    pub(super) fn compile() -> io::Result<Self> {
        let filters = || -> Result<_, BackendError> {
            let not_there = compile(
                allowed()?,
                SeccompAction::Errno(libc::ENOSYS as u32),
                SeccompAction::Allow,
            )?;
            let not_permitted = compile(
                forbidden()?,
                SeccompAction::Allow,
                SeccompAction::Errno(libc::EPERM as u32),
            )?;
            let no_family = compile(
                families()?,
                SeccompAction::Allow,
                SeccompAction::Errno(libc::EAFNOSUPPORT as u32),
            )?;
            let no_protocol = compile(
                protocols()?,
                SeccompAction::Allow,
                SeccompAction::Errno(libc::EPROTONOSUPPORT as u32),
            )?;
            Ok(Filter([not_there, not_permitted, no_family, no_protocol]))
        };
        filters().map_err(io::Error::other)
    }

    /// Installs the filters for this thread and what it executes. That cannot be undone.
    pub(super) fn apply(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|program| {
            apply_filter(program).map_err(|error| match error {
                seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
                other => io::Error::other(other),
            })
        })
    }
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let processor: TargetArch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, matching, processor)?.try_into()
}

/// A call that matches whatever its arguments are.
fn always(call: &c_long) -> (i64, Vec<SeccompRule>) {
    (*call, Vec::new())
}

fn allowed() -> Result<Rules, BackendError> {
    let mut rules: Rules = ALLOWED.iter().chain(ALLOWED_HERE).map(always).collect();
    // The other filters look at their arguments.
    rules.extend(
        [libc::SYS_clone, libc::SYS_ioctl, libc::SYS_socket]
            .iter()
            .map(always),
    );
    let known = PERSONALITIES
        .into_iter()
        .map(|wanted| one(0, SeccompCmpOp::Eq, wanted));
    rules.insert(libc::SYS_personality, known.collect::<Result<_, _>>()?);
    Ok(rules)
}

fn forbidden() -> Result<Rules, BackendError> {
    let mut rules: Rules = FORBIDDEN.iter().map(always).collect();
    let namespaces = NAMESPACES.into_iter().map(|flag| {
        let flag = flag as u32 as u64;
        one(0, SeccompCmpOp::MaskedEq(flag), flag)
    });
    rules.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);
    let input = TERMINAL_INPUT
        .into_iter()
        .map(|request| one(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, input.collect::<Result<_, _>>()?);
    let unknown = PERSONALITIES
        .into_iter()
        .map(|known| condition(0, SeccompCmpOp::Ne, known))
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_personality, vec![SeccompRule::new(unknown)?]);
    Ok(rules)
}

/// Sockets but those of [`FAMILIES`], and of netlink those that ask about routes and interfaces,
/// as `getaddrinfo(3)` does. Pairs are of Unix sockets.
fn families() -> Result<Rules, BackendError> {
    let other = || {
        FAMILIES
            .into_iter()
            .map(|family| condition(0, SeccompCmpOp::Ne, family as u64))
            .collect::<Result<Vec<_>, _>>()
    };
    let netlink = libc::AF_NETLINK as u64;
    let mut neither = other()?;
    neither.push(condition(0, SeccompCmpOp::Ne, netlink)?);
    let mut not_routes = other()?;
    not_routes.push(condition(2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE as u64)?);
    let rules = vec![SeccompRule::new(neither)?, SeccompRule::new(not_routes)?];
    let no_pair = one(0, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    Ok(BTreeMap::from([
        (libc::SYS_socket, rules),
        (libc::SYS_socketpair, vec![no_pair]),
    ]))
}

/// Sockets of the Internet's families but those of [`PROTOCOLS`].
fn protocols() -> Result<Rules, BackendError> {
    let mut rules = Vec::new();
    for (family, protocols) in PROTOCOLS {
        let is_of = || condition(0, SeccompCmpOp::Eq, family as u64);
        let mut other = vec![is_of()?];
        for known in protocols.into_iter().chain([libc::IPPROTO_IP]) {
            other.push(condition(2, SeccompCmpOp::Ne, known as u64)?);
        }
        rules.push(SeccompRule::new(other)?);
        for kind in OTHER_KINDS {
            let is_kind = condition(1, SeccompCmpOp::MaskedEq(KIND), kind as u64)?;
            rules.push(SeccompRule::new(vec![is_of()?, is_kind])?);
        }
    }
    Ok(BTreeMap::from([(libc::SYS_socket, rules)]))
}

fn one(argument: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(argument, comparison, value)?])
}

/// Arguments are compared by their lower half, which is all that the kernel takes of these.
fn condition(
    argument: u8,
    comparison: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_forbidden() {
        let allowed: BTreeSet<_> = ALLOWED.iter().chain(ALLOWED_HERE).collect();
        assert_eq!(allowed.len(), ALLOWED.len() + ALLOWED_HERE.len());
        let both: Vec<_> = FORBIDDEN
            .iter()
            .filter(|call| allowed.contains(call))
            .collect();
        assert_eq!(both, Vec::<&c_long>::new());
    }

    #[test]
    fn the_filters_compile() {
        Filter::compile().unwrap();
    }
}
