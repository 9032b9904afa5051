//! One command in a network namespace.

use std::path::Path;

use tombolo_fleet::enter::{EnterError, command_in};

use crate::fixture::Fixture;

#[tokio::test]
async fn a_command_runs_in_the_namespace_with_the_hosts_files() {
    let fixture = Fixture::with_server("readlink /proc/self/ns/net; echo done; exec sleep 1000");
    let (instance, _events) = fixture.start_healthy().await;
    let network = format!("/proc/{}/ns/net", instance.incarnation().pid);

    let script = "readlink /proc/self/ns/net; cat /etc/resolv.conf; cat \"$1\"; exit 7";
    let marker = fixture.path("build/server");
    let argv = ["sh", "-c", script, "sh", marker.to_str().unwrap()];
    let output = command_in(Path::new(&network), &argv)
        .unwrap()
        .output()
        .unwrap();

    let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = std::fs::read_to_string(&marker).unwrap();
    let expected = format!(
        "{}\n{resolv_conf}{server}",
        fixture.log_until("done").await[0]
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(7));
    instance.kill().await.unwrap();
}

#[test]
fn what_cannot_be_entered_or_run_is_refused() {
    let none: [&str; 0] = [];
    let missing = Path::new("/run/netns/tmb-missing");
    assert!(matches!(
        command_in(missing, &none),
        Err(EnterError::NoCommand { .. })
    ));
    let error = command_in(missing, &["true"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the network namespace \"/run/netns/tmb-missing\" cannot be opened"
    );
    let here = Path::new("/proc/self/ns/net");
    let error = command_in(here, &["/no/such/program"])
        .unwrap()
        .spawn()
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
