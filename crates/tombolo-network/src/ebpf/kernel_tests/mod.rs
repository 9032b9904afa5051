//! The program tried on packets that are never sent (`BPF_PROG_TEST_RUN`), with the maps that the
//! engine fills. Needs root.

mod bytes;
mod decisions;
mod fuzz;
mod networks;
mod outside;
mod run;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use aya::Pod;
use aya::maps::{HashMap, Map, MapData};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use tombolo_domain::id::NetworkInterfaceId;

use self::bytes::PacketTooBig;
use self::run::TestRun;
use crate::drop_reason::DropReason;
use crate::ebpf::bpffs;
use crate::ebpf::flows::{Owners, Sweeper};
use crate::ebpf::links::interface;
use crate::ebpf::links::netlink::{Netlink, VethEnd};
use crate::ebpf::maps::counters::CounterMaps;
use crate::ebpf::maps::datapath::DataPath;
use crate::ebpf::maps::desired::{DesiredMaps, DesiredPorts};
use crate::ebpf::maps::entries::OutsideEntry;
use crate::ebpf::maps::flow_entries::{
    FlowEnd, FlowEntry, FlowKey, OUTSIDE_VPC, Translation, TranslationKey,
};
use crate::ebpf::maps::object::FlowTable;
use crate::ebpf::namespace;
use crate::flow::FlowPublisher;
use crate::network::{MAX_MTU, MacAddress, Network, VpcNumber};
use crate::outside::Mapping;
use crate::verdict::Verdict;
use crate::verdict::model::{self, Datagram, End, Joint, Outcome};

/// The interface with that number.
fn eni(number: usize) -> NetworkInterfaceId {
    format!("eni-{number:017x}").parse().unwrap()
}

/// The Ethernet address of interface `number`.
fn mac(number: usize) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, number as u8])
}

/// How many interfaces a test can have, numbered from 0.
const LINKS: usize = 8;

/// The Ethernet address at the other end of the uplink.
const FAR_MAC: MacAddress = MacAddress([0x02, 0x54, 0x4d, 0x42, 0x00, 0x02]);

/// The data path of a network that is not connected to anything.
struct KernelTest {
    data_path: DataPath,
    counters: CounterMaps,
    links: BTreeMap<NetworkInterfaceId, u32>,
    /// The core namespace's end of the uplink.
    uplink: u32,
    network: Network,
    /// What the maps hold, once they hold anything.
    wanted: Option<DesiredMaps>,
    flows: HashMap<MapData, FlowKey, FlowEntry>,
    fragments: HashMap<MapData, [u8; 20], FragmentEntry>,
    translations: HashMap<MapData, TranslationKey, Translation>,
}

/// `struct fragment`, of which only the time matters here.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct FragmentEntry {
    seen: u64,
    said: [u8; 8],
}

// SAFETY: `repr(C)`, no implicit padding, and every bit pattern is a value.
unsafe impl Pod for FragmentEntry {}

/// Runs `work` with a new data path, in namespaces that go with it.
fn kernel_test(table: FlowTable, work: impl FnOnce(&mut KernelTest) + Send) {
    namespace::on_own_thread(|| {
        namespace::unshare_mounts()?;
        unshare(CloneFlags::CLONE_NEWNET)?;
        let directory = tempfile::tempdir()?;
        let bpffs = directory.path().join("bpf");
        bpffs::mount_on(&bpffs)?;
        let mut test = KernelTest::open(&bpffs, table);
        work(&mut test);
        drop(test);
        bpffs::unmount(&bpffs)
    })
    .unwrap();
}

impl KernelTest {
    fn open(bpffs: &std::path::Path, table: FlowTable) -> KernelTest {
        let data_path = DataPath::open(bpffs, table).unwrap();
        let made = make_links().unwrap();
        let uplink = made[LINKS];
        let links = (0..LINKS).map(eni).zip(made).collect();
        let map = |name: &str| {
            [&data_path.pins.build, &data_path.pins.flows]
                .into_iter()
                .find_map(|pins| MapData::from_pin(pins.join(name)).ok())
                .map(|data| Map::from_map_data(data).unwrap())
                .unwrap()
        };
        KernelTest {
            flows: map("flows").try_into().unwrap(),
            fragments: map("fragments").try_into().unwrap(),
            translations: map("translations").try_into().unwrap(),
            uplink,
            counters: CounterMaps::open(&data_path.pins).unwrap(),
            data_path,
            links,
            network: Network::default(),
            wanted: None,
        }
    }

