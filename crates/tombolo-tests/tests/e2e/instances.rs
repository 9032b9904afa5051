//! Fleets of many instances: how fast they come, what peerings are to them, and what is left of
//! them when everything is killed again and again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tombolo_tests::aws::{CallError, Client};
use tombolo_tests::dev::Dev;
use tombolo_tests::leftovers::{Left, processes_with};
use tombolo_tests::server::Server;
use tombolo_tests::{build, probe, scenario, wait};

fn resize(studio: &Client, fleet: &str, desired: u32, maximum: u32) {
    let input = json!({
        "FleetId": fleet, "DesiredInstances": desired, "MinSize": 0, "MaxSize": maximum,
    });
    let changed = studio.gamelift("UpdateFleetCapacity", &input);
    changed.expect("UpdateFleetCapacity");
}

/// The ids of a fleet's instances that are ACTIVE.
fn active_instances(studio: &Client, fleet: &str) -> BTreeSet<String> {
    let mut active = BTreeSet::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "FleetId": fleet, "Limit": 50 });
        if !token.is_null() {
            input["NextToken"] = token;
        }
        let mut found = studio.gamelift("DescribeInstances", &input).unwrap();
        for instance in found["Instances"].as_array().unwrap() {
            if instance["Status"] == "ACTIVE" {
                active.insert(scenario::text(&instance["InstanceId"]));
            }
        }
        token = found["NextToken"].take();
        if token.is_null() {
            return active;
        }
    }
}

#[track_caller]
fn has_instances(studio: &Client, fleet: &str, count: usize) -> BTreeSet<String> {
    wait::until(&format!("{count} active instances"), || {
        let found = active_instances(studio, fleet);
        (found.len() == count).then_some(found)
    })
}

/// All events of a fleet with this code.
fn count(studio: &Client, fleet: &str, code: &str) -> usize {
    let mut counted = 0;
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "FleetId": fleet, "Limit": 100 });
        if !token.is_null() {
            input["NextToken"] = token;
        }
        let mut found = studio.gamelift("DescribeFleetEvents", &input).unwrap();
        let events = found["Events"].as_array().unwrap();
        counted += events.iter().filter(|one| one["EventCode"] == code).count();
        token = found["NextToken"].take();
        if token.is_null() {
            return counted;
        }
    }
}

#[test]
fn a_hundred_instances_come_up_side_by_side() {
    let server = Dev::start();
    let studio = server.studio();
    let build = build::import(&server, &[("server", build::IDLE)]);
    let fleet = scenario::active_fleet(&studio, &build, "server", "");
    let since = Instant::now();
    resize(&studio, &fleet, 100, 100);
    has_instances(&studio, &fleet, 100);
    eprintln!("99 more instances after {:?}", since.elapsed());

    let since = Instant::now();
    resize(&studio, &fleet, 1, 100);
    wait::until("one instance to be left", || {
        let folders = fs::read_dir(server.directory().join("instances")).unwrap();
        (folders.count() == 1).then_some(())
    });
    eprintln!("99 fewer instances after {:?}", since.elapsed());
    scenario::fleet_is(&studio, &fleet, "ACTIVE");
}

#[test]
fn a_peering_holds_for_instances_that_start_later() {
    let server = Dev::start();
    let (studio, backend) = (server.studio(), server.backend());
    let vpc = scenario::vpc_with_subnet(&backend, "10.60.0.0/24");
    let _ticker = probe::ticker(&server, &vpc, "10.60.0.10");
    let build = probe::build(&server);
    let parameters = probe::parameters(&server.directory(), "10.60.0.10");
    let fleet = scenario::active_fleet(&studio, &build, "probe", &parameters);
    scenario::authorize(&backend, &studio, &vpc);
    scenario::connect(&studio, &backend, &fleet, &vpc);

    resize(&studio, &fleet, 4, 4);
    for instance in has_instances(&studio, &fleet, 4) {
        let logs = server.directory().join("logs").join(&fleet).join(&instance);
        wait::until(&format!("instance {instance} to be connected"), || {
            says(&logs, "reached").then_some(())
        });
    }
}

/// Whether a log in `folder` has a line that begins with `start`.
fn says(folder: &Path, start: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let text = fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().any(|line| line.starts_with(start))
    })
}

const INSTANCES: usize = 3;
const ROUNDS: usize = 5;

