//! What the node reports of the network, to a controller that is slow or cannot be reached.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;
use tombolo_controller::{
    Controller, FleetAt, FleetReport, InstanceAt, InstanceEvent, NetworkApplied, NetworkRefused,
    Repaired, Reports, Unpacked,
};
use tombolo_domain::fleet::Build;
use tombolo_domain::id::{BlobId, BootId};
use tombolo_domain::peering::{Connection, Step};
use tombolo_domain::vpc::NetworkInterface;
use tombolo_node::Node;
use tombolo_store::StoreError;
use tombolo_store::keys::{self, Entity};

use crate::engine::Narrow;
use crate::world::World;

/// Reports on the way to the controller.
struct Line {
    controller: Arc<dyn Reports>,
    engine: Arc<Narrow>,
    /// How many of the next refusals are lost.
    lost_refusals: AtomicUsize,
    /// How many of the next reports of repairs are lost.
    lost_repairs: AtomicUsize,
    /// Whether reports of what is in force get through; until then they are on the way.
    is_open: watch::Sender<bool>,
    /// What was reported and is not so in the engine.
    untrue: Mutex<Vec<String>>,
}

impl Line {
    fn new(controller: Arc<dyn Reports>, engine: &Arc<Narrow>) -> Self {
        Line {
            controller,
            engine: engine.clone(),
            lost_refusals: AtomicUsize::new(0),
            lost_repairs: AtomicUsize::new(0),
            is_open: watch::Sender::new(true),
            untrue: Mutex::default(),
        }
    }

    fn untrue(&self) -> Vec<String> {
        self.untrue.lock().unwrap().clone()
    }
}

/// Whether there is one left of those that are to be lost; it is then one less.
fn is_lost(left: &AtomicUsize) -> bool {
    let one_less = |left: usize| left.checked_sub(1);
    let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
    before.is_ok()
}

fn lost() -> StoreError {
    StoreError::Failed {
        doing: "reporting",
        source: "the line is cut".into(),
    }
}

#[async_trait(?Send)]
impl Reports for Line {
    async fn host(&self, label: &str, boot: &BootId) -> Result<(), StoreError> {
        self.controller.host(label, boot).await
    }

    async fn network_applied(&self, applied: NetworkApplied) -> Result<(), StoreError> {
        for (connections, passes) in [(&applied.provisioned, true), (&applied.removed, false)] {
            for Connection { id, .. } in connections {
                if self.engine.has_peering(id) != passes {
                    let untrue = format!("{id} was said to be in force: {passes}");
                    self.untrue.lock().unwrap().push(untrue);
                }
            }
        }
        let open = self
            .is_open
            .subscribe()
            .wait_for(|is_open| *is_open)
            .await
            .is_ok();
        assert!(open, "the line has the sender");
        self.controller.network_applied(applied).await
    }

    async fn network_refused(&self, refused: NetworkRefused) -> Result<(), StoreError> {
        if is_lost(&self.lost_refusals) {
            return Err(lost());
        }
        self.controller.network_refused(refused).await
    }

    async fn network_repaired(&self, repairs: Vec<Repaired>) -> Result<(), StoreError> {
        if is_lost(&self.lost_repairs) {
            return Err(lost());
        }
        self.controller.network_repaired(repairs).await
    }

    async fn program_ended(&self, interface: &NetworkInterface) -> Result<(), StoreError> {
        self.controller.program_ended(interface).await
    }

    async fn build_unpacked(&self, build: &Build, outcome: Unpacked) -> Result<bool, StoreError> {
        self.controller.build_unpacked(build, outcome).await
    }

    async fn blobs_removed(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        self.controller.blobs_removed(blobs).await
    }

    async fn fleet(&self, fleet: &FleetAt, report: FleetReport) -> Result<(), StoreError> {
        self.controller.fleet(fleet, report).await
    }

    async fn installer_number(&self) -> Result<u32, StoreError> {
        self.controller.installer_number().await
    }

    async fn instance_events(
        &self,
        instance: &InstanceAt,
        incarnation: &str,
        events: Vec<InstanceEvent>,
    ) -> Result<(), StoreError> {
        let told = self
            .controller
            .instance_events(instance, incarnation, events);
        told.await
    }

    async fn instance_hindered(&self, fleet: &FleetAt, message: String) -> Result<(), StoreError> {
        self.controller.instance_hindered(fleet, message).await
    }

    async fn instance_ended(&self, instance: &InstanceAt) -> Result<(), StoreError> {
        self.controller.instance_ended(instance).await
    }

    async fn instance_released(&self, instance: &InstanceAt) -> Result<(), StoreError> {
        self.controller.instance_released(instance).await
    }
}

