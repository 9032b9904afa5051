use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::copy::import_within;
use super::*;

/// An empty directory to fill, and where to import it.
fn import_directories() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (root, into) = (
        directory.path().join("root"),
        directory.path().join("builds/build-1"),
    );
    fs::create_dir(&root).unwrap();
    (directory, root, into)
}

/// Imports, expects the refusal, and that it left nothing.
fn refused(root: &Path, into: &Path, limits: BuildLimits) -> String {
    let error = import_within(root, into, limits).unwrap_err().to_string();
    let left: Vec<_> = fs::read_dir(into.parent().unwrap()).unwrap().collect();
    assert!(left.is_empty(), "{error}: {left:?}");
    error
}

const LIMITS: BuildLimits = BuildLimits {
    entries: 10,
    bytes: 100,
    depth: 3,
    ratio_allowance: 50,
};

#[test]
fn files_links_and_permissions_are_copied() {
    let (_directory, root, into) = import_directories();
    fs::create_dir_all(root.join("bin/deep")).unwrap();
    fs::write(root.join("bin/server"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("bin/server"), Permissions::from_mode(0o4755)).unwrap();
    fs::write(root.join("map"), vec![7; 50]).unwrap();
    symlink("../../map", root.join("bin/deep/map")).unwrap();
    symlink("bin/./missing", root.join("dangling")).unwrap();
    fs::set_permissions(root.join("bin"), Permissions::from_mode(0o555)).unwrap();

    let imported = BuildFiles::import(&root, &into).unwrap();
    // Or it could not be emptied at the end, but by root.
    fs::set_permissions(root.join("bin"), Permissions::from_mode(0o755)).unwrap();

    assert_eq!(
        imported,
        ImportedBuild {
            size_bytes: 60,
            files: 2
        }
    );
    let mode = |path| fs::metadata(into.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin/server"), mode("bin")), (0o755, 0o755));
    assert_eq!(fs::read(into.join("bin/deep/map")).unwrap(), vec![7; 50]);
    assert_eq!(
        fs::read_link(into.join("dangling")).unwrap(),
        Path::new("bin/missing")
    );
    let error = BuildFiles::import(&root, &into).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    BuildFiles::remove(&into).unwrap();
    BuildFiles::remove(&into).unwrap();
    assert_eq!(fs::read_dir(into.parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn an_import_that_was_killed_is_no_obstacle() {
    let (_directory, root, into) = import_directories();
    let temporary = into.with_file_name(".importing-build-1");
    fs::create_dir_all(&temporary).unwrap();
    fs::write(temporary.join("half"), "ha").unwrap();
    fs::write(root.join("server"), "whole").unwrap();
    BuildFiles::import(&root, &into).unwrap();
    assert!(!into.join("half").exists() && !temporary.exists());
}

#[test]
fn links_that_leave_are_refused() {
    for target in [
        "/etc/passwd",
        "../x",
        "deep/../../x",
        "deep/../map",
        "../../x",
    ] {
        let (_directory, root, into) = import_directories();
        symlink(target, root.join("link")).unwrap();
        let error = refused(&root, &into, LIMITS);
        assert!(
            error.starts_with(&format!("the link \"link\" points to {target:?}")),
            "{error}"
        );
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Links through links, in whatever order: what is imported leads nowhere outside.
    #[test]
    fn no_accepted_link_leads_out(links in proptest::collection::vec(
        (0..3usize, proptest::collection::vec(0..8usize, 1..5)), 1..5,
    )) {
        let (_directory, root, into) = import_directories();
        fs::create_dir_all(root.join("a/b")).unwrap();
        for (at, (directory, target)) in links.iter().enumerate() {
            let parts = target.iter().map(|part| ["..", ".", "a", "b", "l0", "l1", "l2", "l3"][*part]);
            let link = root.join(["", "a", "a/b"][*directory]).join(format!("l{at}"));
            symlink(parts.collect::<PathBuf>(), link).unwrap();
        }
        if BuildFiles::import(&root, &into).is_ok() {
            let whole = into.canonicalize().unwrap();
            for (at, (directory, _)) in links.iter().enumerate() {
                let link = into.join(["", "a", "a/b"][*directory]).join(format!("l{at}"));
                if let Ok(leads_to) = link.canonicalize() {
                    assert!(leads_to.starts_with(&whole), "{leads_to:?}");
                }
            }
        }
    }
}

#[test]
fn sockets_and_pipes_are_refused() {
    let (_directory, root, into) = import_directories();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    assert!(refused(&root, &into, LIMITS).contains("\"socket\" is a socket"));

    let (_directory, root, into) = import_directories();
    nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refused(&root, &into, LIMITS).contains("\"pipe\" is a named pipe"));
}

#[test]
fn bounds_hold() {
    let (_directory, root, into) = import_directories();
    fs::write(root.join("big"), vec![0; 101]).unwrap();
    assert_eq!(
        refused(&root, &into, LIMITS),
        "the build is larger than 100 bytes"
    );

    let (_directory, root, into) = import_directories();
    (0..11).for_each(|n| fs::write(root.join(n.to_string()), "").unwrap());
    let error = refused(&root, &into, LIMITS);
    assert_eq!(
        error,
        "the build has more than 10 files, directories and links"
    );

    let (_directory, root, into) = import_directories();
    fs::create_dir_all(root.join("1/2/3/4")).unwrap();
    let error = refused(&root, &into, LIMITS);
    assert_eq!(error, "\"1/2/3/4\" is nested deeper than 3 directories");
}

#[test]
fn what_is_no_directory_is_refused() {
    let (_directory, root, into) = import_directories();
    let error = BuildFiles::import(&root.join("missing"), &into)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("name the directory that holds the build's files"),
        "{error}"
    );
}

/// It makes a device, which only root may.
mod kernel_tests {
    use super::*;

    #[test]
    fn devices_are_refused() {
        let (_directory, root, into) = import_directories();
        let kind = nix::sys::stat::SFlag::S_IFCHR;
        let null = nix::sys::stat::makedev(1, 3);
        let mode = nix::sys::stat::Mode::S_IRUSR;
        nix::sys::stat::mknod(&root.join("null"), kind, mode, null)
            .expect("making a device takes root: run `cargo xtask test` as root");
        assert!(refused(&root, &into, LIMITS).contains("\"null\" is a character device"));
    }
}
