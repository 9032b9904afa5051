//! Fleets that host something.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tombolo_domain::fleet::{Compute, Fleet, FleetStatus, Instance, ManagedCompute};
use tombolo_domain::id::InstanceId;
use tombolo_store::keys::{self, Entity};
use tombolo_store::typed::Transaction;

use crate::world::World;

/// A game server that only runs.
pub(super) const IDLE: &str = "#!/bin/sh\nexec sleep infinity\n";

impl World {
    /// A new fleet of `desired` instances in `cidr`, whose build has this as `/local/game/server`.
    pub(super) async fn hosting(&self, cidr: &str, desired: u32, server: &str) -> Fleet {
        let fleet = self.fleet_to_be(cidr, desired).await;
        self.build_file(&fleet, "server", server, 0o755);
        self.begin(&fleet).await
    }

    /// A fleet that nothing is done with yet, so that its build can be written.
    pub(super) async fn fleet_to_be(&self, cidr: &str, desired: u32) -> Fleet {
        let (fleet, _) = self.fleet(cidr, FleetStatus::Terminated).await;
        self.managed(&fleet, |managed| managed.capacity.desired = desired)
            .await;
        fleet
    }

    /// Has a fleet begin as CreateFleet does.
    pub(super) async fn begin(&self, fleet: &Fleet) -> Fleet {
        self.write(async |tx| {
            let mut fleet = tx.get(&fleet.key()).await.unwrap().unwrap();
            fleet.status = FleetStatus::New;
            tx.put(&fleet).unwrap();
        })
        .await;
        self.get(&fleet.key()).await.unwrap()
    }

    /// The folder of a fleet's build.
    pub(super) fn build_of(&self, fleet: &Fleet) -> PathBuf {
        let build = &fleet.managed().unwrap().build;
        tombolo_node::builds_directory(&self.context.directory).join(build.as_str())
    }

