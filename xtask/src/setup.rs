//! Installs what the tests need: Debian packages, and pinned packages from PyPI and npm under
//! `target/`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::command::{installed, run};
use crate::workspace;

/// The file in what was installed that says what it was made from.
const MARK: &str = "made-from";

/// A Debian package, and how to see that it is not needed any more.
struct Package {
    name: &'static str,
    is_there: fn() -> bool,
}

const PACKAGES: &[Package] = &[
    // The data path is compiled by the clang of Debian 12, so that its bytes can be compared.
    Package {
        name: "clang-14",
        is_there: || installed("clang-14"),
    },
    Package {
        name: "llvm-14",
        is_there: || installed("llvm-strip-14"),
    },
    Package {
        name: "libbpf-dev",
        is_there: || exists("/usr/include/bpf/bpf_helpers.h"),
    },
    // `ip` makes the bare veth that the peered pair is measured against.
    Package {
        name: "iproute2",
        is_there: || installed("ip"),
    },
    // A test takes entries out of the data path's maps, behind the server's back.
    Package {
        name: "bpftool",
        is_there: || exists("/usr/sbin/bpftool"),
    },
    // Self-signed certificates for the TLS tests.
    Package {
        name: "openssl",
        is_there: || installed("openssl"),
    },
    Package {
        name: "python3-venv",
        is_there: has_ensurepip,
    },
    // The database that a game keeps its world in.
    Package {
        name: "postgresql",
        is_there: || exists("/usr/lib/postgresql"),
    },
];

/// Games of other projects: their servers run as builds of fleets, packed by the scripts in
/// `examples/` that a user packs them with.
const GAMES: &[&str] = &["teeworlds", "luanti"];

/// What the measurements need beside.
const BENCH_PACKAGES: &[Package] = &[
    // The router that the data path is measured beside filters with it.
    Package {
        name: "nftables",
        is_there: || exists("/usr/sbin/nft"),
    },
];

/// Everything that `cargo xtask test` needs. Does nothing where it is there already.
///
/// # Errors
/// A package is missing and cannot be installed; the error says by which command it can.
pub(crate) fn for_tests() -> anyhow::Result<()> {
    packages(PACKAGES)?;
    python("venv", "requirements.txt")?;
    node()?;
    games()
}

/// What `cargo xtask bench` needs beside: nftables, and moto, in a virtual environment of its own, since its
/// dependencies would decide over those of the clients.
pub(crate) fn for_bench() -> anyhow::Result<()> {
    for_tests()?;
    packages(BENCH_PACKAGES)?;
    python("venv-bench", "requirements-bench.txt")
}

/// Whether this process may make namespaces, load eBPF programs and install packages.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn packages(needed: &[Package]) -> anyhow::Result<()> {
    let missing: Vec<&str> = needed
        .iter()
        .filter(|package| !(package.is_there)())
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!(
        "apt-get install --yes --no-install-recommends {}",
        missing.join(" ")
    );
    if !is_root() || !installed("apt-get") {
        bail!("these Debian packages are missing: run as root `{command}`");
    }
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    let mut words = command.split(' ');
    run(Command::new(words.next().unwrap_or_default())
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .with_context(|| format!("installing Debian packages by `{command}`"))
}

/// Makes the virtual environment `target/<venv>` from a file of pinned packages.
fn python(venv: &str, requirements: &str) -> anyhow::Result<()> {
    let wanted = fs::read_to_string(workspace::clients().join("python").join(requirements))?;
    let venv = workspace::target().join(venv);
    let file = workspace::clients().join("python").join(requirements);
    let file = file.to_string_lossy();
    unless_made_from(&wanted, &venv, || {
        python_with(&venv, &["--requirement", &file])
    })
}

/// Makes a virtual environment and has pip install `what` in it.
pub(crate) fn python_with(venv: &Path, what: &[&str]) -> anyhow::Result<()> {
    run(Command::new("python3").args(["-m", "venv"]).arg(venv))?;
    run(Command::new(venv.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet"])
        .arg("--disable-pip-version-check")
        .args(what))
}

/// Makes `target/node` from the committed lock. Node itself comes from PyPI, pinned like the rest:
/// Debian's is too old for the SDK.
fn node() -> anyhow::Result<()> {
    let source = workspace::clients().join("js");
    let lock = fs::read_to_string(source.join("package-lock.json"))?;
    let node = workspace::target().join("node");
    unless_made_from(&lock, &node, || {
        fs::create_dir_all(&node)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), node.join(file))?;
        }
        run(Command::new(workspace::target().join("venv/bin/npm"))
            .args([
                "ci",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--loglevel=error",
            ])
            .env("PATH", path_with(&workspace::target().join("venv/bin")))
            .current_dir(&node))
    })
}

/// Packs each of [`GAMES`] as `target/games/GAME/build`.
fn games() -> anyhow::Result<()> {
    let examples = workspace::root().join("examples");
    let mut is_listed = false;
    for game in GAMES {
        let pack = examples.join(game).join("pack.sh");
        let mut scripts = fs::read_to_string(examples.join("packages.sh"))?;
        texts_in(&examples.join(game), &mut scripts)?;
        let folder = workspace::target().join("games").join(game);
        unless_made_from(&scripts, &folder, || {
            // Without a list of packages apt knows none to download; one list does for all.
            if !is_listed {
                run(Command::new("apt-get").args(["update", "--quiet"]))?;
                is_listed = true;
            }
            run(Command::new("sh").arg(&pack).arg(folder.join("build")))
        })?;
    }
    Ok(())
}

/// Adds the texts of all files in `folder`, in the order of their names.
fn texts_in(folder: &Path, to: &mut String) -> anyhow::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            texts_in(&entry.path(), to)?;
        } else {
            to.push_str(&fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// Whether `folder` was made from `source`, to the end.
pub(crate) fn is_made_from(source: &str, folder: &Path) -> bool {
    fs::read_to_string(folder.join(MARK)).is_ok_and(|made_from| made_from == source)
}

/// Makes `folder` anew unless the last time it was made to the end it was made from `source`.
pub(crate) fn unless_made_from(
    source: &str,
    folder: &Path,
    make: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if is_made_from(source, folder) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    make().with_context(|| format!("making {}", folder.display()))?;
    let mark = folder.join(MARK);
    fs::write(&mark, source).with_context(|| format!("writing {}", mark.display()))
}

fn path_with(first: &Path) -> std::ffi::OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

fn has_ensurepip() -> bool {
    Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
