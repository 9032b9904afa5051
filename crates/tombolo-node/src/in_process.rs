//! The controller and this machine's node, in one process.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, select};
use tombolo_controller::Controller;
use tombolo_domain::id::NetworkInterfaceId;
use tombolo_tasks::EndedTask;

use crate::{Context, Node, NotReady, TeardownError};

/// What decides, and what makes it so. Dropping it stops both and leaves the network and the server
/// processes as they are.
pub struct Reconcilers {
    controller: Controller,
    node: Node,
}

impl Reconcilers {
    /// Starts them. What is wanted already is made at once. An error is the kernel's, that gave no
    /// thread.
    pub fn start(controller: tombolo_controller::Context, node: Context) -> io::Result<Self> {
        let controller = Controller::start(controller)?;
        let reports = controller.reports(node.host.host.clone());
        let node = Node::start(node, reports)?;
        Ok(Reconcilers { controller, node })
    }

    /// Makes all of them look again: after the clock was moved, for instance.
    pub fn wake(&self) {
        self.controller.wake();
        self.node.wake();
    }

    /// The network namespace of an attached interface, as soon as the engine has made it.
    pub async fn namespace_of(
        &self,
        interface: &NetworkInterfaceId,
        deadline: Duration,
    ) -> Result<PathBuf, NotReady> {
        self.node.namespace_of(interface, deadline).await
    }

    /// Completes when one of them has ended, with what ended by itself if that was the reason: what is
    /// wanted is then no longer made, and the server should end to be started again.
    pub fn ended(&self) -> BoxFuture<'static, Option<EndedTask>> {
        let (controller, node) = (self.controller.ended(), self.node.ended());
        let ended = select(controller.boxed(), node.boxed());
        ended.map(|ended| ended.factor_first().0).boxed()
    }

    /// Stops them and leaves the network and the server processes running for the next start.
    pub async fn stop(self) {
        self.node.stop().await;
        self.controller.stop().await;
    }

    /// Stops them, ends every server process and takes the network away. It goes on after a failure
    /// and returns the first one.
    pub async fn teardown(self) -> Result<(), TeardownError> {
        let taken = self.node.teardown().await;
        self.controller.stop().await;
        taken
    }
}
