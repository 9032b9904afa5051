//! The thread that everything of the engine happens on: netlink sockets and attachments belong
//! to a thread's network namespace, and this one's is the core.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;
use tombolo_domain::id::NetworkInterfaceId;

use super::EbpfConfig;
use super::machine::{Asked, Machine};
use crate::flow::FlowPublisher;
use crate::{Applied, Counters, EngineError, Packet, Verdict};

/// Where the thread sends what a command came to.
type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// What the thread can be asked for.
pub(super) enum Command {
    Open(Reply<()>),
    Apply(Asked, Reply<Applied>),
    Counters(Reply<Counters>),
    Decide(NetworkInterfaceId, Packet, Reply<Verdict>),
    Teardown(Reply<()>),
}

/// Starts the thread. It ends, and leaves all on the machine as it is, when the sender is gone.
pub(super) fn spawn(config: EbpfConfig, flows: FlowPublisher) -> io::Result<mpsc::Sender<Command>> {
    let (sender, commands) = mpsc::channel();
    thread::Builder::new()
        .name("tombolo-network".to_owned())
        .spawn(move || {
            let mut worker = Worker {
                config,
                flows,
                machine: None,
            };
            for command in commands {
                worker.obey(command);
            }
        })?;
    Ok(sender)
}

struct Worker {
    config: EbpfConfig,
    flows: FlowPublisher,
    /// `None` after a teardown, until something is wanted again.
    machine: Option<Machine>,
}

impl Worker {
    fn obey(&mut self, command: Command) {
        // A caller that no longer waits for the answer wanted the deed all the same.
        match command {
            Command::Open(reply) => {
                let _ = reply.send(self.machine().map(drop));
            }
            Command::Apply(asked, reply) => {
                let _ = reply.send(self.machine().and_then(|machine| machine.apply(asked)));
            }
            Command::Counters(reply) => {
                let _ = reply.send(self.machine().and_then(|machine| machine.counters()));
            }
            Command::Decide(from, packet, reply) => {
                let decided = self
                    .machine()
                    .and_then(|machine| machine.decide(&from, &packet));
                let _ = reply.send(decided);
            }
            Command::Teardown(reply) => {
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
            None => Machine::open(&self.config, &self.flows)?,
        };
        Ok(self.machine.insert(machine))
    }
}
