//! The thread that everything of the engine happens on: netlink sockets and attachments belong
//! to a thread's network namespace, and this one's is the core.

use std::fs::File;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tombolo_domain::id::NetworkInterfaceId;

use super::Machine;
use crate::ebpf::config::EbpfConfig;
use crate::ebpf::namespace;
use crate::ebpf::sampler::CurrentSampler;
use crate::engine::{Applied, EngineError};
use crate::flow::FlowPublisher;
use crate::network::Network;
use crate::network_change::NetworkChange;
use crate::verdict::{Packet, Verdict};

/// Where the thread sends what a command came to.
type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// What the thread can be asked for.
pub(in crate::ebpf) enum Command {
    Open(Reply<()>),
    Apply(Network, Reply<Applied>),
    Change(NetworkChange, Reply<Applied>),
    Decide(NetworkInterfaceId, Packet, Reply<Verdict>),
    Teardown(Reply<()>),
}

/// Starts the thread. It ends, and leaves all on the machine as it is, when the sender is gone.
pub(in crate::ebpf) fn spawn(
    config: EbpfConfig,
    flows: FlowPublisher,
    sampler: CurrentSampler,
) -> io::Result<mpsc::Sender<Command>> {
    let (sender, commands) = mpsc::channel();
    let home = File::open(namespace::CURRENT)?;
    thread::Builder::new()
        .name("tombolo-network".to_owned())
        .spawn(move || {
            let mut worker = Worker {
                config,
                home,
                flows,
                sampler,
                machine: None,
            };
            worker.run(&commands);
        })?;
    Ok(sender)
}

struct Worker {
    config: EbpfConfig,
    /// The namespace that the engine was started in.
    home: File,
    flows: FlowPublisher,
    /// Where those who count find what to count with.
    sampler: CurrentSampler,
    /// `None` after a teardown, until something is wanted again.
    machine: Option<Machine>,
}

/// How long to wait for a command between two things that can wait: long enough that others get
/// at the kernel's network devices in between.
const SETTLE_INTERVAL: Duration = Duration::from_millis(20);

impl Worker {
    /// Obeys until the sender is gone.
    fn run(&mut self, commands: &mpsc::Receiver<Command>) {
        loop {
            let unsettled = self
                .machine
                .as_mut()
                .filter(|machine| !machine.is_settled());
            let command = match unsettled {
                None => commands.recv().map_err(RecvTimeoutError::from),
                Some(machine) => match commands.recv_timeout(SETTLE_INTERVAL) {
                    Err(RecvTimeoutError::Timeout) => {
                        machine.settle();
                        continue;
                    }
                    received => received,
                },
            };
            match command {
                Ok(command) => self.obey(command),
                Err(_) => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        // A caller that no longer waits for the answer wanted the deed all the same.
        match command {
            Command::Open(reply) => {
                let _ = reply.send(self.machine().map(drop));
            }
            Command::Apply(wanted, reply) => {
                let _ = reply.send(self.machine().and_then(|machine| machine.apply(wanted)));
            }
            Command::Change(change, reply) => {
                let _ = reply.send(self.machine().and_then(|machine| machine.change(change)));
            }
            Command::Decide(from, packet, reply) => {
                let decided = self
                    .machine()
                    .and_then(|machine| machine.decide(&from, &packet));
                let _ = reply.send(decided);
            }
            Command::Teardown(reply) => {
                self.sampler.set(None);
                let _ = reply.send(match self.machine.take() {
                    Some(machine) => machine.teardown(),
                    None => Ok(()),
                });
            }
        }
    }

    fn machine(&mut self) -> Result<&mut Machine, EngineError> {
        let machine = match self.machine.take() {
            Some(machine) => machine,
            None => {
                let machine = Machine::open(&self.config, &self.home, &self.flows)?;
                self.sampler.set(Some(machine.sampler()?));
                machine
            }
        };
        Ok(self.machine.insert(machine))
    }
}
