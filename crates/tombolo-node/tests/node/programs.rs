//! Interfaces of programs that have ended.

use std::process::{Child, Command, Stdio};

use tombolo_domain::host::HostBoot;
use tombolo_domain::id::{BootId, HostId};
use tombolo_domain::vpc::{Attachment, NetworkInterface};
use tombolo_store::keys::Entity;

use crate::world::World;

/// A program that runs until it is dropped.
struct Program(Child);

impl Program {
    fn start() -> Self {
        let mut command = Command::new("cat");
        Program(command.stdin(Stdio::piped()).spawn().unwrap())
    }

    /// What its interface is attached to, if it started in `boot`.
    fn attachment(&self, boot: Option<HostBoot>) -> Attachment {
        let pid = self.0.id().try_into().unwrap();
        Attachment::Program {
            pid,
            start_time: tombolo_fleet::start_ticks(pid).unwrap(),
            boot,
        }
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

async fn is_gone(world: &World, interface: &NetworkInterface) {
    let what = format!("interface {} is still there", interface.id);
    world
        .eventually(&what, async |tx| {
            let found = tx.get(&interface.key()).await.unwrap();
            found.is_none().then_some(())
        })
        .await;
}

#[tokio::test]
async fn the_interface_of_a_program_goes_when_it_has_ended() {
    let world = World::new();
    let vpc = world.vpc(&world.backend, "10.2.0.0/16").await;
    let _reconcilers = world.start();
    // One was recorded before hosts had ids.
    for boot in [Some(world.context.host.clone()), None] {
        let (ended, running) = (Program::start(), Program::start());
        let of_ended = world
            .interface_of(&vpc, ended.attachment(boot.clone()))
            .await;
        let of_running = world.interface_of(&vpc, running.attachment(boot)).await;
        ended.end();
        is_gone(&world, &of_ended).await;
        assert_eq!(world.get(&of_running.key()).await, Some(of_running));
        running.end();
    }
}

/// The pid and the start time are those of a program that runs here, by chance.
#[tokio::test]
async fn a_program_of_an_earlier_boot_is_over_whatever_has_its_pid() {
    let world = World::new();
    let vpc = world.vpc(&world.backend, "10.2.0.0/16").await;
    let program = Program::start();
    let earlier = HostBoot {
        boot: BootId::generate(&*world.context.ids),
        ..world.context.host.clone()
    };
    let interface = world.interface_of(&vpc, program.attachment(Some(earlier)));
    let interface = interface.await;
    let _reconcilers = world.start();
    is_gone(&world, &interface).await;
    program.end();
}

#[tokio::test]
async fn another_hosts_program_is_not_judged_by_its_pid_here() {
    let world = World::new();
    let vpc = world.vpc(&world.backend, "10.2.0.0/16").await;
    let here = world.context.host.clone();
    let elsewhere = HostBoot {
        host: HostId::generate(&*world.context.ids),
        ..here.clone()
    };
    let program = Program::start();
    let attachment = program.attachment(Some(elsewhere));
    program.end();
    let of_other = world.interface_of(&vpc, attachment).await;
    let _reconcilers = world.start();
    // Each of two is taken away by a round of its own, so one of these has seen all interfaces.
    for _ in 0..2 {
        let program = Program::start();
        let attachment = program.attachment(Some(here.clone()));
        program.end();
        let ended = world.interface_of(&vpc, attachment).await;
        is_gone(&world, &ended).await;
    }
    assert_eq!(world.get(&of_other.key()).await, Some(of_other.clone()));
}