/// A world with an engine for so many peerings, and as many requests of its studio as there are blocks.
async fn world_with(capacity: usize, blocks: &[&str]) -> (World, Arc<Narrow>, Vec<Connection>) {
    let mut world = World::new();
    let engine = Arc::new(Narrow::with_peering_capacity(capacity));
    world.context.engine = engine.clone();
    let own = world.vpc(&world.studio, "10.100.0.0/16").await;
    let mut requests = Vec::new();
    for block in blocks {
        let peer = world.vpc(&world.backend, block).await;
        requests.push(world.ask(&own, &peer).await);
    }
    (world, engine, requests)
}

/// A controller, and a node that reports to it over the line that `lay` makes.
fn start(
    world: &World,
    lay: impl FnOnce(Arc<dyn Reports>) -> Line,
) -> (Controller, Node, Arc<Line>) {
    let controller = Controller::start(world.context.controller()).unwrap();
    let line = Arc::new(lay(controller.reports(world.context.host.host.clone())));
    let node = Node::start(world.context.node(), line.clone()).unwrap();
    (controller, node, line)
}

/// A request that is delivered and accepted.
fn accepted(world: &World, request: &Connection) -> Connection {
    let mut connection = request.clone();
    world.clock.advance(std::time::Duration::from_secs(1));
    for step in [Step::Deliver, Step::Accept] {
        connection.apply(step, world.server.now()).unwrap();
    }
    connection
}

/// One is deleted and two are accepted at once, and there is room for one: the engine keeps what it had.
#[tokio::test]
async fn nothing_is_in_force_that_does_not_fit_though_the_refusal_is_lost() {
    let blocks = ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"];
    let (world, engine, requests) = world_with(1, &blocks).await;
    let first = accepted(&world, &requests[0]);
    world.put_connection(&first).await;
    let (controller, node, line) = start(&world, |controller| Line {
        lost_refusals: AtomicUsize::new(1),
        ..Line::new(controller, &engine)
    });
    let mut first = world.reaches(&first, "active").await;

    let by = world.studio.account;
    first.apply(Step::Delete(by), world.server.now()).unwrap();
    let (second, third) = (
        accepted(&world, &requests[1]),
        accepted(&world, &requests[2]),
    );
    world
        .write(async |tx| {
            tx.put(&first).unwrap();
            tx.put_delivered(&second).unwrap();
            tx.put_delivered(&third).unwrap();
        })
        .await;
    world.reaches(&first, "deleted").await;
    assert_eq!(line.untrue(), Vec::<String>::new());
    world.reaches(&second, "active").await;
    world.reaches(&third, "failed").await;
    node.stop().await;
    controller.stop().await;
}

#[tokio::test]
async fn a_change_is_in_force_though_the_report_of_the_one_before_is_on_its_way() {
    let (world, engine, requests) = world_with(2, &["10.0.0.0/16", "10.1.0.0/16"]).await;
    let first = accepted(&world, &requests[0]);
    world.put_connection(&first).await;
    let (controller, node, line) = start(&world, |controller| Line {
        is_open: watch::Sender::new(false),
        ..Line::new(controller, &engine)
    });
    world
        .eventually_in_force(|| engine.has_peering(&first.id))
        .await;
    let second = accepted(&world, &requests[1]);
    world.put_connection(&second).await;
    world
        .eventually_in_force(|| engine.has_peering(&second.id))
        .await;
    for connection in [&first, &second] {
        let found = world.get(&connection.key()).await.unwrap();
        assert_eq!(found.state.code(), "provisioning");
    }
    line.is_open.send_replace(true);
    for connection in [&first, &second] {
        world.reaches(connection, "active").await;
    }
    assert_eq!(line.untrue(), Vec::<String>::new());
    node.stop().await;
    controller.stop().await;
}

#[tokio::test]
async fn repairs_are_reported_again_until_they_are_heard() {
    let (world, engine, _) = world_with(1, &[]).await;
    engine.meddle(3);
    let (controller, node, _) = start(&world, |controller| Line {
        lost_repairs: AtomicUsize::new(1),
        ..Line::new(controller, &engine)
    });
    world
        .eventually("three repairs", async |tx| {
            let repairs = tx.peek(&keys::repairs()).await.unwrap();
            (repairs.len() == 3).then_some(())
        })
        .await;
    node.stop().await;
    controller.stop().await;
}

/// Counting a large table takes long, and nothing waits for it.
#[tokio::test]
async fn a_connection_is_reported_while_the_tables_are_counted() {
    let (world, engine, requests) = world_with(1, &["10.0.0.0/16"]).await;
    engine.never_counts();
    let connection = accepted(&world, &requests[0]);
    world.put_connection(&connection).await;
    let (controller, node, _) = start(&world, |controller| Line::new(controller, &engine));
    world.reaches(&connection, "active").await;
    node.stop().await;
    controller.stop().await;
}
