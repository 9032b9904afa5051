//! `tombolo doctor`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;
use nix::sys::utsname::uname;
use nix::unistd::geteuid;
use serde::Serialize;
use tokio::time::timeout;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{ListExcesses, ListMisplacedInstances, ListTasks, MisplacedInstance};
use tombolo_fleet::SandboxSupport;
use tombolo_network::{EngineKind, ebpf};

use crate::cli::{DoctorArguments, NetworkChoice};
use crate::report::Hinted;
use crate::{output, server};

/// The free space that a server should start with, in bytes.
const MIN_FREE_DISK: u64 = 1 << 30;

/// What is found of a running server's background work.
const TASKS: &str = "tasks";
/// What is found of the instances in a running server's data directory, if it is anything bad.
const INSTANCES: &str = "instances";
/// How long a running server may take to tell.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The server that has what a user lacks.
const AS_ROOT: &str = "sudo tombolo dev";

/// Shows whether the kernel was built with what the data path needs. To root that is refused
/// something, the finding itself says what.
const KERNEL_OPTIONS: &str = "grep -E '^CONFIG_(BPF_SYSCALL|NET_CLS_ACT|NET_CLS_BPF|NET_NS|VETH)=' \
     /boot/config-$(uname -r)   (each must be y or m; a container needs --privileged)";

/// A kernel as distributions build it.
const NEWER_KERNEL: &str = "sudo apt-get install linux-image-amd64 && sudo reboot";

/// What was found out about one thing.
#[derive(Serialize)]
struct Finding {
    /// The thing.
    what: &'static str,
    /// Whether it is as it should be.
    ok: bool,
    /// What was seen.
    seen: String,
    /// The one command that fixes it, or shows what has to be fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// Everything that was found out.
#[derive(Serialize)]
struct Diagnosis {
    /// The engine that `--network auto` takes here.
    network: EngineKind,
    /// Each thing.
    findings: Vec<Finding>,
}

/// Shows what the machine can do, and how the server is that runs on the directory. The exit code
/// is 0 when packets can flow, fleets can run, and no background work is in trouble.
pub(super) async fn run(arguments: &DoctorArguments) -> Result<ExitCode> {
    let sandbox = SandboxSupport::of_this_machine();
    let mut diagnosis = Diagnosis {
        network: server::choose(NetworkChoice::Auto)?.kind,
        findings: vec![
            kernel()?,
            root(),
            data_path(),
            namespaces()?,
            system_calls(&sandbox),
            landlock(&sandbox),
            overlay(&sandbox),
            limits(&sandbox),
            disk(&arguments.dir)?,
        ],
    };
    diagnosis.findings.extend(tasks(&arguments.dir).await);
    diagnosis.findings.extend(misplaced(&arguments.dir).await);
    diagnosis.findings.extend(excesses(&arguments.dir).await);
    let well = diagnosis.findings.iter().all(|finding| finding.ok);
    if arguments.format.json {
        output::json(&diagnosis)?;
    } else {
        show(&diagnosis)?;
    }
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(diagnosis: &Diagnosis) -> Result<()> {
    for finding in &diagnosis.findings {
        let state = match finding.ok {
            true => "ok",
            false if [TASKS, INSTANCES].contains(&finding.what) => "FAILING",
            false => "MISSING",
        };
        output::line(format!("{state:<8} {:<11} {}", finding.what, finding.seen))?;
        if let Some(mend) = &finding.mend {
            output::line(format!("{:<20} mend it: {mend}", ""))?;
        }
    }
    output::line("")?;
    output::line(match diagnosis.network {
        EngineKind::Ebpf => "--network auto takes ebpf here: packets flow.",
        EngineKind::Simulated => {
            "--network auto takes simulated here: APIs and states only, NO packets flow."
        }
    })
}

fn kernel() -> Result<Finding> {
    let release = uname().context("asking for the kernel's version")?;
    let release = release.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0_u32));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (major, minor) = ebpf::MINIMUM_KERNEL;
    let ok = version >= (major.into(), minor.into());
    Ok(Finding {
        what: "kernel",
        ok,
        seen: format!("Linux {release}, {major}.{minor} or later is needed"),
        mend: (!ok).then(|| NEWER_KERNEL.to_owned()),
    })
}

fn root() -> Finding {
    let ok = geteuid().is_root();
    Finding {
        what: "root",
        ok,
        seen: if ok {
            "this is root".to_owned()
        } else {
            format!("this is user {}", geteuid())
        },
        mend: (!ok).then(|| AS_ROOT.to_owned()),
    }
}

