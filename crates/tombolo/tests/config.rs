//! The configuration of `tombolo serve`.

use tombolo::config::{Admission, Bytes, Config, FleetAddresses, Limit, Metrics, RequestRates};
use tombolo::report;
use tombolo_domain::quota::Quotas;

const EXAMPLE: &str = include_str!("../../../docs/tombolo.example.toml");

#[test]
fn the_example_is_a_configuration_with_the_defaults() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.regions.len(), 2);
    assert_eq!(config.listen, "127.0.0.1:4580".parse().unwrap());
    assert_eq!(config.tls, None);
    assert_eq!(config.metrics, Metrics::default());
    assert_eq!(config.fleet_addresses, FleetAddresses::default());
    assert_eq!(config.quotas, Quotas::default());
    assert_eq!(config.players, None);
    assert_eq!(config.admission, Admission::default());
    assert_eq!(config.request_rates, RequestRates::default());
}

/// What is commented out are keys with their defaults, so the example with all of them uncommented
/// is a configuration too, and says the same but for TLS and players.
#[test]
fn every_key_of_the_example_can_be_uncommented() {
    let lines: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.starts_with('[') || key.contains(" = ") => key,
            _ => line,
        })
        .collect();
    let mut config = Config::parse(&lines.join("\n")).unwrap();
    assert!(config.tls.take().is_some());
    // What these are when they are not named depends on who runs the server.
    let sandbox = std::mem::take(&mut config.sandbox);
    assert_eq!(sandbox.memory, Some(Limit::AtMost(Bytes(2 << 30))));
    assert_eq!(sandbox.processes, Some(Limit::AtMost(512)));
    assert_eq!(sandbox.cpus, Some(Limit::None));
    assert_eq!(sandbox.tmp, Some(Bytes(256 << 20)));
    assert_eq!(sandbox.install, Some(Bytes(1 << 30)));
    assert_eq!(sandbox.root, Some("/srv/rootfs".into()));
    let players = config.players.take().unwrap();
    assert_eq!(players.interface.as_deref(), Some("eth0"));
    assert_eq!(
        Config::parse(&format!(
            "{EXAMPLE}\n[players]\naddress = \"203.0.113.10\"\ninterface = \"eth0\"\n"
        ))
        .unwrap()
        .players,
        Some(players)
    );
    assert_eq!(config, Config::parse(EXAMPLE).unwrap());
}

