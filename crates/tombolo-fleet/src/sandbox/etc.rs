//! `/etc` of an instance: what programs need to find libraries, names and certificates.
//!
//! What tells of the machine, its users and its secrets is not there: what names users and hosts is
//! written anew, and the rest is looked for in a list.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::mount::{bind_or_link, make_directory};
use crate::api::spec::{HOME_DIRECTORY, InstanceSpec, PROCESS_SLOTS};
use crate::step::{Doing, StepError};

/// What of a root file system's `/etc` is seen, where it is there: what the dynamic linker, TLS
/// libraries, `getaddrinfo(3)`, the time zone and the runtimes of languages read.
const VISIBLE: [&str; 22] = [
    "alternatives",
    "ca-certificates.conf",
    "crypto-policies",
    "dotnet",
    "fonts",
    "gai.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "mono",
    "os-release",
    "pki/ca-trust/extracted",
    "pki/java",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// The start of the names of folders in which Java runtimes have their settings.
const JAVA: &str = "java-";

/// Where the machine's resolvers are named; the first has them where the second names a resolver
/// on the machine itself, which an instance does not reach.
const RESOLVERS: [&str; 2] = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];

/// Makes `/etc` of the view at `root`, from the root file system `source`.
pub(super) fn make(source: &Path, root: &Path, spec: &InstanceSpec) -> Result<(), StepError> {
    let (from, etc) = (source.join("etc"), root.join("etc"));
    make_directory(&etc, 0o755)?;
    for name in VISIBLE {
        bind_or_link(&from.join(name), &etc.join(name))?;
    }
    for folder in java_folders(&from) {
        if let Some(name) = folder.file_name() {
            bind_or_link(&folder, &etc.join(name))?;
        }
    }
    let resolvers = RESOLVERS
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .unwrap_or_default();
    for (name, text) in [
        ("passwd", passwd(spec.sandbox.first_user)),
        ("group", group(spec.sandbox.first_user)),
        ("hostname", format!("{}\n", spec.instance)),
        ("hosts", hosts(spec)),
        ("nsswitch.conf", NAME_SERVICES.to_owned()),
        ("resolv.conf", resolv_conf(&resolvers)),
    ] {
        let path = etc.join(name);
        fs::write(&path, text).doing(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Names come from the files here and from DNS, and from no service of the host.
const NAME_SERVICES: &str = "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\n\
                             protocols: files\nservices: files\n";

/// The instance's users, root's name among them for listings of files.
fn passwd(first_user: Option<u32>) -> String {
    let mut text = "root:x:0:0:root:/:/usr/sbin/nologin\n".to_owned();
    for (slot, user) in users(first_user) {
        let name = user_name(slot);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}:x:{user}:{user}::{HOME_DIRECTORY}:/bin/sh");
    }
    text
}

fn group(first_user: Option<u32>) -> String {
    let mut text = "root:x:0:\n".to_owned();
    for (slot, user) in users(first_user) {
        let _ = writeln!(text, "{}:x:{user}:", user_name(slot));
    }
    text
}

/// The name of the user of the process at `slot`, from 1.
fn user_name(slot: u32) -> String {
    format!("server-{slot}")
}

/// The users that server processes may be, by their slots.
fn users(first_user: Option<u32>) -> Vec<(u32, u32)> {
    match first_user {
        Some(first) => (1..).zip(first..first + PROCESS_SLOTS).collect(),
        None => vec![(1, nix::unistd::Uid::effective().as_raw())],
    }
}

fn hosts(spec: &InstanceSpec) -> String {
    let instance = &spec.instance;
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {instance}\n")
}

/// The resolvers of `text` that are not on the machine itself, and nothing else of it.
fn resolv_conf(text: &str) -> String {
    let resolvers = text.lines().filter_map(|line| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        let is_elsewhere = address
            .parse()
            .is_ok_and(|address: IpAddr| !address.is_loopback());
        is_elsewhere.then(|| format!("nameserver {address}\n"))
    });
    resolvers.collect()
}

fn java_folders(etc: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(etc).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(JAVA))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_on_the_machine_itself_are_left_out() {
        let text = "# a comment\nnameserver 127.0.0.53\nnameserver\t10.1.2.3\nsearch example.org\n\
                    nameserver ::1\nnameserver fd00::53\noptions edns0\n";
        assert_eq!(
            resolv_conf(text),
            "nameserver 10.1.2.3\nnameserver fd00::53\n"
        );
    }

    #[test]
    fn every_user_of_the_instance_has_a_name() {
        let text = passwd(Some(2000));
        assert_eq!(text.lines().count(), 1 + PROCESS_SLOTS as usize);
        assert!(text.contains("\nserver-1:x:2000:2000::/local/home:/bin/sh\n"));
        assert!(text.contains("\nserver-64:x:2063:2063::"));
    }
}
