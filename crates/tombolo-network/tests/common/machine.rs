//! An `ebpf` engine on this machine, with sockets in its workloads. Whatever happens to the test,
//! nothing of it stays behind.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tombolo_network::ebpf::{self, EbpfConfig, EbpfEngine};
use tombolo_network::{
    Applied, Counters, DropReason, EngineError, FlowEvent, FlowRecord, FlowRecords, Network,
    NetworkChange, NetworkEngine,
};

use tombolo_testkit::netns::within;

use super::{Build, eni};

/// How long anything may take that must happen.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The port that workloads listen on.
const PORT: u16 = 4000;

/// An engine, its directory, and the network that it was given last.
pub struct Machine {
    runtime: Runtime,
    engine: Option<EbpfEngine>,
    pub network: Network,
    pub config: EbpfConfig,
    /// The namespace that engines are started in; `None` is this process's.
    home: Option<PathBuf>,
    directory: TempDir,
}

impl Machine {
    /// Starts an engine with nothing in it.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// Starts an engine with `network`.
    pub fn running(network: Network) -> Self {
        let mut machine = Self::new();
        machine.apply(network);
        machine
    }

    /// Starts an engine whose configuration `change` changed.
    pub fn with(change: impl FnOnce(&mut EbpfConfig)) -> Self {
        Self::at(None, change)
    }

    /// The same, in the network namespace `home`.
    pub fn at(home: Option<PathBuf>, change: impl FnOnce(&mut EbpfConfig)) -> Self {
        if let Err(error) = ebpf::preflight() {
            panic!("tests with real packets: {error}");
        }
        let directory = tempfile::tempdir().unwrap();
        let mut config = EbpfConfig::for_directory(directory.path().to_owned()).unwrap();
        change(&mut config);
        let mut machine = Machine {
            runtime: Runtime::new().unwrap(),
            engine: None,
            network: Network::default(),
            config,
            home,
            directory,
        };
        machine.start();
        machine
    }

    /// Starts an engine on what is there.
    pub fn start(&mut self) {
        self.engine = Some(self.try_start().unwrap());
    }

    /// Starts another engine, if it can be.
    pub fn try_start(&self) -> Result<EbpfEngine, EngineError> {
        let start = || {
            let engine = EbpfEngine::start(self.config.clone());
            self.runtime.block_on(engine)
        };
        match &self.home {
            Some(home) => within(home, start),
            None => start(),
        }
    }

    /// The engine goes, as it would with its process.
    pub fn stop(&mut self) {
        self.engine = None;
    }

    pub fn engine(&self) -> &EbpfEngine {
        self.engine.as_ref().unwrap()
    }

    /// Runs what is asked of the engine.
    pub fn block_on<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    /// Applies, with every interface made.
    pub fn apply(&mut self, network: Network) -> Applied {
        let applied = self.apply_with_failures(network);
        assert_eq!(applied.failed, Default::default());
        applied
    }

    /// Applies, whatever becomes of the interfaces.
    pub fn apply_with_failures(&mut self, network: Network) -> Applied {
        let applied = self
            .runtime
            .block_on(self.engine().apply(&network))
            .unwrap();
        self.network = network;
        applied
    }

    /// Applies, or does not; what the machine is held against stays as it was.
    pub fn try_apply(&self, network: &Network) -> Result<Applied, EngineError> {
        self.runtime.block_on(self.engine().apply(network))
    }

    /// Applies the same network again.
    pub fn reapply(&mut self) -> Applied {
        self.apply(self.network.clone())
    }

    /// Waits until each interface has its program by TCX, which comes in place of a filter.
    pub fn wait_until_settled(&self) {
        let interfaces = self.network.interfaces.len();
        let pinned = || std::fs::read_dir(self.directory().join("bpf/links"));
        wait_for("all attachments to be settled", || {
            pinned().unwrap().count() == interfaces
        });
        // The last one's filter goes after its link has come, on the engine's thread.
        self.runtime
            .block_on(self.engine().change(NetworkChange::default()))
            .unwrap();
    }

    /// Applies a change, with every interface made.
    pub fn change(&mut self, change: NetworkChange) -> Applied {
        self.network.change(change.clone());
        let applied = self.runtime.block_on(self.engine().change(change)).unwrap();
        assert_eq!(applied.failed, Default::default());
        applied
    }

    pub fn counters(&self) -> Counters {
        self.runtime.block_on(self.engine().counters()).unwrap()
    }

    /// The next record of a flow.
    pub fn next_record(&self, flows: &mut FlowRecords) -> FlowRecord {
        let next = async { tokio::time::timeout(DEADLINE, flows.next()).await };
        match self.runtime.block_on(next) {
            Ok(Some(FlowEvent::Record(record))) => record,
            other => panic!("no flow record but {other:?}"),
        }
    }

