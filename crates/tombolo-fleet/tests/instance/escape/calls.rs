//! System calls that administer the machine, and sockets that see its packets.

use super::said;

#[tokio::test]
async fn what_administers_the_machine_is_not_permitted() {
    let calls = [
        ("add_key", libc::SYS_add_key),
        ("bpf", libc::SYS_bpf),
        ("chroot", libc::SYS_chroot),
        ("clock_settime", libc::SYS_clock_settime),
        ("delete_module", libc::SYS_delete_module),
        ("fsopen", libc::SYS_fsopen),
        ("init_module", libc::SYS_init_module),
        ("io_uring_enter", libc::SYS_io_uring_enter),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("kexec_load", libc::SYS_kexec_load),
        ("keyctl", libc::SYS_keyctl),
        ("mount", libc::SYS_mount),
        ("move_mount", libc::SYS_move_mount),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("open_tree", libc::SYS_open_tree),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("pivot_root", libc::SYS_pivot_root),
        ("quotactl", libc::SYS_quotactl),
        ("reboot", libc::SYS_reboot),
        ("request_key", libc::SYS_request_key),
        ("sethostname", libc::SYS_sethostname),
        ("swapoff", libc::SYS_swapoff),
        ("swapon", libc::SYS_swapon),
        ("syslog", libc::SYS_syslog),
        ("umount2", libc::SYS_umount2),
        ("userfaultfd", libc::SYS_userfaultfd),
    ];
    let attempts: String = calls
        .iter()
        .map(|(name, number)| format!("say({name:?}, call({number}, 0, 0, 0, 0, 0))\n"))
        .collect();
    let expected: Vec<_> = calls
        .iter()
        .map(|(name, _)| format!("{name} EPERM"))
        .collect();
    assert_eq!(said(&attempts).await, expected);
}

#[tokio::test]
async fn a_call_that_is_in_no_list_is_not_there() {
    let attempts = format!(
        "say(call({}, 0, 0), call({}, 0, 0, 0), call(9999))",
        libc::SYS_lookup_dcookie,
        libc::SYS_set_mempolicy
    );
    assert_eq!(said(&attempts).await, ["ENOSYS ENOSYS ENOSYS"]);
}

#[tokio::test]
async fn sockets_are_those_of_games_and_no_others() {
    let said = said(
        r#"
def opened(*arguments):
    return tried(lambda: socket.socket(*arguments))

say("udp", opened(socket.AF_INET, socket.SOCK_DGRAM), opened(socket.AF_INET6, socket.SOCK_DGRAM))
say("tcp", opened(socket.AF_INET, socket.SOCK_STREAM))
say("unix", opened(socket.AF_UNIX, socket.SOCK_STREAM))
say("routes", opened(socket.AF_NETLINK, socket.SOCK_RAW, 0))
say("raw", opened(socket.AF_INET, socket.SOCK_RAW, 1), opened(socket.AF_INET6, socket.SOCK_RAW, 58))
say("packet", opened(socket.AF_PACKET, socket.SOCK_RAW, 0x300))
say("vsock", opened(40, socket.SOCK_STREAM))
say("alg", opened(38, socket.SOCK_SEQPACKET))
say("netfilter", opened(socket.AF_NETLINK, socket.SOCK_RAW, 12))
say("audit", opened(socket.AF_NETLINK, socket.SOCK_RAW, 9))
"#,
    )
    .await;
    let expected = [
        "udp allowed allowed",
        "tcp allowed",
        "unix allowed",
        "routes allowed",
        "raw EPERM EPERM",
        "packet EAFNOSUPPORT",
        "vsock EAFNOSUPPORT",
        "alg EAFNOSUPPORT",
        "netfilter EAFNOSUPPORT",
        "audit EAFNOSUPPORT",
    ];
    assert_eq!(said, expected);
}

/// Sockets of a protocol or a kind that the kernel has not loaded make it load a module.
#[tokio::test]
async fn protocols_are_those_of_games_and_no_others() {
    let said = said(
        r#"
def opened(*arguments):
    return tried(lambda: socket.socket(*arguments))

say("tcp", opened(socket.AF_INET, socket.SOCK_STREAM, 6), opened(socket.AF_INET6, socket.SOCK_STREAM, 6))
say("udp", opened(socket.AF_INET, socket.SOCK_DGRAM, 17), opened(socket.AF_INET6, socket.SOCK_DGRAM, 17))
flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
say("flags", opened(socket.AF_INET, socket.SOCK_DGRAM | flags))
for family in [socket.AF_INET, socket.AF_INET6]:
    # L2TP, SCTP, UDP-Lite, SMC, MPTCP.
    for protocol in [115, 132, 136, 256, 262]:
        for kind in [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW]:
            say(protocol, opened(family, kind, protocol))
    # The kinds of RDS, SCTP and DCCP.
    for kind in [4, 5, 6, 6 | flags]:
        say("kind", opened(family, kind))
for family in [socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, 30]:
    say("pair", tried(socket.socketpair, family, socket.SOCK_STREAM))
say("pair of unix", tried(socket.socketpair, socket.AF_UNIX, socket.SOCK_SEQPACKET))
"#,
    )
    .await;
    let allowed = [
        "tcp allowed allowed",
        "udp allowed allowed",
        "flags allowed",
    ];
    assert_eq!(said[..3], allowed);
    let (sockets, pairs) = said[3..].split_at(2 * (15 + 4));
    for line in sockets {
        assert!(line.ends_with(" EPROTONOSUPPORT"), "{line}");
    }
    let expected = [
        ["pair EAFNOSUPPORT"; 4].as_slice(),
        &["pair of unix allowed"],
    ]
    .concat();
    assert_eq!(pairs, expected);
}

#[tokio::test]
async fn the_interface_and_its_routes_cannot_be_changed() {
    let said = said(
        r#"
import fcntl, struct
request = struct.pack("16sH14x", b"lo", 0)
say("down", tried(fcntl.ioctl, socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, request))
# RTM_NEWADDR of 10.0.0.1/8 to the first interface, acknowledged.
message = struct.pack("=BBBBI", 2, 8, 0, 0, 1) + struct.pack("=HH4s", 8, 2, bytes([10, 0, 0, 1]))
header = struct.pack("=IHHII", 16 + len(message), 20, 0x405, 1, 0)
routes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
routes.send(header + message)
say("address", name(-struct.unpack_from("=i", routes.recv(4096), 16)[0]))
"#,
    )
    .await;
    assert_eq!(said, ["down EPERM", "address EPERM"]);
}

#[tokio::test]
async fn a_terminals_input_cannot_be_written() {
    let said = said(
        r#"
import fcntl
say(tried(fcntl.ioctl, 0, 0x5412, b"x"), tried(fcntl.ioctl, 0, 0x541c, b"x"))
"#,
    )
    .await;
    assert_eq!(said, ["EPERM EPERM"]);
}
