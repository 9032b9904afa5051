//! What an instance tells of itself.

use tombolo_fleet::{Event, Exit, ProcessState, ProcessStatus};

use crate::fixture::{DEADLINE, Fixture, until};

#[tokio::test]
async fn a_process_is_told_with_what_it_and_its_helpers_use() {
    let mut fixture = Fixture::with_server(
        "read order < control; $order\n\
         while :; do :; done &\n\
         exec sleep 1000",
    );
    fixture.pipe();
    fixture.run("/local/game/missing", "", 1);
    let instance = fixture.start().await;
    let mut events = instance.events(0).await.unwrap();
    fixture.order("exit 5").await;
    until(&mut events, |event| {
        matches!(event, Event::ExitedAtOnce(_) | Event::Crashed(_))
    })
    .await;
    fixture.order("true").await;
    until(&mut events, |event| {
        matches!(event, Event::ProcessStarted { .. })
    })
    .await;

    let deadline = std::time::Instant::now() + DEADLINE;
    let server = loop {
        let status = instance.status().await.unwrap();
        let [server, missing] = <[ProcessStatus; 2]>::try_from(status.processes).unwrap();
        assert_eq!((missing.state, missing.pid), (ProcessState::GivenUp, None));
        assert_eq!(missing.memory_bytes, 0);
        // More than a shell takes to begin: it is the loop's, which is not waited for.
        if server.cpu_usec >= 200_000 {
            break server;
        }
        assert!(std::time::Instant::now() < deadline, "{server:?}");
    };
    assert_eq!(server.name, "server-1");
    assert_eq!(server.launch_path, "/local/game/server");
    assert_eq!(server.state, ProcessState::Healthy);
    assert_eq!(server.restarts, 1);
    assert_eq!(server.last_exit, Some(Exit::Code(5)));
    assert!(server.pid.is_some() && server.since_unix_ms > 0);
    // A shell and a sleep.
    let mebibyte = 1 << 20;
    assert!((mebibyte / 2..64 * mebibyte).contains(&server.memory_bytes));
    instance.kill().await.unwrap();
}
