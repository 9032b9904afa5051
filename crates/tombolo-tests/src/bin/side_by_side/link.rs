//! Two places with a network between: a peered pair, and what to hold it against, a bare veth and
//! the usual way to join two networks, a router with nftables.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tombolo_testkit::netns::{ip, within};
use tombolo_tests::dev::Dev;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::{leftovers, probe, scenario, tools};

/// Two network namespaces.
pub(crate) struct Link {
    /// Where the one that speaks first is.
    pub(crate) client: PathBuf,
    /// Where the one that is spoken to is.
    pub(crate) server: PathBuf,
    /// The address of the latter.
    pub(crate) address: Ipv4Addr,
    /// The port that it listens on; 0 is any.
    pub(crate) port: u16,
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 10);

/// A fleet, and a program in a VPC, on a server of their own.
pub(crate) struct Pair {
    pub(crate) server: Dev,
    pub(crate) fleet: String,
    pub(crate) vpc: String,
    pub(crate) link: Link,
    _program: Program,
}

impl Pair {
    /// A fleet and a VPC that are authorized to be connected and are not yet.
    pub(crate) fn start() -> Self {
        let server = Dev::start();
        let (studio, backend) = (server.studio(), server.backend());
        let vpc = scenario::vpc_with_subnet(&backend, "10.60.0.0/24");
        let mark = format!("program-{}", probe::mark(&server.directory()));
        let python = tools::program("python").to_string_lossy().into_owned();
        let idle = "import signal; print('up', flush=True); signal.pause()";
        let idle = [&*python, "-c", idle, &mark];
        let program = Program::run(&server, &vpc, &ADDRESS.to_string(), &idle);
        program.until_it_prints("up");
        let build = probe::build(&server);
        let parameters = probe::parameters(&server.directory(), "127.0.0.1");
        let fleet = scenario::active_fleet(&studio, &build, "probe", &parameters);
        scenario::authorize(&backend, &studio, &vpc);
        let link = Link {
            client: namespace_of("probe.py", &probe::mark(&server.directory())),
            server: namespace_of("signal.pause", &mark),
            address: ADDRESS,
            port: 0,
        };
        Pair {
            server,
            fleet,
            vpc,
            link,
            _program: program,
        }
    }
}

/// The namespace of the process that has both texts in its command line, and is not in ours.
pub(crate) fn namespace_of(text: &str, mark: &str) -> PathBuf {
    let inode = |path: &str| std::fs::metadata(path).map(|found| found.ino()).ok();
    let own = inode("/proc/self/ns/net");
    let with_text = leftovers::processes_with(text);
    let mut found = leftovers::processes_with(mark)
        .into_iter()
        .filter(|pid| with_text.contains(pid));
    let found = found.find(|pid| inode(&format!("/proc/{pid}/ns/net")) != own);
    let pid = found.unwrap_or_else(|| panic!("no process has {mark} in its command line"));
    format!("/proc/{pid}/ns/net").into()
}

/// A veth between two namespaces, taken away when this is dropped.
pub(crate) struct Bare {
    names: [String; 2],
}

impl Bare {
    pub(crate) fn start() -> Self {
        let bare = Bare {
            names: ["a", "b"].map(|end| format!("tmb-bench{}-{end}", std::process::id())),
        };
        let [a, b] = &bare.names;
        ip(&format!("netns add {a}"));
        ip(&format!("netns add {b}"));
        veth((a, "eth0", "10.61.0.1/24"), (b, "eth0", "10.61.0.2/24"));
        bare
    }

    pub(crate) fn link(&self) -> Link {
        let [client, server] = self.names.each_ref().map(|name| netns(name));
        Link {
            client,
            server,
            address: Ipv4Addr::new(10, 61, 0, 2),
            port: 0,
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        remove(&self.names);
    }
}

/// Two networks joined the usual way: a namespace with a leg in each that forwards between them,
/// and lets in what nftables with connection tracking allows. Taken away when this is dropped.
pub(crate) struct Router {
    names: [String; 3],
}

/// As a VPC's default security group with a peering: replies, and what one side begins.
const FILTER: &str = "table ip tombolo_bench {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        ip saddr 10.62.1.0/24 ip daddr 10.62.2.0/24 accept
    }
}
";

impl Router {
    pub(crate) fn start() -> Self {
        let router = Router {
            names: ["a", "router", "b"].map(|at| format!("tmb-via{}-{at}", std::process::id())),
        };
        let [a, middle, b] = &router.names;
        for name in &router.names {
            ip(&format!("netns add {name}"));
        }
        veth(
            (a, "eth0", "10.62.1.2/24"),
            (middle, "left", "10.62.1.1/24"),
        );
        veth(
            (b, "eth0", "10.62.2.2/24"),
            (middle, "right", "10.62.2.1/24"),
        );
        ip(&format!("-n {a} route add default via 10.62.1.1"));
        ip(&format!("-n {b} route add default via 10.62.2.1"));
        within(&netns(middle), || {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("the namespace's own setting");
        });
        tools::succeeds(Command::new("ip").args(["netns", "exec", middle, "nft", FILTER]));
        router
    }

    pub(crate) fn link(&self) -> Link {
        let [client, _, server] = self.names.each_ref().map(|name| netns(name));
        Link {
            client,
            server,
            address: Ipv4Addr::new(10, 62, 2, 2),
            port: 0,
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        remove(&self.names);
    }
}

/// Of the data path's interfaces.
const MTU: u16 = 9001;

/// A namespace, a link's name in it, and its address.
type VethEnd<'a> = (&'a str, &'a str, &'a str);

/// A veth pair as the data path makes its own.
fn veth(one: VethEnd<'_>, other: VethEnd<'_>) {
    let (mtu, (a, a_name, _), (b, b_name, _)) = (MTU, one, other);
    ip(&format!(
        "link add {a_name} mtu {mtu} netns {a} type veth peer name {b_name} mtu {mtu} netns {b}"
    ));
    for (namespace, name, address) in [one, other] {
        ip(&format!("-n {namespace} address add {address} dev {name}"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("-n {namespace} link set {name} up"));
    }
}

fn netns(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn remove(namespaces: &[String]) {
    for name in namespaces {
        // What cannot be taken away is seen in the list of namespaces.
        let _ = Command::new("ip").args(["netns", "delete", name]).status();
    }
}