    /// Fills the maps, in the order in which the engine does.
    fn apply(&mut self, network: &Network) {
        let mut wanted = DesiredMaps::compile(network);
        let before = self.wanted.take();
        self.data_path.retain(before.as_ref(), &wanted).unwrap();
        let mut links = self.links.clone();
        links.retain(|id, _| network.interfaces.contains_key(id));
        wanted.place(network, &links);
        let data_path = &mut self.data_path;
        data_path
            .retain_interfaces(before.as_ref(), &wanted)
            .unwrap();
        data_path.extend(&wanted).unwrap();
        let ports = DesiredPorts::place(&Mapping::compile(&network.interfaces), &links);
        data_path.close_ports(None, &ports).unwrap();
        data_path.open_ports(&ports).unwrap();
        self.wanted = Some(wanted);
        self.network = network.clone();
    }

    /// Joins the networks to what is outside.
    fn join(&mut self, joint: &Joint) {
        let ports = joint.config.internet_ports;
        let entry = OutsideEntry {
            address: joint.config.address.octets(),
            uplink: self.uplink,
            ports: [ports.first(), ports.last()],
            mtu: joint.mtu,
            mac: FAR_MAC.0,
            ..OutsideEntry::default()
        };
        self.data_path.set_outside(entry).unwrap();
    }

    /// The ports that flows with the outside go by.
    fn chosen(&self) -> BTreeMap<model::FlowKey, u16> {
        let end = |end: &FlowEnd| End {
            vpc: VpcNumber(end.vpc),
            address: end.address.into(),
            port: u16::from_be_bytes(end.port),
        };
        let entries = self.flows.iter().map(Result::unwrap);
        let with_outside = entries.filter(|(key, _)| key.ends[0].vpc == OUTSIDE_VPC);
        with_outside
            .map(|(key, flow)| {
                let ends = [end(&key.ends[0]), end(&key.ends[1])];
                ((ends, key.protocol), u16::from_be_bytes(flow.public_port))
            })
            .collect()
    }

    /// Forgets every flow and fragment.
    fn forget(&mut self) {
        for key in keys(&self.flows) {
            self.flows.remove(&key).unwrap();
        }
        for key in keys(&self.fragments) {
            self.fragments.remove(&key).unwrap();
        }
        for key in keys(&self.translations) {
            self.translations.remove(&key).unwrap();
        }
        self.data_path.flow_shares.forget().unwrap();
        for link in self.links.values() {
            for uses in [&mut self.data_path.flow_use, &mut self.data_path.flow_ended] {
                if uses.map.get(link, 0).is_ok() {
                    uses.map.insert(link, 0, 0).unwrap();
                }
            }
        }
    }

    /// Lets time pass: everything remembered is so much older.
    fn wait(&mut self, milliseconds: u64) {
        let nanoseconds = milliseconds * 1_000_000;
        for key in keys(&self.flows) {
            let mut flow = self.flows.get(&key, 0).unwrap();
            flow.last = flow.last.wrapping_sub(nanoseconds);
            flow.reported = flow.reported.wrapping_sub(nanoseconds);
            self.flows.insert(key, flow, 0).unwrap();
        }
        for key in keys(&self.fragments) {
            let mut fragment = self.fragments.get(&key, 0).unwrap();
            fragment.seen = fragment.seen.wrapping_sub(nanoseconds);
            self.fragments.insert(key, fragment, 0).unwrap();
        }
    }

    /// Sweeps the flow table once, as the server does every ten seconds.
    fn sweep(&self, table: FlowTable) {
        self.sweeper(table).sweep().unwrap();
    }

    fn sweeper(&self, table: FlowTable) -> Sweeper {
        let pins = &self.data_path.pins;
        let publisher = FlowPublisher::new();
        Sweeper::open(pins, table, Owners::default(), publisher).unwrap()
    }

    /// Runs the program on a frame that comes from an interface.
    fn run(&self, from: &NetworkInterfaceId, frame: &[u8]) -> TestRun {
        self.run_in_segments(from, frame, 0)
    }

    /// The same, with a packet that is to be cut into segments with so many bytes each.
    fn run_in_segments(&self, from: &NetworkInterfaceId, frame: &[u8], segment: u32) -> TestRun {
        let program = self.data_path.guest_egress.fd().unwrap();
        run::test_run(program.as_fd(), frame, self.links[from], segment).unwrap()
    }

    /// What becomes of a datagram, by the counters and by the frame that comes out.
    fn send(&self, from: &NetworkInterfaceId, datagram: &Datagram, options: usize) -> Outcome {
        let interface = &self.network.interfaces[from];
        let frame = bytes::frame(datagram, interface.mac, options);
        self.observe(from, &frame, 0)
    }