#[test]
fn whatever_is_killed_nothing_is_orphaned_or_started_twice_and_the_events_are_right() {
    let mut server = Dev::start();
    let build = probe::build(&server);
    let parameters = probe::parameters(&server.directory(), "10.60.0.10");
    let studio = server.studio();
    let fleet = scenario::active_fleet(&studio, &build, "probe", &parameters);
    let most = 2 * INSTANCES;
    resize(&studio, &fleet, INSTANCES as u32, most as u32);
    let instances = has_instances(&studio, &fleet, INSTANCES);
    let mut instances: Vec<String> = instances.into_iter().collect();
    let left = Left::look(&server.directory());
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut crashes, mut recycled) = (0, 0);

    for round in 0..ROUNDS {
        // A game, and then its whole instance, each while the control plane is there.
        under_load(&server.backend(), || {
            kill_one(games(&server), &mut random);
            crashes += 1;
            settles(&server, &fleet, &instances, crashes, recycled, round);
            kill_supervisor(&server, pick::<String>(&instances, &mut random));
            recycled += 1;
            settles(&server, &fleet, &instances, crashes, recycled, round);
        });
        // And both while it is not: of two instances, since an event dies with its supervisor.
        under_load(&server.backend(), || server.kill());
        let down = pick::<String>(&instances, &mut random);
        kill_supervisor(&server, down);
        recycled += 1;
        let rest = wait::until("the games of the others", || {
            let games = games(&server);
            (games.len() == instances.len() - 1).then_some(games)
        });
        kill_one(rest, &mut random);
        crashes += 1;
        server.restart();
        settles(&server, &fleet, &instances, crashes, recycled, round);
        // And the control plane while it makes instances, or takes them away: at once, or when some
        // are done.
        let wanted = if instances.len() == INSTANCES {
            most
        } else {
            INSTANCES
        };
        let done = random.next_u32() as usize % INSTANCES;
        let studio = server.studio();
        under_load(&server.backend(), || {
            resize(&studio, &fleet, wanted as u32, most as u32);
            wait::until("some of the games", || {
                let changed = games(&server).len().abs_diff(instances.len());
                (changed >= done).then_some(())
            });
            server.kill();
        });
        server.restart();
        let resized = has_instances(&server.studio(), &fleet, wanted);
        instances = resized.into_iter().collect();
        settles(&server, &fleet, &instances, crashes, recycled, round);
    }

    let studio = server.studio();
    studio
        .gamelift("DeleteFleet", &json!({ "FleetId": fleet }))
        .unwrap();
    scenario::event(&studio, &fleet, "FLEET_DELETED");
    assert_eq!(games(&server), Vec::<u32>::new());
    assert_eq!(left.processes(), Vec::<u32>::new());
    assert_eq!(folders(&server), Vec::<String>::new());
}

/// Calls from several threads while `meanwhile` runs.
fn under_load(backend: &Client, meanwhile: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let made = backend.ec2("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]);
                    let gone = made.and_then(|made| {
                        backend.ec2("DeleteVpc", &[("VpcId", &made.text("vpcId"))])
                    });
                    match gone {
                        Ok(_) | Err(CallError::Lost(_)) => {}
                        Err(CallError::Refused(refusal)) => panic!("refused: {refusal}"),
                    }
                }
            });
        }
        meanwhile();
        over.store(true, Ordering::Relaxed);
    });
}

fn games(server: &Dev) -> Vec<u32> {
    let mark = probe::mark(&server.directory());
    processes_with(&mark)
}

/// The instances that have a folder, by their ids.
fn folders(server: &Dev) -> Vec<String> {
    let found = fs::read_dir(server.directory().join("instances")).unwrap();
    let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.collect();
    names.into_iter().collect()
}

fn pick<'l, T>(list: &'l [T], random: &mut TestRng) -> &'l T {
    &list[random.next_u32() as usize % list.len()]
}

fn kill_one(games: Vec<u32>, random: &mut TestRng) {
    let game = Pid::from_raw((*pick::<u32>(&games, random)).try_into().unwrap());
    kill(game, Signal::SIGKILL).unwrap();
}

fn supervisor(server: &Dev, instance: &str) -> Option<Value> {
    let path = server.directory().join("instances").join(instance);
    let text = fs::read_to_string(path.join("supervisor.json")).ok()?;
    serde_json::from_str(&text).ok()
}

fn kill_supervisor(server: &Dev, instance: &str) {
    let supervisor = supervisor(server, instance).expect("it runs");
    let pid = supervisor["pid"].as_i64().unwrap();
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// Waits until each instance has its one game again and the events tell what was done, and then
/// holds that there is no more of either.
#[track_caller]
fn settles(
    server: &Dev,
    fleet: &str,
    instances: &[String],
    crashes: usize,
    recycled: usize,
    round: usize,
) {
    let studio = server.studio();
    let told = || {
        let told = [
            count(&studio, fleet, "SERVER_PROCESS_CRASHED"),
            count(&studio, fleet, "INSTANCE_RECYCLED"),
        ];
        (told, games(server).len(), folders(server))
    };
    let expected = ([crashes, recycled], instances.len(), instances.to_vec());
    let settled = wait::within(wait::TIMEOUT, || {
        // In this order: an instance that is told to have been started again does not run before.
        let is_told = told() == expected;
        (is_told && active_instances(&studio, fleet).len() == instances.len()).then_some(())
    });
    assert!(
        settled.is_some(),
        "round {round}: {:?} and not {expected:?} crashes, recycled instances, games and folders: \
         {:#?}",
        told(),
        scenario::events(&studio, fleet)
    );
    let now = active_instances(&studio, fleet);
    assert_eq!(now.into_iter().collect::<Vec<_>>(), instances);
    assert_eq!(told(), expected, "round {round}");
}