fn data_path() -> Finding {
    match ebpf::preflight() {
        Ok(()) => Finding {
            what: "data path",
            ok: true,
            seen: "the BPF program loads and attaches".to_owned(),
            mend: None,
        },
        Err(error) => Finding {
            what: "data path",
            ok: false,
            seen: error.to_string(),
            mend: Some(if geteuid().is_root() {
                KERNEL_OPTIONS.to_owned()
            } else {
                AS_ROOT.to_owned()
            }),
        },
    }
}

/// Instances need namespaces; without root they start in a user namespace.
fn namespaces() -> Result<Finding> {
    let kinds = ["net", "mnt", "pid", "ipc", "uts"];
    let missing: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| !Path::new("/proc/self/ns").join(kind).exists())
        .collect();
    if !missing.is_empty() {
        return Ok(Finding {
            what: "namespaces",
            ok: false,
            seen: format!("the kernel has no {} namespaces", missing.join(", ")),
            mend: Some(NEWER_KERNEL.to_owned()),
        });
    }
    if geteuid().is_root() {
        let seen = "server processes run in namespaces of their own".to_owned();
        return Ok(Finding {
            what: "namespaces",
            ok: true,
            seen,
            mend: None,
        });
    }
    let forbidding = [
        "kernel.unprivileged_userns_clone=1",
        "user.max_user_namespaces=15000",
    ]
    .into_iter()
    .find(|setting| {
        let (name, _) = setting.split_once('=').unwrap_or((setting, ""));
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::read_to_string(path).is_ok_and(|value| value.trim() == "0")
    });
    Ok(Finding {
        what: "namespaces",
        ok: forbidding.is_none(),
        seen: match forbidding {
            None => "user namespaces are allowed".to_owned(),
            Some(_) => "user namespaces are forbidden, so fleets need root".to_owned(),
        },
        mend: forbidding.map(|setting| format!("sudo sysctl -w {setting}")),
    })
}

fn system_calls(sandbox: &SandboxSupport) -> Finding {
    let ok = sandbox.seccomp;
    Finding {
        what: "seccomp",
        ok,
        seen: match ok {
            true => "system calls of server processes are filtered",
            false => "the kernel cannot filter system calls, so fleets cannot run",
        }
        .to_owned(),
        mend: (!ok).then(|| NEWER_KERNEL.to_owned()),
    }
}

/// A second wall: without it fleets run all the same.
fn landlock(sandbox: &SandboxSupport) -> Finding {
    Finding {
        what: "landlock",
        ok: true,
        seen: match sandbox.landlock {
            Some(version) => format!("version {version} restricts server processes"),
            None => "not there; server processes are without this second wall".to_owned(),
        },
        mend: None,
    }
}

fn overlay(sandbox: &SandboxSupport) -> Finding {
    let ok = sandbox.overlay;
    Finding {
        what: "overlay",
        ok,
        seen: match ok {
            true => "builds can have an install.sh, and log folders that they do not bring",
            false => "the kernel has no overlay file system for install.sh and log folders",
        }
        .to_owned(),
        mend: (!ok).then(|| NEWER_KERNEL.to_owned()),
    }
}

fn limits(sandbox: &SandboxSupport) -> Finding {
    let all = [
        ("memory", sandbox.memory),
        ("processes", sandbox.processes),
        ("CPU time", sandbox.cpu),
    ];
    let told = |(what, version): (&str, Option<u8>)| match version {
        Some(version) => format!("{what} by cgroup v{version}"),
        None => format!("{what} by nothing"),
    };
    let is_missing = all.iter().any(|(_, version)| version.is_none());
    let is_root = geteuid().is_root();
    let ok = is_root && !is_missing;
    Finding {
        what: "limits",
        ok,
        seen: match is_root {
            true => all.map(told).join(", "),
            false => "limiting what instances use takes root".to_owned(),
        },
        mend: (!ok).then(|| match is_root {
            true => "sudo mount -t cgroup2 none /sys/fs/cgroup   (a container needs --privileged; \
                     in [sandbox] of the configuration \"none\" asks for no limit)"
                .to_owned(),
            false => AS_ROOT.to_owned(),
        }),
    }
}

