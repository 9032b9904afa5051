//! Two accounts' VPCs in every relation that two workloads can be in.

use std::net::{Ipv4Addr, SocketAddr};

use tombolo_tests::aws::Client;
use tombolo_tests::leftovers::processes_with;
use tombolo_tests::network::{self, End};
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::workload::Workload;
use tombolo_tests::{build, probe, scenario, wait};

/// What two workloads are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// In one VPC, and one subnet.
    TheSameVpc,
    /// In two VPCs with an active peering connection and routes both ways.
    PeeredVpcs,
    /// In two VPCs that are peered with a third, each with a route to the other through it.
    PeersOfAThird,
    /// In two VPCs whose peering connection was deleted.
    PartedPeers,
    /// In two VPCs with the same block.
    TheSameBlock,
    /// In VPCs of two accounts that were never peered.
    Strangers,
}

impl Between {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Between; 6] = [
        Between::TheSameVpc,
        Between::PeeredVpcs,
        Between::PeersOfAThird,
        Between::PartedPeers,
        Between::TheSameBlock,
        Between::Strangers,
    ];
}

/// A server, and workloads that say nothing by themselves.
pub(crate) struct World {
    /// In the VPC that all the others are related to.
    home: Workload,
    /// What each relation is with, in the order of [`Between::ALL`].
    others: [Workload; 6],
    /// Others of VPCs that are in the world, to see that nothing strays.
    bystanders: Vec<Workload>,
    server: Serving,
}

const HOME: &str = "10.1.0.0/24";
const MIDDLE: &str = "10.2.0.0/24";
const FAR: &str = "10.3.0.0/24";
const PARTED: &str = "10.4.0.0/24";
const STRANGE: &str = "10.6.0.0/24";

/// A game server that sleeps, with its parameters on its command line.
const SLEEPER: &str = "#!/bin/sh\nsleep infinity & wait\n";

impl World {
    /// People's own VPCs, joined by EC2's peering.
    pub(crate) fn of_vpcs() -> Self {
        let server = Serving::start_plain();
        let (backend, studio) = (server.backend(), server.studio());
        let home = open_vpc(backend, HOME);
        let middle = open_vpc(studio, MIDDLE);
        let far = open_vpc(backend, FAR);
        let parted = open_vpc(studio, PARTED);

        let end = |owner, vpc, cidr| End { owner, vpc, cidr };
        let near = network::peer(end(backend, &home, HOME), end(studio, &middle, MIDDLE));
        let beyond = network::peer(end(studio, &middle, MIDDLE), end(backend, &far, FAR));
        network::route(backend, &home, FAR, &near);
        network::route(backend, &far, HOME, &beyond);
        let ended = network::peer(end(backend, &home, HOME), end(studio, &parted, PARTED));
        network::part(studio, &ended);

        let peer = workload(&server, "studio", &middle, [10, 2, 0, 10]);
        let parted = workload(&server, "studio", &parted, [10, 4, 0, 10]);
        World::with(server, &home, &far, peer, parted)
    }

    /// The same, where the peers are fleets.
    pub(crate) fn around_a_fleet() -> Self {
        let server = Serving::start_plain();
        let (backend, studio) = (server.backend(), server.studio());
        let home = open_vpc(backend, HOME);
        let far = open_vpc(backend, FAR);
        let build = build::import(&server, &[("sleeper", SLEEPER)]);
        let middle = Fleet::start(&server, &build, "middle");
        let parted = Fleet::start(&server, &build, "parted");

        for vpc in [&home, &far] {
            scenario::authorize(backend, studio, vpc);
        }
        let near = scenario::connect(studio, backend, &middle.id, &home);
        let beyond = scenario::connect(studio, backend, &middle.id, &far);
        let pcx =
            |connection: &serde_json::Value| scenario::text(&connection["VpcPeeringConnectionId"]);
        network::route(backend, &home, FAR, &pcx(&near));
        network::route(backend, &far, HOME, &pcx(&beyond));
        let ended = scenario::connect(studio, backend, &parted.id, &home);
        scenario::disconnect(studio, &ended);

        let (peer, parted) = (middle.workload(), parted.workload());
        World::with(server, &home, &far, peer, parted)
    }

    fn with(server: Serving, home: &str, far: &str, peer: Workload, parted: Workload) -> Self {
        let double = open_vpc(server.studio(), HOME);
        let strange = open_vpc(server.studio(), STRANGE);
        let place = |account, vpc: &str, address| workload(&server, account, vpc, address);
        let world = World {
            home: place("backend", home, [10, 1, 0, 10]),
            others: [
                place("backend", home, [10, 1, 0, 20]),
                peer,
                place("backend", far, [10, 3, 0, 10]),
                parted,
                place("studio", &double, [10, 1, 0, 30]),
                place("studio", &strange, [10, 6, 0, 10]),
            ],
            bystanders: vec![
                place("backend", home, [10, 1, 0, 40]),
                place("studio", &double, [10, 1, 0, 40]),
                place("backend", far, [10, 3, 0, 11]),
            ],
            server,
        };
        world.everyone().for_each(Workload::silence);
        world
    }

    /// The two ends of a relation.
    pub(crate) fn workloads(&self, between: Between) -> (&Workload, &Workload) {
        let mut others = Between::ALL.into_iter().zip(&self.others);
        let (_, other) = others
            .find(|(relation, _)| *relation == between)
            .expect("all relations are in the list of all");
        (&self.home, other)
    }

    /// Every workload there is.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &Workload> {
        let home = std::iter::once(&self.home);
        home.chain(&self.others).chain(&self.bystanders)
    }

    /// Kills the server, and starts it again.
    pub(crate) fn crash(&mut self) {
        self.server.kill();
        self.server.start_again();
    }

    /// Where the counters are.
    pub(crate) fn metrics(&self) -> SocketAddr {
        self.server.metrics()
    }
}

/// A VPC whose security group keeps nobody out.
fn open_vpc(owner: &Client, cidr: &str) -> String {
    let vpc = scenario::vpc_with_subnet(owner, cidr);
    network::allow_all(owner, &vpc);
    vpc
}

fn workload(server: &Serving, account: &str, vpc: &str, address: [u8; 4]) -> Workload {
    Workload::start(server, account, vpc, Ipv4Addr::from(address))
}

/// A fleet with one process on its instance.
struct Fleet {
    id: String,
    process: u32,
}

impl Fleet {
    /// Starts one, whose process sleeps; `mark` is only to find it by.
    fn start(server: &Serving, build: &str, mark: &str) -> Self {
        let mark = format!("{}-{mark}", probe::mark(&server.directory()));
        let id = scenario::active_fleet(server.studio(), build, "sleeper", &mark);
        let process = wait::until("the fleet's process", || processes_with(&mark).pop());
        Fleet { id, process }
    }

    /// Its instance.
    fn workload(&self) -> Workload {
        Workload::of(self.process)
    }
}