    pub fn teardown(&mut self) -> Result<(), EngineError> {
        if self.engine.is_none() {
            self.start();
        }
        self.runtime.block_on(self.engine().teardown())
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of the engine's build on its BPF file system.
    pub fn build(&self) -> PathBuf {
        self.pins("build-")
    }

    /// The directory of the maps that remember flows.
    pub fn flows(&self) -> PathBuf {
        self.pins("flows-")
    }

    fn pins(&self, prefix: &str) -> PathBuf {
        let mut directories = std::fs::read_dir(self.directory().join("bpf"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name().to_str().unwrap().starts_with(prefix));
        let directory = directories.next().unwrap().path();
        assert!(directories.next().is_none());
        directory
    }

    /// The name of a namespace of this engine.
    pub fn namespace(&self, rest: &str) -> PathBuf {
        Path::new("/run/netns").join(format!("tmb-{}-{rest}", self.config.name))
    }

    /// The namespace that holds the near ends.
    pub fn core(&self) -> PathBuf {
        self.namespace("core")
    }

    /// Runs `work` where the workload of an interface runs.
    pub fn workload<T: Send>(&self, interface: u32, work: impl FnOnce() -> T + Send) -> T {
        let name = format!("{interface:017x}");
        within(&self.namespace(&name), work)
    }

    /// A UDP socket of an interface's workload.
    pub fn udp(&self, interface: u32) -> UdpSocket {
        self.udp_at(interface, PORT)
    }

    /// The same, at another port.
    pub fn udp_at(&self, interface: u32, port: u16) -> UdpSocket {
        let address = self.network.address(interface);
        let socket = self.workload(interface, || UdpSocket::bind((address, port)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    /// Sends a datagram from one socket to an interface's socket and asserts that it arrives
    /// from where it came.
    pub fn assert_delivers(&self, from: &UdpSocket, to: &UdpSocket) {
        let text = b"to the island";
        from.send_to(text, to.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 64];
        let (length, sender) = to.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], text);
        assert_eq!(sender, from.local_addr().unwrap());
    }

    /// Sends a datagram and asserts that it is dropped for `reason`.
    pub fn assert_drops(&self, from: &UdpSocket, to: Ipv4Addr, reason: DropReason) {
        self.assert_counts_drop(reason, || {
            from.send_to(b"to nowhere", (to, PORT)).unwrap();
        });
    }

    /// Asserts that what `send` sends is dropped for `reason`, and not forwarded.
    pub fn assert_counts_drop(&self, reason: DropReason, send: impl FnOnce()) {
        let before = self.counters();
        send();
        wait_for(&format!("{reason:?} to be counted"), || {
            self.counters().dropped[&reason].packets > before.dropped[&reason].packets
        });
        let after = self.counters();
        assert_eq!(after.forwarded_local, before.forwarded_local);
        assert_eq!(after.forwarded_peering, before.forwarded_peering);
        assert_eq!(
            after.dropped_total().packets,
            before.dropped_total().packets + 1
        );
    }

    /// A TCP connection between the workloads of two interfaces, both of its ends.
    pub fn tcp(&self, client: u32, server: u32) -> (TcpStream, TcpStream) {
        let address = self.network.address(server);
        let listener = self.workload(server, || TcpListener::bind((address, PORT)).unwrap());
        let near = self.workload(client, || {
            TcpStream::connect_timeout(&(address, PORT).into(), DEADLINE).unwrap()
        });
        let (far, _) = listener.accept().unwrap();
        for end in [&near, &far] {
            end.set_read_timeout(Some(DEADLINE)).unwrap();
            end.set_nodelay(true).unwrap();
        }
        (near, far)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let torn_down = self.teardown();
        if !thread::panicking() {
            torn_down.unwrap();
        }
    }
}

/// Nothing has arrived on the socket.
pub fn assert_nothing_received(socket: &UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    let received = socket
        .recv_from(&mut [0; 64])
        .map_err(|error: io::Error| error.kind());
    assert_eq!(received, Err(ErrorKind::WouldBlock));
    socket.set_nonblocking(false).unwrap();
}

/// Waits until `condition` holds.
pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait_within(DEADLINE, what, condition);
}

/// The same, for what happens at two sweeps of the flow table.
pub fn wait_for_long(what: &str, condition: impl FnMut() -> bool) {
    wait_within(Duration::from_secs(40), what, condition);
}

fn wait_within(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < deadline,
            "waited {deadline:?} for {what}"
        );
        thread::yield_now();
    }
}

/// The link in the core namespace of an interface, as the engine names links.
pub fn link_of(interface: u32) -> String {
    let id = eni(interface);
    format!("v{}", &id.as_str()["eni-".len() + 3..])
}