/// How the background work of the server is that runs on the directory; nothing if none does.
async fn tasks(directory: &Path) -> Option<Finding> {
    let server = AdminClient::new(directory);
    let mend = format!(
        "tombolo status --dir {}   (the server's log says more)",
        directory.display()
    );
    let failing = |seen, mend| {
        Some(Finding {
            what: TASKS,
            ok: false,
            seen,
            mend: Some(mend),
        })
    };
    // Whatever else the socket says is of a server, which must not pass for none.
    if let Ok(false) = server.is_served().await {
        return None;
    }
    let Ok(answer) = timeout(ANSWER_TIMEOUT, server.send(&ListTasks {})).await else {
        let seen = format!("the running server did not answer within {ANSWER_TIMEOUT:?}");
        return failing(seen, mend);
    };
    let reading = match answer {
        Ok(reading) => reading,
        Err(error) => {
            let hint = error.downcast_ref::<Hinted>().map(|one| one.hint.clone());
            return failing(format!("{error:#}"), hint.unwrap_or(mend));
        }
    };
    let troubles: Vec<String> = reading
        .tasks
        .iter()
        .filter_map(|task| Some(format!("{} {}", task.name, task.trouble.as_ref()?)))
        .collect();
    let ok = troubles.is_empty();
    Some(Finding {
        what: TASKS,
        ok,
        seen: match ok {
            true => format!("all {} of the running server are well", reading.tasks.len()),
            false => troubles.join("; "),
        },
        mend: (!ok).then_some(mend),
    })
}

/// The instances in the directory of a running server that are recorded as another host's; nothing if
/// there are none. A server that cannot be asked is what [`tasks`] tells.
async fn misplaced(directory: &Path) -> Option<Finding> {
    let server = AdminClient::new(directory);
    let asked = timeout(ANSWER_TIMEOUT, server.send(&ListMisplacedInstances {}));
    let found = asked.await.ok()?.ok()?;
    misplaced_in(directory, &found)
}

fn misplaced_in(directory: &Path, found: &[MisplacedInstance]) -> Option<Finding> {
    let first = found.first()?;
    let directory = directory.display();
    let named: Vec<String> = found
        .iter()
        .map(|one| {
            let label = one.label.iter().filter(|label| !label.is_empty());
            let label: String = label.map(|label| format!(" ({label})")).collect();
            format!("{} of host {}{label}", one.instance, one.host)
        })
        .collect();
    Some(Finding {
        what: INSTANCES,
        ok: false,
        seen: format!(
            "in {directory}, recorded as another host's, and left as they are: {}",
            named.join(", ")
        ),
        mend: Some(format!(
            "cat {directory}/host-id   (if this machine is that host, stop the server and put the \
             host-id with {host} back; if it is not, end the process in \
             {directory}/instances/{instance}/supervisor.json and remove that folder)",
            host = first.host,
            instance = first.instance
        )),
    })
}

/// What the accounts of the server that runs on the directory have more of than their quotas say. Nothing
/// is wrong with it: it is kept, and no more is made.
async fn excesses(directory: &Path) -> Option<Finding> {
    let server = AdminClient::new(directory);
    let excesses = timeout(ANSWER_TIMEOUT, server.send(&ListExcesses {})).await;
    // A server that cannot be asked is told already.
    let excesses = excesses.ok()?.ok()?;
    if excesses.is_empty() {
        return None;
    }
    let told: Vec<String> = excesses.iter().map(ToString::to_string).collect();
    Some(Finding {
        what: "quotas",
        ok: true,
        seen: format!(
            "{}; all of it is kept, and no more is made",
            told.join("; ")
        ),
        mend: None,
    })
}

fn disk(directory: &Path) -> Result<Finding> {
    // A data directory that is yet to be made is on the disk of the first parent that is there.
    let existing = directory
        .ancestors()
        .find(|one| one.exists())
        .unwrap_or(Path::new("/"));
    let space = statvfs(existing)
        .with_context(|| format!("asking for the free space of {}", existing.display()))?;
    let free = space.blocks_available() as u64 * space.fragment_size() as u64;
    let ok = free >= MIN_FREE_DISK;
    Ok(Finding {
        what: "disk",
        ok,
        seen: format!("{:.1} GB free in {}", free as f64 / 1e9, existing.display()),
        mend: (!ok).then(|| "use another disk: tombolo dev --dir DIR".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_is_another_hosts_is_named_with_what_to_do() {
        let directory = Path::new("/var/lib/tombolo");
        assert!(misplaced_in(directory, &[]).is_none());
        let host = "host-2222bbbb-33cc-44dd-95ee-6666ffff77aa";
        let found = [MisplacedInstance {
            instance: "i-0a1b2c3d4e5f60718".parse().unwrap(),
            host: host.parse().unwrap(),
            label: Some("pc".to_owned()),
        }];
        let finding = misplaced_in(directory, &found).unwrap();
        assert!(!finding.ok);
        let named = format!("i-0a1b2c3d4e5f60718 of host {host} (pc)");
        assert!(finding.seen.ends_with(&named), "{}", finding.seen);
        let mend = finding.mend.unwrap();
        assert!(mend.starts_with("cat /var/lib/tombolo/host-id "), "{mend}");
        assert!(mend.contains(host), "{mend}");
        assert!(
            mend.contains("/var/lib/tombolo/instances/i-0a1b2c3d4e5f60718/"),
            "{mend}"
        );
    }
}
