use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::unpack::unpack_within;
use super::*;

const LIMITS: BuildLimits = BuildLimits {
    entries: 10,
    bytes: 1 << 20,
    depth: 3,
    ratio_allowance: 1 << 16,
};

/// What a test packs.
#[derive(Debug, Clone)]
enum Packed {
    File(String, Vec<u8>),
    Directory(String),
    Link(String, String),
}

fn file(name: &str, text: &str) -> Packed {
    Packed::File(name.to_owned(), text.into())
}

fn link(name: &str, target: &str) -> Packed {
    Packed::Link(name.to_owned(), target.to_owned())
}

fn pack(entries: &[Packed]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for entry in entries {
        match entry {
            Packed::File(name, bytes) => {
                zip.start_file(name, options.unix_permissions(0o750))
                    .unwrap();
                zip.write_all(bytes).unwrap();
            }
            Packed::Directory(name) => zip.add_directory(name, options).unwrap(),
            Packed::Link(name, target) => zip.add_symlink(name, target, options).unwrap(),
        }
    }
    zip.finish().unwrap().into_inner()
}

/// Somewhere to unpack, in a directory that has nothing else.
struct UnpackDirectory {
    directory: tempfile::TempDir,
    into: PathBuf,
}

impl UnpackDirectory {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("data/builds/build-1");
        fs::create_dir_all(into.parent().unwrap()).unwrap();
        UnpackDirectory { directory, into }
    }

    fn unpack(&self, archive: &[u8], limits: BuildLimits) -> Result<ImportedBuild, ImportError> {
        let path = self.directory.path().join("archive");
        fs::write(&path, archive).unwrap();
        let unpacked = unpack_within(std::slice::from_ref(&path), &self.into, limits, &|| true);
        fs::remove_file(path).unwrap();
        unpacked
    }

    /// Whatever is there beside the build itself.
    fn strays(&self) -> Vec<PathBuf> {
        let beside = fs::read_dir(self.into.parent().unwrap()).unwrap();
        let above = fs::read_dir(self.directory.path()).unwrap();
        let all = beside.chain(above).map(|entry| entry.unwrap().path());
        all.filter(|path| *path != self.into && !path.ends_with("data"))
            .collect()
    }
}

/// Unpacks, expects the refusal, and that it left nothing.
fn refused(archive: &[u8]) -> String {
    let place = UnpackDirectory::new();
    let error = place.unpack(archive, LIMITS).unwrap_err();
    assert!(!error.is_ours(), "{error}");
    assert!(!place.into.exists(), "{error}");
    assert_eq!(place.strays(), Vec::<PathBuf>::new(), "{error}");
    error.to_string()
}

fn assert_refused(entries: &[Packed], message: &str) {
    let error = refused(&pack(entries));
    assert!(error.contains(message), "{error}\nnot: {message}");
}

