//! Builds: what fleets run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::server::Server;
use crate::tools;

/// The Python that server processes see: they see the machine's `/usr`, and no folder of these
/// tests.
pub const PYTHON: &str = "/usr/bin/python3";

/// A game server that only runs.
pub const IDLE: &str = "#!/bin/sh\nexec sleep infinity\n";

/// A game server that answers each datagram to the port that it is told, with who sent it.
pub const ECHO: &str = "#!/usr/bin/python3
import socket, sys
game = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
game.bind(('', int(sys.argv[1])))
while True:
    said, player = game.recvfrom(2048)
    game.sendto(said + b' from %s:%d' % (player[0].encode(), player[1]), player)
";

/// Imports executable files as a build of the studio's, and gives its id.
///
/// # Panics
/// `tombolo build import` fails.
#[track_caller]
pub fn import(server: &impl Server, files: &[(&str, &str)]) -> String {
    import_for(server, "studio", files)
}

/// Imports executable files as a build of an account's, and gives its id.
///
/// # Panics
/// `tombolo build import` fails.
#[track_caller]
pub fn import_for(server: &impl Server, account: &str, files: &[(&str, &str)]) -> String {
    let root = tempfile::tempdir().expect("making a temporary directory");
    for (name, content) in files {
        let path = root.path().join(name);
        fs::write(&path, content).expect("writing a build's file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .expect("making it executable");
    }
    import_folder_for(server, account, root.path())
}

/// Imports a folder as a build of the studio's, and gives its id.
///
/// # Panics
/// `tombolo build import` fails.
#[track_caller]
pub fn import_folder(server: &impl Server, root: &Path) -> String {
    import_folder_for(server, "studio", root)
}

#[track_caller]
fn import_folder_for(server: &impl Server, account: &str, root: &Path) -> String {
    let arguments = ["build", "import", "--account", account, "--name", "arena"];
    let mut import = server.command(&arguments);
    import
        .args(["--build-version", "1.0.0", "--json", "--root"])
        .arg(root);
    let printed = tools::succeeds(&mut import);
    let start = printed
        .find("build-")
        .unwrap_or_else(|| panic!("no build id in {printed:?}"));
    let rest = &printed[start..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    rest[..end.unwrap_or(rest.len())].to_owned()
}
