//! Players' packets to a mapped port, taken at the machine's interface, beside a bare veth.

use std::thread;

use serde_json::json;
use tombolo_testkit::site::{MACHINE, Site};
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::{build, probe, scenario};

use crate::link::{Bare, Link, namespace_of};
use crate::path::{TURNS, packets_per_second};
use crate::table::{Table, Target};

/// The port of the instance's, and of the public address.
const PORT: u16 = 20_777;
/// The port that the game itself listens on, out of the way.
const GAME: u16 = 4_000;

/// Measures it, in turns.
pub(crate) fn measure(table: &mut Table) {
    // On a thread of its own, which moves onto a machine of its own.
    let players = thread::spawn(Players::start);
    let players = players.join().expect("starting a fleet for players");
    let bare = Bare::start();
    let links = [&players.link, &bare.link()];
    let turns = (0..TURNS).map(|_| {
        let [ours, theirs] = links.map(packets_per_second);
        (ours, theirs)
    });
    let what = "Players' UDP packets of 64 bytes";
    table.ratio(what, "/s", turns.collect(), Target::AtLeast(0.7));
}

/// An instance that players reach.
struct Players {
    link: Link,
    _server: Serving,
    _site: Site,
}

impl Players {
    fn start() -> Self {
        let site = Site::enter();
        let tables = format!("[players]\naddress = \"{MACHINE}\"\ninterface = \"eth0\"\n");
        let server = Serving::start_plain_with(&tables);
        let mark = probe::mark(&server.directory());
        let build = build::import(&server, &[("echo", build::ECHO)]);
        let mut input = scenario::fleet_input(&build, "echo", &format!("{GAME} {mark}"));
        input["EC2InboundPermissions"] = json!([{
            "FromPort": PORT, "ToPort": PORT, "IpRange": "0.0.0.0/0", "Protocol": "UDP",
        }]);
        let made = server.studio().gamelift("CreateFleet", &input);
        let made = made.expect("CreateFleet");
        let fleet = scenario::text(&made["FleetAttributes"]["FleetId"]);
        scenario::fleet_is(server.studio(), &fleet, "ACTIVE");
        let [_, client] = site.namespaces();
        Players {
            link: Link {
                client,
                server: namespace_of("echo", &mark),
                address: MACHINE,
                port: PORT,
            },
            _server: server,
            _site: site,
        }
    }
}