    pub(super) fn build_file(&self, fleet: &Fleet, name: &str, text: impl AsRef<[u8]>, mode: u32) {
        let path = self.build_of(fleet).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// Changes what a fleet's instances are.
    pub(super) async fn managed(&self, fleet: &Fleet, change: impl Fn(&mut ManagedCompute)) {
        loop {
            let mut tx = Transaction::new(self.context.store.clone());
            let mut fleet = tx.get(&fleet.key()).await.unwrap().unwrap();
            if let Compute::Managed(managed) = &mut fleet.compute {
                change(managed);
            }
            tx.put(&fleet).unwrap();
            if tx.commit().await.unwrap() == tombolo_store::typed::Committed::Yes {
                return;
            }
        }
    }

    /// Has a fleet that runs have so many instances.
    pub(super) async fn scale(&self, fleet: &Fleet, desired: u32) {
        let input = json!({
            "FleetId": fleet.id.as_str(), "DesiredInstances": desired, "MaxSize": desired.max(1),
        });
        let owner = self.gamelift(&fleet.scope);
        owner.call("UpdateFleetCapacity", input).await;
    }

    /// Has the instances of a fleet run so many processes of a program.
    pub(super) async fn run(&self, fleet: &Fleet, launch_path: &str, processes: u32) {
        let process = json!({"LaunchPath": launch_path, "ConcurrentExecutions": processes});
        let input = json!({
            "FleetId": fleet.id.as_str(),
            "RuntimeConfiguration": {"ServerProcesses": [process]},
        });
        let owner = self.gamelift(&fleet.scope);
        owner.call("UpdateRuntimeConfiguration", input).await;
    }

    pub(super) async fn delete(&self, fleet: &Fleet) {
        let input = json!({"FleetId": fleet.id.as_str()});
        self.gamelift(&fleet.scope).call("DeleteFleet", input).await;
    }

    pub(super) async fn fleet_is(&self, fleet: &Fleet, status: FleetStatus) {
        let what = format!("fleet {} did not become {status}", fleet.id);
        self.eventually(&what, async |tx| {
            let found = tx.get(&fleet.key()).await.unwrap().unwrap();
            (found.status == status).then_some(())
        })
        .await;
    }

    pub(super) async fn instances(&self, fleet: &Fleet) -> Vec<Instance> {
        let mut tx = Transaction::new(self.context.store.clone());
        let prefix = keys::instances_of(&fleet.scope, &fleet.id);
        tx.peek(&prefix).await.unwrap()
    }

    /// Waits until a fleet has `count` instances, all of which run, and gives them.
    pub(super) async fn has_running(&self, fleet: &Fleet, count: usize) -> Vec<Instance> {
        let what = format!("fleet {} did not come to {count} instances", fleet.id);
        self.eventually(&what, async |tx| {
            let prefix = keys::instances_of(&fleet.scope, &fleet.id);
            let found = tx.peek(&prefix).await.unwrap();
            let run = found.iter().all(|one| one.running && !one.ending);
            (run && found.len() == count).then_some(found)
        })
        .await
    }

    /// Waits until a fleet has had an event with this code, and gives its message.
    pub(super) async fn event(&self, fleet: &Fleet, code: &str, part: &str) -> String {
        let what = format!("fleet {} had no {code} with {part:?}", fleet.id);
        self.eventually(&what, async |_| {
            let events = self.events(fleet).await.into_iter();
            events
                .into_iter()
                .find(|(found, message)| *found == code && message.contains(part))
                .map(|(_, message)| message)
        })
        .await
    }

    /// How many events of this code a fleet has had.
    pub(super) async fn count(&self, fleet: &Fleet, code: &str) -> usize {
        let events = self.events(fleet).await;
        events.iter().filter(|(found, _)| *found == code).count()
    }

    fn instances_directory(&self) -> PathBuf {
        self.context.directory.join("instances")
    }

    /// The instances that have a folder.
    pub(super) fn on_disk(&self) -> BTreeSet<String> {
        let Ok(entries) = fs::read_dir(self.instances_directory()) else {
            return BTreeSet::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    /// The process id of an instance's supervisor, if it has said that it runs.
    pub(super) fn supervisor(&self, instance: &InstanceId) -> Option<Pid> {
        self.supervisor_in(instance.as_str())
    }

    fn supervisor_in(&self, folder: &str) -> Option<Pid> {
        let path = self.instances_directory().join(folder);
        let text = fs::read_to_string(path.join("supervisor.json")).ok()?;
        let (_, rest) = text.split_once("\"pid\":")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(Pid::from_raw(digits.parse().ok()?))
    }

    /// The process that the supervisor of the instance in `folder` has started, if it has only one.
    pub(super) fn child_of(&self, folder: &str) -> Option<Pid> {
        match self.children(self.supervisor_in(folder)?).as_slice() {
            [child] => Some(*child),
            _ => None,
        }
    }

    /// The processes that `parent` has started.
    pub(super) fn children(&self, parent: Pid) -> Vec<Pid> {
        let path = format!("/proc/{parent}/task/{parent}/children");
        // A process that is no more has none.
        let children = fs::read_to_string(path).unwrap_or_default();
        let ids = children.split_whitespace();
        ids.map(|id| Pid::from_raw(id.parse().unwrap())).collect()
    }

    /// The processes that run in this world's instances: a supervisor and its server processes each.
    pub(super) fn processes(&self) -> Vec<Pid> {
        let place = self
            .context
            .directory
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let place = format!("{place}/");
        let all = fs::read_dir("/proc").unwrap().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id: &i32| {
            // A process that is no more has no mounts.
            let mounts = fs::read_to_string(format!("/proc/{id}/mountinfo")).unwrap_or_default();
            mounts.contains(&place)
        })
        .map(Pid::from_raw)
        .collect()
    }

    /// The only server process of an instance.
    pub(super) fn server_process(&self, instance: &InstanceId) -> Pid {
        self.child_of(instance.as_str()).expect("one child")
    }

    /// Kills the supervisor of an instance, as the kernel does when there is no memory.
    pub(super) fn kill_supervisor(&self, instance: &InstanceId) -> Pid {
        let pid = self.supervisor(instance).expect("it runs");
        kill(pid, Signal::SIGKILL).unwrap();
        pid
    }

    /// Fails unless nothing is left of a fleet's instances.
    pub(super) async fn assert_all_given_back(&self, fleet: &Fleet) {
        self.eventually("the instances' records are gone", async |tx| {
            let prefix = keys::instances_of(&fleet.scope, &fleet.id);
            tx.peek(&prefix).await.unwrap().is_empty().then_some(())
        })
        .await;
        let mut tx = Transaction::new(self.context.store.clone());
        let vpc = fleet.vpc().unwrap();
        let prefix = keys::interfaces_of(&fleet.scope, vpc);
        assert_eq!(tx.peek(&prefix).await.unwrap(), []);
        assert_eq!(self.on_disk(), BTreeSet::new());
        assert_eq!(self.processes(), Vec::<Pid>::new());
    }
}

/// Waits until `condition` gives something. Nobody tells of what happens outside of the store.
pub(super) async fn until<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let mut look_again = tokio::time::interval(Duration::from_millis(5));
    let look = async {
        loop {
            if let Some(found) = condition() {
                return found;
            }
            look_again.tick().await;
        }
    };
    let found = tokio::time::timeout(crate::world::DEADLINE, look).await;
    found.unwrap_or_else(|_| panic!("not in time: {what}"))
}
