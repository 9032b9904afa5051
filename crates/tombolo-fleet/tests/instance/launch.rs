//! How server processes start, or do not.

use std::path::Path;

use tombolo_fleet::{Event, Exit, Instance, StartError};

use crate::fixture::{BINARY, Fixture, eventually, next, until};

#[tokio::test]
async fn every_execution_starts_with_its_parameters() {
    let mut fixture = Fixture::new();
    fixture.file(
        "bin/server",
        "#!/bin/sh\necho \"$0|$1|$2|$3|$(pwd)\"\nexec sleep 1000",
        0o755,
    );
    fixture.run("/local/game/bin/server", "-port 4000 'Dust II'", 2);
    fixture.run("/local/game/bin/server", "", 1);
    let (instance, _events) = fixture.start_healthy().await;

    let with = "/local/game/bin/server|-port|4000|Dust II|/local/game/bin";
    let without = "/local/game/bin/server||||/local/game/bin";
    for (process, line) in [
        ("server-1", with),
        ("server-2", with),
        ("server-3", without),
    ] {
        eventually(line, || fixture.log(process) == [line]).await;
    }
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_launch_path_that_is_no_file_of_the_build_is_not_found() {
    for launch_path in [
        "/local/game/missing",
        "/local/game",
        "/bin/sh",
        "/local/game/../../bin/sh",
        "server",
        "",
    ] {
        let mut fixture = Fixture::with_server("exec sleep 1000");
        fixture.run(launch_path, "", 1);
        let instance = fixture.start().await;
        let mut events = instance.events(0).await.unwrap();

        assert!(matches!(
            next(&mut events).await.event,
            Event::ProcessStarted { .. }
        ));
        let Event::LaunchPathNotFound {
            launch_path: named, ..
        } = next(&mut events).await.event
        else {
            panic!("{launch_path} was found");
        };
        assert_eq!(named, launch_path);
        instance.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_link_out_of_the_build_is_not_found() {
    let mut fixture = Fixture::new();
    std::os::unix::fs::symlink("/bin/sh", fixture.path("build/server")).unwrap();
    fixture.run("/local/game/server", "", 1);
    let instance = fixture.start().await;
    let event = next(&mut instance.events(0).await.unwrap()).await.event;
    assert!(
        matches!(event, Event::LaunchPathNotFound { .. }),
        "{event:?}"
    );
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_reported_with_the_reason() {
    for (text, mode, reason) in [
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        (
            "#!/no/such/interpreter\n",
            0o755,
            "No such file or directory",
        ),
        ("plain text", 0o755, "Exec format error"),
    ] {
        let mut fixture = Fixture::new();
        fixture.file("server", text, mode);
        fixture.run("/local/game/server", "", 1);
        let instance = fixture.start().await;
        let event = next(&mut instance.events(0).await.unwrap()).await.event;
        let Event::LaunchFailed {
            process,
            error,
            restart_in_ms: None,
        } = event
        else {
            panic!("{event:?}");
        };
        assert_eq!(process, "server-1");
        assert!(
            error.starts_with("/local/game/server: ") && error.contains(reason),
            "{error}"
        );
        instance.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_process_that_exits_at_once_is_reported_with_its_last_lines() {
    let fixture =
        Fixture::with_server("seq 1 30\necho 'connect: Network is unreachable' >&2\nexit 3");
    let instance = fixture.start_to_exit().await;
    let mut events = instance.events(0).await.unwrap();
    let seen = until(&mut events, |event| matches!(event, Event::ExitedAtOnce(_))).await;
    let Some(Event::ExitedAtOnce(ended)) = seen.last().map(|last| &last.event) else {
        panic!()
    };
    assert_eq!(
        (ended.process.as_str(), ended.exit),
        ("server-1", Exit::Code(3))
    );
    assert_eq!(ended.last_lines.len(), 20);
    assert_eq!(ended.last_lines[0], "12");
    assert_eq!(ended.last_lines[19], "connect: Network is unreachable");
    assert!((25..=50).contains(&ended.restart_in_ms), "{ended:?}");
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn a_spec_that_can_never_start_is_refused_before_anything_is_made() {
    let mut fixture = Fixture::with_server("exec sleep 1000");
    fixture.run("/local/game/server", "-name 'Dust", 1);
    let error = Instance::start(Path::new(BINARY), &fixture.spec())
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Spec(_)), "{error:?}");
    assert!(!fixture.path("instance").exists());
}

#[tokio::test]
async fn a_supervisor_that_cannot_come_up_says_why() {
    let fixture = Fixture::with_server("exec sleep 1000");

    let mut spec = fixture.spec();
    spec.network_namespace = Some("/run/netns/tmb-missing".into());
    let error = Instance::start(Path::new(BINARY), &spec)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("opening the network namespace /run/netns/tmb-missing: No such file"),
        "{error}"
    );

    let mut spec = fixture.spec();
    spec.build = fixture.path("missing");
    let error = Instance::start(Path::new(BINARY), &spec)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("binding the build"), "{error}");

    let error = Instance::start(Path::new("/no/such/tombolo"), &fixture.spec())
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Run { .. }), "{error:?}");
    assert!(fixture.attach().await.is_none());
    // None of it stands in the way of a start that can succeed.
    let (instance, _events) = fixture.start_healthy().await;
    instance.kill().await.unwrap();
}