#[test]
fn files_links_and_permissions_are_unpacked() {
    let place = UnpackDirectory::new();
    let archive = pack(&[
        file("bin/server", "#!/bin/sh\n"),
        Packed::Directory("empty/".to_owned()),
        link("bin/map", "../map"),
        file("map", "islands"),
        file("Map", "of another case"),
        file("./dot//slash", "x"),
        file("win\\dows", "y"),
    ]);
    let unpacked = place.unpack(&archive, LIMITS).unwrap();
    assert_eq!(
        unpacked,
        ImportedBuild {
            size_bytes: 34,
            files: 5
        }
    );
    let at = |path: &str| place.into.join(path);
    let mode = |path: &str| fs::metadata(at(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(fs::read_to_string(at("bin/map")).unwrap(), "islands");
    assert_eq!(fs::read_to_string(at("Map")).unwrap(), "of another case");
    assert_eq!(fs::read_to_string(at("dot/slash")).unwrap(), "x");
    assert_eq!(fs::read_to_string(at("win/dows")).unwrap(), "y");
    // Packed as 0750: the server processes are not the owner here.
    assert_eq!(
        (mode("bin/server"), mode("bin"), mode("")),
        (0o755, 0o755, 0o755)
    );
    assert!(at("empty").is_dir());
    assert_eq!(place.strays(), Vec::<PathBuf>::new());
}

#[test]
fn unpacking_tells_of_each_piece_and_stops_when_it_is_told_to() {
    let place = UnpackDirectory::new();
    let long = "x".repeat(1 << 20);
    let archive = place.directory.path().join("archive");
    fs::write(&archive, pack(&[file("a", &long), file("b", &long)])).unwrap();
    let unpack = |pieces: u32| {
        let asked = AtomicU32::new(0);
        let may_go_on = || asked.fetch_add(1, Ordering::Relaxed) < pieces;
        let archive = std::slice::from_ref(&archive);
        let limits = BuildLimits::default();
        let unpacked = unpack_within(archive, &place.into, limits, &may_go_on);
        (unpacked, asked.into_inner())
    };
    let (whole, asked) = unpack(u32::MAX);
    assert_eq!(whole.unwrap().files, 2);
    assert!(
        asked > 8,
        "a file of a MiB is told of in pieces, not only as one: {asked}"
    );
    fs::remove_dir_all(&place.into).unwrap();
    for pieces in [0, 1, asked - 1] {
        let stopped = unpack(pieces).0.unwrap_err();
        assert!(matches!(stopped, ImportError::Stopped), "{stopped}");
        assert!(!place.into.exists());
    }
}

#[test]
fn an_archive_of_several_parts_is_one() {
    let place = UnpackDirectory::new();
    let archive = pack(&[file("a", "one"), file("b", &"two".repeat(1000))]);
    let cut = archive.chunks(7).enumerate();
    let parts: Vec<PathBuf> = cut
        .map(|(at, bytes)| {
            let path = place.directory.path().join(at.to_string());
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let unpacked = unpack_within(&parts, &place.into, LIMITS, &|| true).unwrap();
    assert_eq!(unpacked.size_bytes, 3003);
    assert_eq!(
        fs::read_to_string(place.into.join("b")).unwrap().len(),
        3000
    );
}

#[test]
fn names_that_lead_out_are_refused() {
    for (name, reason) in [
        ("../evil", "has .. in it"),
        ("a/../../evil", "has .. in it"),
        ("a\\..\\..\\evil", "has .. in it"),
        ("/etc/evil", "is an absolute path"),
        ("\\evil", "is an absolute path"),
        ("C:\\evil", "starts with a drive letter"),
        ("c:evil", "starts with a drive letter"),
        ("ev\0il", "has a NUL byte in it"),
        (&"e".repeat(256), "has a part of more than 255 bytes"),
        (&"dir/".repeat(300), "has more than 1024 bytes"),
    ] {
        // The writer has scruples of its own; names of the same length take their place.
        let honest = "x".repeat(name.len());
        let archive = pack(&[file(&honest, "evil")]);
        let archive = replace(&archive, honest.as_bytes(), name.as_bytes());
        let error = refused(&archive);
        assert!(error.contains(reason), "{name:?}: {error}");
    }
}

#[test]
fn a_path_as_long_as_may_be_is_unpacked() {
    let longest = format!("{}last", "directory-of-16/".repeat(63)) + "-of-them-all";
    assert_eq!(longest.len(), 1024);
    let place = UnpackDirectory::new();
    let archive = pack(&[file(&longest, "here")]);
    place.unpack(&archive, BuildLimits::default()).unwrap();
    assert_eq!(fs::read(place.into.join(&longest)).unwrap(), b"here");
}

#[test]
fn what_the_kernel_refuses_of_a_name_is_the_archive_s_own() {
    let refused_by = |errno: nix::errno::Errno| ImportError::Io {
        doing: "making a file".to_owned(),
        source: errno.into(),
    };
    use nix::errno::Errno::*;
    for errno in [ENAMETOOLONG, EINVAL, EILSEQ, ELOOP] {
        assert!(!refused_by(errno).is_ours(), "{errno}");
    }
    for errno in [ENOSPC, EDQUOT, EIO, EMFILE, ENOTDIR, EROFS] {
        assert!(refused_by(errno).is_ours(), "{errno}");
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|w| w == from) {
        at += found;
        bytes[at..at + from.len()].copy_from_slice(to);
        at += from.len();
    }
    bytes
}

#[test]
fn links_that_leave_are_refused() {
    for target in ["/etc/passwd", "../x", "deep/../../x", "..", "../../x"] {
        assert_refused(&[link("link", target)], "the link \"link\" points to");
    }
    let long = "x/".repeat(3000);
    assert_refused(&[link("link", &long)], "is a link whose target is none");
    assert_refused(&[link("link", "")], "is a link whose target is none");
}

#[test]
fn nothing_is_written_by_way_of_a_link() {
    let twice = "the archive has \"link\" twice";
    assert_refused(
        &[file("a/b", ""), link("link", "a"), file("link/b", "evil")],
        twice,
    );
    let error = refused(&replace(
        &pack(&[link("link", "a"), file("knil", "evil")]),
        b"knil",
        b"link",
    ));
    assert_eq!(error, twice);
    assert_refused(
        &[file("link", ""), Packed::Directory("link/".into())],
        twice,
    );
}

#[test]
fn a_name_that_comes_twice_overwrites_nothing() {
    let archive = pack(&[file("aa", "first"), file("bb", "second")]);
    let error = refused(&replace(&archive, b"bb", b"aa"));
    assert_eq!(error, "the archive has \"aa\" twice");
    // Also by another spelling.
    assert_refused(
        &[file("a/b", "1"), file("a//b", "2")],
        "the archive has \"a/b\" twice",
    );
    assert_refused(
        &[file("a/b", "1"), file("a\\b", "2")],
        "the archive has \"a/b\" twice",
    );
}

#[test]
fn devices_and_pipes_are_refused_and_setuid_is_not_kept() {
    for (kind, word) in [
        (libc::S_IFCHR, "character device"),
        (libc::S_IFBLK, "block device"),
        (libc::S_IFIFO, "named pipe"),
        (libc::S_IFSOCK, "socket"),
    ] {
        let error = refused(&with_mode(kind | 0o644));
        assert!(
            error.contains(&format!("\"device\" is a {word}")),
            "{error}"
        );
    }
    let place = UnpackDirectory::new();
    place
        .unpack(&with_mode(libc::S_IFREG | 0o6755), LIMITS)
        .unwrap();
    let mode = fs::metadata(place.into.join("device"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o7777, 0o755);
}

/// An archive of one file that says to have `mode`.
fn with_mode(mode: u32) -> Vec<u8> {
    let mut archive = pack(&[file("device", "x")]);
    let header = central_header(&archive);
    archive[header + 40..header + 42].copy_from_slice(&(mode as u16).to_le_bytes());
    archive
}

/// Where the only central header starts (APPNOTE 4.3.12); its attributes end 42 bytes behind.
fn central_header(archive: &[u8]) -> usize {
    archive.windows(4).position(|w| w == b"PK\x01\x02").unwrap()
}

#[test]
fn bounds_hold_for_what_comes_out() {
    let noise: Vec<u8> = (0..1u32 << 18)
        .flat_map(|n| (n.wrapping_mul(0x9e37_79b9) >> 7).to_le_bytes())
        .collect();
    let large = [noise.as_slice(), &[1]].concat();
    assert_refused(
        &[Packed::File("big".into(), large)],
        "the build is larger than 1048576 bytes",
    );

    let many: Vec<_> = (0..11).map(|n| file(&n.to_string(), "")).collect();
    assert_refused(
        &many,
        "the build has more than 10 files, directories and links",
    );
    // Directories that are only implied count too.
    let many: Vec<_> = (0..6).map(|n| file(&format!("{n}/x"), "")).collect();
    assert_refused(
        &many,
        "the build has more than 10 files, directories and links",
    );

    assert_refused(
        &[file("1/2/3/4/x", "")],
        "\"1/2/3/4\" is nested deeper than 3",
    );
    assert_refused(&[], "the archive has no files");
    assert_refused(
        &[Packed::Directory("d/".into())],
        "the archive has no files",
    );
}

#[test]
fn a_bomb_is_told_by_what_comes_out_of_it() {
    let zeros = Packed::File("zeros".into(), vec![0; 1 << 20]);
    assert_refused(
        &[zeros],
        "\"zeros\" unpacks to more than 200 times its compressed size",
    );
    // A little of nothing is no bomb.
    let place = UnpackDirectory::new();
    let zeros = Packed::File("zeros".into(), vec![0; 1 << 16]);
    place.unpack(&pack(&[zeros]), LIMITS).unwrap();
    // Each for itself is none, all together are.
    let halves: Vec<_> = (0..9)
        .map(|n| Packed::File(n.to_string(), vec![0; 1 << 16]))
        .collect();
    assert_refused(&halves, "the archive unpacks to more than 200 times");
}

#[test]
fn a_header_that_lies_about_the_size_does_not_help() {
    let mut archive = pack(&[Packed::File("zeros".into(), vec![0; 1 << 20])]);
    let header = central_header(&archive);
    // The size that comes out, in both headers: 1 byte.
    for at in [22, header + 24] {
        archive[at..at + 4].copy_from_slice(&1u32.to_le_bytes());
    }
    let error = refused(&archive);
    assert!(
        error.contains("\"zeros\" is damaged") || error.contains("200 times"),
        "{error}"
    );
}

#[test]
fn what_is_encrypted_or_compressed_otherwise_is_refused() {
    let mut archive = pack(&[file("secret", "x")]);
    let header = central_header(&archive);
    // Bit 0 of the flags, in both headers.
    for at in [6, header + 8] {
        archive[at] |= 1;
    }
    let error = refused(&archive);
    assert!(error.contains("is encrypted"), "{error}");

    let mut archive = pack(&[file("odd", "x")]);
    let header = central_header(&archive);
    // bzip2 is method 12.
    for at in [8, header + 10] {
        archive[at] = 12;
    }
    let error = refused(&archive);
    assert!(
        error.contains("\"odd\" is compressed by") && error.contains("deflate"),
        "{error}"
    );
}

#[test]
fn what_is_no_archive_is_refused() {
    let whole = pack(&[file("server", &"x".repeat(1000)), file("b", "y")]);
    for bytes in [
        &b""[..],
        b"no zip file at all",
        &whole[..whole.len() / 2],
        &whole[1..],
    ] {
        let error = refused(bytes);
        assert!(error.contains("the archive cannot be read"), "{error}");
    }
    let mut flipped = pack(&[Packed::File("server".into(), (0..=255).collect())]);
    flipped[60] ^= 0x55;
    let error = refused(&flipped);
    assert!(
        error.contains("\"server\" is damaged in the archive"),
        "{error}"
    );
}

fn any_name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "..", ".", "", "l", "C:", "é"]);
    let separator = prop::sample::select(vec!["/", "\\", "//"]);
    prop::collection::vec((part, separator), 1..4)
        .prop_map(|parts| {
            parts
                .iter()
                .map(|(part, by)| format!("{part}{by}"))
                .collect::<String>()
        })
        .prop_map(|name| name.trim_end_matches(['/', '\\']).to_owned())
        .prop_filter("the writer wants a name", |name| !name.is_empty())
}

fn any_entry() -> impl Strategy<Value = Packed> {
    prop_oneof![
        (any_name(), prop::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(n, b)| Packed::File(n, b)),
        any_name().prop_map(|name| Packed::Directory(name + "/")),
        (any_name(), any_name())
            .prop_map(|(name, target)| Packed::Link(name, target.replace('\\', "/"))),
    ]
}

/// Packs what the writer takes.
fn pack_what_can_be(entries: &[Packed]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for entry in entries {
        let _ = match entry {
            Packed::File(name, bytes) => zip
                .start_file(name, options)
                .map(|()| zip.write_all(bytes).unwrap()),
            Packed::Directory(name) => zip.add_directory(name, options),
            Packed::Link(name, target) => zip.add_symlink(name, target, options),
        };
    }
    zip.finish().unwrap().into_inner()
}

fn assert_all_inside(root: &Path) {
    let whole = root.canonicalize().unwrap();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else if let Ok(leads_to) = entry.path().canonicalize() {
                assert!(leads_to.starts_with(&whole), "{leads_to:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Names and links of all kinds, one through the other: nothing is outside, and nothing leads
    /// there.
    #[test]
    fn no_archive_reaches_out(entries in prop::collection::vec(any_entry(), 1..6)) {
        let place = UnpackDirectory::new();
        match place.unpack(&pack_what_can_be(&entries), LIMITS) {
            Ok(_) => assert_all_inside(&place.into),
            Err(error) => assert!(!place.into.exists() && !error.is_ours(), "{error}"),
        }
        assert_eq!(place.strays(), Vec::<PathBuf>::new());
    }

    /// A good archive with bytes changed, cut or doubled: it is unpacked within the bounds or
    /// refused, without a panic and without leaving anything.
    #[test]
    fn a_damaged_archive_harms_nobody(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut archive = pack(&[
            file("bin/server", "#!/bin/sh\n"),
            link("bin/map", "../map"),
            Packed::File("map".into(), vec![7; 3000]),
        ]);
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        if cuts {
            archive.truncate(cut.index(archive.len()));
        }
        let place = UnpackDirectory::new();
        match place.unpack(&archive, LIMITS) {
            Ok(build) => {
                assert!(build.size_bytes <= LIMITS.bytes);
                assert_all_inside(&place.into);
            }
            Err(_) => assert!(!place.into.exists()),
        }
        assert_eq!(place.strays(), Vec::<PathBuf>::new());
    }
}
