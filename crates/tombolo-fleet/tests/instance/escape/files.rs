//! Files: those of the host, of others, and too many of one's own.

use std::fs;
use std::path::Path;

use tombolo_fleet::{Event, Instance};

use super::said;
use crate::fixture::{BINARY, Fixture, until};

#[tokio::test]
async fn nothing_of_the_host_is_there_but_its_programs() {
    let fixture = Fixture::attempting(
        r#"
known = {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "local", "proc", "sbin", "sys",
         "tmp", "usr", ".own", ".log-folders"}
say("more in /:", sorted(set(os.listdir("/")) - known))
place = sys.argv[1]
for path in [place, place + "/instance/control.sock", place + "/build", "/etc/shadow", "/etc/ssh",
             "/etc/ssl/private", "/var/log", "/run/netns", "/root", "/home", "/sys/kernel",
             "/sys/class", "/dev/vda", "/dev/mem", "/proc/1/root", "/proc/1/cwd"]:
    if os.path.lexists(path):
        say("there is", path)
say("users:", {line.split(":")[0].rstrip("0123456789") for line in open("/etc/passwd")} == {"root", "server-"})
say("devices:", *sorted(set(os.listdir("/dev")) - {"fd", "stdin", "stdout", "stderr", "shm"}))
say("own folders' root:", tried(os.listdir, "/.own"))
files = ["/proc/" + name for name in ["cmdline", "diskstats", "modules", "partitions", "swaps"]]
say("told of the machine:", "".join(open(path).read() for path in files if os.path.exists(path)))
"#,
    );
    let (said, instance) = fixture.outcome().await;
    instance.kill().await.unwrap();
    let expected = [
        "more in /: []",
        "users: True",
        "devices: full null random tty urandom zero",
        "own folders' root: EACCES",
        "told of the machine: ",
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn nothing_can_be_written_but_folders_of_its_own() {
    let said = said(
        r#"
def overwrite(path):
    with open(path, "r+b", buffering=0) as file:
        file.write(b"-1000")

for folder in ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/sys", "/local", "/local/game"]:
    say(folder, tried(lambda: open(folder + "/x", "w")))
for path in ["/etc/passwd", "/usr/bin/env", "/local/game/server", "/proc/sys/kernel/core_pattern",
             "/proc/sysrq-trigger", "/proc/self/oom_score_adj"]:
    say(path, tried(overwrite, path))
for folder in ["/tmp", os.environ["HOME"], "/dev/shm"]:
    say(folder, tried(lambda: open(folder + "/x", "w")), oct(os.stat(folder).st_mode & 0o777))
"#,
    )
    .await;
    let (refused, own) = said.split_at(said.len() - 3);
    for line in refused {
        let (what, how) = line.rsplit_once(' ').unwrap();
        let is_trigger = what == "/proc/sysrq-trigger";
        // What covers it takes what is written, and does nothing.
        let is_refused = ["EROFS", "EACCES", "ENOENT", "EPERM"].contains(&how);
        assert!(is_refused || (is_trigger && how == "allowed"), "{line}");
    }
    assert_eq!(
        own,
        [
            "/tmp allowed 0o700",
            "/local/home allowed 0o700",
            "/dev/shm allowed 0o700"
        ]
    );
}

#[tokio::test]
async fn its_own_folders_are_bounded_together() {
    let fixture = Fixture::attempting(
        r#"
def fill(folder):
    written = 0
    try:
        with open(folder + "/big", "wb", buffering=0) as file:
            while True:
                written += file.write(bytes(65536))
    except OSError as error:
        return written, name(error.errno)

first, how = fill("/tmp")
say("filled", how, 3 << 20 < first <= 4 << 20)
say("home", *fill(os.environ["HOME"]))
os.remove("/tmp/big")
count = 0
try:
    while True:
        open("/tmp/%d" % count, "w").close()
        count += 1
except OSError as error:
    say("empty files", name(error.errno), count <= 1024)
"#,
    );
    let mut spec = fixture.spec();
    spec.sandbox.tmp_bytes = 4 << 20;
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let said = fixture.log_until("done").await;
    instance.kill().await.unwrap();
    assert_eq!(
        said,
        [
            "filled ENOSPC True",
            "home 0 ENOSPC",
            "empty files ENOSPC True"
        ]
    );
}

#[tokio::test]
async fn no_other_process_of_the_instance_sees_its_own_folders() {
    let mut fixture = Fixture::attempting(
        r#"
for folder in ["/tmp", os.environ["HOME"], "/dev/shm"]:
    open(folder + "/secret", "w").close()
"#,
    );
    fixture.attempt(
        "other",
        r#"
for folder in ["/tmp", os.environ["HOME"], "/dev/shm"]:
    say(folder, os.listdir(folder))
"#,
    );
    let (_, instance) = fixture.outcome().await;
    let log = fixture.log_of_until("other-2", "done").await;
    instance.kill().await.unwrap();
    assert_eq!(log, ["/tmp []", "/local/home []", "/dev/shm []"]);
}

#[tokio::test]
async fn a_restarted_process_finds_its_folders_empty() {
    let fixture = Fixture::attempting(
        r#"
say(os.listdir("/tmp"))
open("/tmp/x", "w").close()
order = open("/local/game/control").readline().strip()
if order == "end":
    sys.exit(1)
"#,
    );
    fixture.pipe();
    let instance = fixture.start().await;
    let mut events = instance.events(0).await.unwrap();
    let is_start = |event: &Event| matches!(event, Event::ProcessStarted { .. });
    until(&mut events, is_start).await;
    fixture.order("end").await;
    until(&mut events, is_start).await;
    fixture.order("stay").await;
    let said = fixture.log_until("done").await;
    instance.kill().await.unwrap();
    assert_eq!(said, ["[]", "[]"]);
}

#[tokio::test]
async fn devices_cannot_be_made() {
    let said = said(
        r#"
for kind in ["S_IFCHR", "S_IFBLK"]:
    say(kind, tried(os.mknod, "/tmp/" + kind, getattr(stat, kind) | 0o666, os.makedev(1, 3)))
say("pipe", tried(os.mkfifo, "/tmp/pipe"))
"#,
    )
    .await;
    assert_eq!(said, ["S_IFCHR EPERM", "S_IFBLK EPERM", "pipe allowed"]);
}

#[tokio::test]
async fn a_setuid_program_gives_nothing() {
    let fixture = Fixture::attempting(
        r#"
import subprocess
say(subprocess.run(["/local/game/id", "-u"], capture_output=True, text=True).stdout.strip() == str(os.getuid()))
"#,
    );
    fs::copy("/usr/bin/id", fixture.path("build/id")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
    fs::set_permissions(fixture.path("build/id"), mode).unwrap();
    let (said, instance) = fixture.outcome().await;
    instance.kill().await.unwrap();
    assert_eq!(said, ["True"]);
}