    fn observe(&self, from: &NetworkInterfaceId, frame: &[u8], segment: u32) -> Outcome {
        let (outcome, out) = self.observe_run(frame, Some(from), || {
            self.run_in_segments(from, frame, segment)
        });
        if let Verdict::Local(to) | Verdict::Peering(to) = &outcome.verdict {
            let mac = self.network.interfaces[to].mac;
            assert_eq!(out, bytes::readdressed(frame, mac), "changed on the way");
        }
        outcome
    }

    /// What becomes of a datagram, and the frame that comes out; without a sender it comes from
    /// outside.
    fn observe_frame(
        &self,
        from: Option<&NetworkInterfaceId>,
        datagram: &Datagram,
        options: usize,
    ) -> (Outcome, Vec<u8>) {
        let frame = self.frame(from, datagram, options);
        self.observe_run(&frame, from, || match from {
            Some(from) => self.run(from, &frame),
            None => {
                let program = self.data_path.uplink_ingress.fd().unwrap();
                run::test_run(program.as_fd(), &frame, self.uplink, 0).unwrap()
            }
        })
    }

    fn frame(
        &self,
        from: Option<&NetworkInterfaceId>,
        datagram: &Datagram,
        options: usize,
    ) -> Vec<u8> {
        let mac = from.map_or(FAR_MAC, |from| self.network.interfaces[from].mac);
        bytes::frame(datagram, mac, options)
    }

    fn observe_run(
        &self,
        frame: &[u8],
        from: Option<&NetworkInterfaceId>,
        run: impl FnOnce() -> TestRun,
    ) -> (Outcome, Vec<u8>) {
        let before = self.counters.totals().unwrap();
        let ran = run();
        let after = self.counters.totals().unwrap();

        let reasons: Vec<DropReason> = DropReason::ALL
            .into_iter()
            .filter(|reason| after.dropped[reason] != before.dropped[reason])
            .collect();
        let ways = [
            after.forwarded_local != before.forwarded_local,
            after.forwarded_peering != before.forwarded_peering,
            after.from_outside != before.from_outside,
            after.to_outside != before.to_outside,
        ];
        if let ([reason], [false, false, false, false]) = (reasons.as_slice(), ways) {
            let outcome = Outcome {
                told: self.told(from, frame, &ran),
                ..Verdict::Drop(*reason).into()
            };
            return (outcome, ran.frame);
        }
        assert_eq!((reasons.len(), ran.verdict), (0, run::REDIRECT), "{ways:?}");
        let to = || self.receiver(&ran.frame);
        let verdict = match ways {
            [true, false, false, false] | [false, false, true, false] => Verdict::Local(to()),
            [false, true, false, false] => Verdict::Peering(to()),
            [false, false, false, true] => Verdict::Outside,
            counted => panic!("counted {counted:?}"),
        };
        (verdict.into(), ran.frame)
    }

    /// The interface that a frame is addressed to.
    fn receiver(&self, frame: &[u8]) -> NetworkInterfaceId {
        let mut interfaces = self.network.interfaces.iter();
        let to = interfaces.find(|(_, interface)| interface.mac.0 == frame[..6]);
        to.map(|(id, _)| id.clone()).expect("no such interface")
    }

    /// What the sender of a dropped packet is told, if it is.
    fn told(&self, from: Option<&NetworkInterfaceId>, frame: &[u8], ran: &TestRun) -> Option<u16> {
        if ran.verdict == run::SHOT {
            return None;
        }
        assert_eq!(ran.verdict, run::REDIRECT);
        let PacketTooBig { mtu, router, mac } = bytes::read_packet_too_big(&ran.frame, frame);
        match from {
            Some(from) => {
                let sender = &self.network.interfaces[from];
                assert_eq!(router, sender.subnet.router());
                assert_eq!(mac, sender.mac.0);
            }
            None => {
                let public = self.data_path.outside().unwrap().address;
                assert_eq!((router.octets(), mac), (public, FAR_MAC.0));
            }
        }
        Some(mtu)
    }
}

fn keys<K: Pod, V: Pod>(map: &HashMap<MapData, K, V>) -> Vec<K> {
    map.keys().map(Result::unwrap).collect()
}

/// Links to name packets' senders by: the kernel wants them to exist.
fn make_links() -> io::Result<Vec<u32>> {
    let mut netlink = Netlink::open()?;
    let here = File::open(namespace::CURRENT)?;
    let names: Vec<String> = (0..LINKS + 2).map(|number| format!("v{number}")).collect();
    for pair in names.chunks(2) {
        let [near, far] = [&pair[0], &pair[1]].map(|name| VethEnd {
            name,
            mac: interface::ROUTER_MAC,
        });
        netlink.create_veth(near, far, here.as_fd(), MAX_MTU.into())?;
    }
    let indices = names.iter().map(|name| if_nametoindex(name.as_str()));
    Ok(indices.collect::<Result<_, _>>()?)
}