#[test]
fn what_is_wrong_is_named() {
    let minimal = "directory = \"/var/lib/tombolo\"\nregions = [\"us-west-2\"]\n";
    Config::parse(minimal).unwrap();
    for (text, told) in [
        (
            "regions = [\"us-west-2\"]".to_owned(),
            "missing field `directory`",
        ),
        (
            "directory = \"/d\"\nregions = []".to_owned(),
            "regions = []: name at least one",
        ),
        (
            "directory = \"/d\"\nregions = [\"x\"]".to_owned(),
            "\"x\" is not a Region",
        ),
        (
            "directory = \"d\"\nregions = [\"us-west-2\"]".to_owned(),
            "directory = \"d\": must be an absolute path",
        ),
        (
            format!("{minimal}[admission]\nbody_memory = \"1 MiB\""),
            "admission.body_memory = 1048576: is in bytes, and at least 8388608",
        ),
        (
            format!("{minimal}[admission]\ntrusted_proxies = [\"proxy\"]"),
            "invalid IP address syntax",
        ),
        (
            format!("{minimal}[request_rates]\nmutating = {{ burst = 0, per_second = 1 }}"),
            "request_rates.mutating = { burst = 0, per_second = 1 }: would refuse every request",
        ),
        (
            format!("{minimal}[request_rates]\nmutating = {{ burst = -1, per_second = 1 }}"),
            "invalid value: integer `-1`, expected u32",
        ),
        (
            format!("{minimal}[request_rates]\nnon_mutating = \"many\""),
            "or \"none\"",
        ),
        (
            format!("{minimal}[sandbox]\nmemory = \"lots\""),
            "\"lots\" is no size; write \"512 MiB\" or \"2 GiB\", or \"none\"",
        ),
        (
            format!("{minimal}[sandbox]\nmemory = 2048"),
            "sandbox.memory = 2048: is in bytes",
        ),
        (
            format!("{minimal}[sandbox]\nprocesses = 9223372036854775807"),
            "sandbox.processes = 9223372036854775807: Linux has no more than 4194304",
        ),
        (
            format!("{minimal}[sandbox]\nprocesses = 0"),
            "sandbox.processes = 0: is the most that may run",
        ),
        (
            format!("{minimal}[sandbox]\ncpus = 0.0"),
            "sandbox.cpus = 0: must be from 0.01",
        ),
        (
            format!("{minimal}[sandbox]\ntmp = \"1 KiB\""),
            "sandbox.tmp = 1024: is in bytes, at least 1048576",
        ),
        (
            format!("{minimal}[sandbox]\nroot = \"rootfs\""),
            "sandbox.root = \"rootfs\": must be an absolute path",
        ),
        (
            format!("{minimal}lisen = \"127.0.0.1:1\""),
            "unknown field `lisen`",
        ),
        (format!("{minimal}listen = \"localhost\""), "listen"),
        (
            format!("{minimal}network = \"ovn\""),
            "unknown variant `ovn`",
        ),
        (
            format!("{minimal}listen = \"0.0.0.0:4580\""),
            "plain HTTP on an address that other machines reach",
        ),
        (
            format!("{minimal}[tls]\ncertificate = \"/c\""),
            "missing field `key`",
        ),
        (
            format!("{minimal}[fleet_addresses]\npool = \"100.64.0.1/10\""),
            "has host bits; write \"100.64.0.0/10\"",
        ),
        (
            format!("{minimal}[fleet_addresses]\npool = \"224.0.0.0/8\""),
            "which is reserved",
        ),
        (
            format!("{minimal}[players]\naddress = \"127.0.0.1\""),
            "players.address = \"127.0.0.1\": is within 127.0.0.0/8",
        ),
        (
            format!("{minimal}[players]\naddress = \"100.64.3.1\""),
            "players.address = \"100.64.3.1\": is within fleet_addresses.pool",
        ),
        (
            format!("{minimal}[players]\naddress = \"203.0.113.1\"\nports = \"9-8\""),
            "\"9-8\" is no range of ports",
        ),
        (
            format!("{minimal}[players]\naddress = \"203.0.113.1\"\nports = \"1-40000\""),
            "must have no port in common",
        ),
        (
            format!(
                "{minimal}[players]\naddress = \"203.0.113.1\"\ninterface = \"a-name-too-long-for-it\""
            ),
            "must be the name of a network interface",
        ),
        (
            format!("{minimal}[players]\ninterface = \"eth0\""),
            "missing field `address`",
        ),
        (
            format!("{minimal}mtu = 9002"),
            "mtu = 9002: must be from 576",
        ),
        (
            format!("{minimal}[fleet_addresses]\nprefix = 29"),
            "must be from 16 to 28",
        ),
        (
            format!("{minimal}[quotas]\nsecurity_groups_per_interface = 6"),
            "quotas.security_groups_per_interface = 6: must be from 1 to 5",
        ),
        (
            format!("{minimal}[quotas]\nvpcs_per_region = 99999999"),
            "quotas.vpcs_per_region = 99999999: must be from 0 to 16777215",
        ),
        (
            format!("{minimal}[quotas]\nfleets_per_region = -1"),
            "fleets_per_region",
        ),
    ] {
        let error = Config::parse(&text).expect_err(&text);
        let report = report::text(&error);
        assert!(report.contains(told), "{text}\n{report}");
    }
}

#[test]
fn plain_http_beyond_loopback_is_possible_when_asked_for() {
    let text = "directory = \"/d\"\nregions = [\"us-west-2\"]\nlisten = \"0.0.0.0:4580\"\n";
    Config::parse(&format!("{text}allow_plain_http = true")).unwrap();
    Config::parse(&format!("{text}[tls]\ncertificate = \"/c\"\nkey = \"/k\"")).unwrap();
}
