//! What a server process sees of the world.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tombolo_fleet::{Event, Instance, StartError, Work};

use crate::fixture::{BINARY, FIRST_USER, Fixture, next, until};

/// What the script `body` writes as a server.
async fn seen_by(body: &str) -> Vec<String> {
    let fixture = Fixture::with_server(&format!("{body}\necho done\nexec sleep 1000"));
    let (instance, _events) = fixture.start_healthy().await;
    let seen = fixture.log_until("done").await;
    instance.kill().await.unwrap();
    seen
}

#[tokio::test]
async fn the_build_is_at_local_game_and_cannot_be_changed() {
    let seen = seen_by("ls /local/game; touch /local/game/x 2>&1; touch /x 2>&1").await;
    assert_eq!(seen[0], "server");
    assert!(seen[1].contains("Read-only file system"), "{seen:?}");
    assert!(seen[2].contains("Read-only file system"), "{seen:?}");
}

#[tokio::test]
async fn a_server_process_cannot_end_its_instance() {
    let seen = seen_by("kill -TERM 1 2>/dev/null; echo alive").await;
    assert_eq!(seen, ["alive"]);
}

#[tokio::test]
async fn the_environment_is_small_and_the_home_is_writable() {
    let seen = seen_by("env -u PWD | sort; touch $HOME/save && ls -A $HOME").await;
    let expected = [
        "HOME=/local/home",
        "LANG=C.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "save",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn processes_shared_memory_and_the_host_name_are_the_instances_own() {
    let seen = seen_by("ls -d /proc/[0-9]* | wc -l; ls -A /dev/shm | wc -l; uname -n").await;
    // The shell, and the `ls` whose list this is (with `wc`, if it is up); not the supervisor.
    assert!(["2", "3"].contains(&seen[0].trim()), "{seen:?}");
    assert_eq!(seen[1..], ["0", "i-0a1b2c3d4e5f60718"]);
}

#[tokio::test]
async fn without_a_network_there_is_a_loopback_interface_that_works() {
    let seen = seen_by("tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/net/fib_trie").await;
    assert_eq!(seen[0].trim(), "lo");
    assert!(
        seen.iter().any(|line| line.contains("127.0.0.1")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn nothing_but_the_standard_streams_is_open() {
    let mut fixture = Fixture::new();
    fs::copy("/bin/ls", fixture.path("build/ls")).unwrap();
    fixture.run("/local/game/ls", "/proc/self/fd", 1);
    // What a careless shell leaves open in everything that it starts.
    let null = fs::File::open("/dev/null").unwrap();
    let inherited = nix::unistd::dup(&null).unwrap();
    let instance = fixture.start_to_exit().await;
    drop(inherited);
    let mut events = instance.events(0).await.unwrap();
    let seen = until(&mut events, |event| matches!(event, Event::ExitedAtOnce(_))).await;
    let Some(Event::ExitedAtOnce(ended)) = seen.last().map(|last| &last.event) else {
        panic!("{seen:?}");
    };
    // 3 is the directory that is listed.
    assert_eq!(ended.last_lines, ["0", "1", "2", "3"]);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn the_network_namespace_that_was_named_is_entered() {
    let other = Fixture::with_server("readlink /proc/self/ns/net; echo done; exec sleep 1000");
    let (other_instance, _events) = other.start_healthy().await;
    let fixture = Fixture::with_server("readlink /proc/self/ns/net; echo done; exec sleep 1000");
    let mut spec = fixture.spec();
    let network = format!("/proc/{}/ns/net", other_instance.incarnation().pid);
    spec.network_namespace = Some(network.into());
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    until(&mut instance.events(0).await.unwrap(), |event| {
        *event == Event::Running
    })
    .await;
    let entered = fixture.log_until("done").await;
    assert_eq!(entered, other.log_until("done").await);
    let host = fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(entered, [host.to_str().unwrap()]);
    instance.kill().await.unwrap();
    other_instance.kill().await.unwrap();
}

#[tokio::test]
async fn names_of_the_hosts_network_namespaces_are_not_held() {
    let fixture =
        Fixture::with_server("grep -c ' - nsfs ' /proc/self/mountinfo; echo done; exec sleep 1000");
    let name = fixture.path("tmb-net");
    fs::write(&name, "").unwrap();
    let _mounted = Mounted::bind(Path::new("/proc/self/ns/net"), &name);
    let (instance, _events) = fixture.start_healthy().await;
    assert_eq!(fixture.log_until("done").await, ["0"]);
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn the_view_does_not_contain_itself() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let (instance, _events) = fixture.start_healthy().await;
    let mounts = format!("/proc/{}/mountinfo", instance.incarnation().pid);
    let mounts = fs::read_to_string(mounts).unwrap();
    let place = fixture.path("").display().to_string();
    let within: Vec<_> = mounts
        .lines()
        .filter(|line| {
            line.split(' ')
                .nth(4)
                .unwrap()
                .contains(place.trim_end_matches('/'))
        })
        .collect();
    assert_eq!(within, Vec::<&str>::new());
    instance.kill().await.unwrap();
}

/// A bind mount that is taken away again.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn bind(what: &Path, at: &'a Path) -> Self {
        mount(Some(what), at, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Mounted(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[tokio::test]
async fn without_root_a_user_namespace_does() {
    const NOBODY: u32 = 65534;
    let fixture =
        Fixture::with_server("id -u; ls /local/game; touch $HOME/x; echo done; exec sleep 1000");
    // A program that becomes nobody and then the supervisor, which is copied to where nobody may go.
    let program = fixture.path("supervisor");
    fs::copy(BINARY, &program).unwrap();
    let wrapper = fixture.path("as-nobody");
    let setpriv = format!(
        "#!/bin/sh\nexec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {} \"$@\"\n",
        program.display()
    );
    fs::write(&wrapper, setpriv).unwrap();
    for directory in ["", "instance", "logs"] {
        let directory = fixture.path(directory);
        fs::create_dir_all(&directory).unwrap();
        chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    // What the control plane writes as nobody belongs to nobody.
    let mut spec = fixture.spec();
    spec.sandbox.first_user = None;
    let spec_path = fixture.path("instance/spec.json");
    fs::write(&spec_path, serde_json::to_vec(&spec).unwrap()).unwrap();
    chown(&spec_path, Some(NOBODY), Some(NOBODY)).unwrap();

    let arguments = ["instance-supervisor", spec_path.to_str().unwrap()];
    let output = tokio::process::Command::new(&wrapper)
        .args(arguments)
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let instance = fixture.attach().await.expect("it runs");
    let mut events = instance.events(0).await.unwrap();
    let started = next(&mut events).await.event;
    assert!(
        matches!(started, Event::ProcessStarted { .. }),
        "{started:?}"
    );
    until(&mut events, |event| *event == Event::Running).await;
    assert_eq!(fixture.log_until("done").await, ["65534", "server"]);
    instance.kill().await.unwrap();
    fixture.assert_nothing_is_left();
}

#[tokio::test]
async fn a_log_path_is_an_empty_folder_of_the_process_also_where_the_build_has_none() {
    let fixture = Fixture::with_server(
        "ls -A /local/game/logs /local/game/deep/er /tmp/old; \
         for folder in /local/game/logs /local/game/deep/er /tmp/old; do touch $folder/x; done; \
         touch /local/game/file/x 2>&1; cat /local/game/file; touch /local/game/y 2>&1; \
         echo done; exec sleep 1000",
    );
    fixture.file("logs/shipped", "", 0o644);
    fixture.file("file", "the build's\n", 0o644);
    let mut spec = fixture.spec();
    spec.log_paths = [
        "/local/game/logs",
        "/local/game/deep/er",
        "/local/game/file",
        "/tmp/old/",
        "/etc",
        "/usr/logs",
    ]
    .map(str::to_owned)
    .into();
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let seen = fixture.log_until("done").await;
    instance.kill().await.unwrap();
    assert_eq!(
        seen[..5],
        [
            "/local/game/deep/er:",
            "",
            "/local/game/logs:",
            "",
            "/tmp/old:"
        ]
    );
    assert!(seen[5].contains("Not a directory"), "{seen:?}");
    assert_eq!(seen[6], "the build's");
    assert!(seen[7].contains("Read-only file system"), "{seen:?}");
    // Nothing of it went into the build.
    let logs = fs::read_dir(fixture.path("build/logs")).unwrap();
    assert_eq!(logs.count(), 1);
    assert!(!fixture.path("build/deep").exists());
}

#[tokio::test]
async fn what_was_installed_lies_over_the_build() {
    let fixture = Fixture::with_server(
        "cat /local/game/config /local/game/new; touch /local/game/config 2>&1; \
         echo done; exec sleep 1000",
    );
    fixture.file("config", "shipped\n", 0o644);
    let installed = fixture.path("installed");
    fs::create_dir(&installed).unwrap();
    fs::write(installed.join("config"), "installed\n").unwrap();
    fs::write(installed.join("new"), "new\n").unwrap();
    let mut spec = fixture.spec();
    spec.installed = Some(installed);
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let seen = fixture.log_until("done").await;
    instance.kill().await.unwrap();
    assert_eq!(seen[..2], ["installed", "new"]);
    assert!(seen[2].contains("Read-only file system"), "{seen:?}");
}

/// Without a process that runs it: what another user's program does in the instance's view.
#[tokio::test]
async fn while_a_build_is_installed_its_files_are_the_users_and_those_on_the_disk_stay() {
    let fixture = Fixture::new();
    fixture.file("bin/tool", "#!/bin/sh\necho tool\n", 0o644);
    fixture.file("old", "", 0o600);
    let mut spec = fixture.spec();
    spec.work = Work::Install {
        into: fixture.path("installed"),
    };
    spec.sandbox.install_bytes = 1 << 20;
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let script = "cd /local/game && chmod 755 bin/tool && bin/tool && echo more >> bin/tool && \
                  cat old && rm old && echo new > new && mkdir folder && \
                  { head -c 2000000 /dev/zero > big; } 2>&1 | grep -c 'No space'; \
                  ls /.install/upper 2>&1 | grep -c denied";
    let output = tokio::process::Command::new("nsenter")
        .arg(format!(
            "--mount=/proc/{}/ns/mnt",
            instance.incarnation().pid
        ))
        .args(["setpriv", &format!("--reuid={FIRST_USER}")])
        .args([&format!("--regid={FIRST_USER}"), "--clear-groups"])
        .args(["sh", "-c", script])
        .output()
        .await
        .unwrap();
    instance.kill().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "tool\n1\n1\n", "{output:?}");
    let on_disk = fixture.path("build/bin/tool");
    assert_eq!(
        fs::read_to_string(&on_disk).unwrap(),
        "#!/bin/sh\necho tool\n"
    );
    assert_eq!(
        on_disk.metadata().unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert!(fixture.path("build/old").exists());
}

#[tokio::test]
async fn a_root_file_system_takes_the_place_of_the_hosts() {
    let fixture = Fixture::with_server(
        "echo /usr/bin/* /bin/*; cat /usr/name; echo done; while :; do :; done",
    );
    let root = fixture.path("root");
    for (program, name) in [("/bin/sh", "bin/sh"), ("/bin/cat", "bin/cat")] {
        let libraries = std::process::Command::new("ldd")
            .arg(program)
            .output()
            .unwrap();
        let libraries = String::from_utf8(libraries.stdout).unwrap();
        let libraries = libraries
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        for file in [(program, name)]
            .into_iter()
            .chain(libraries.map(|path| (path, &path[1..])))
        {
            let to = root.join(file.1);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file.0, to).unwrap();
        }
    }
    fs::create_dir_all(root.join("usr")).unwrap();
    fs::write(root.join("usr/name"), "another\n").unwrap();
    let mut spec = fixture.spec();
    spec.sandbox.root = Some(root);
    let instance = Instance::start(Path::new(BINARY), &spec).await.unwrap();
    let seen = fixture.log_until("done").await;
    instance.kill().await.unwrap();
    assert_eq!(seen, ["/usr/bin/* /bin/cat /bin/sh", "another"]);
}

#[tokio::test]
async fn data_in_what_server_processes_see_is_refused() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let mut spec = fixture.spec();
    spec.hidden = vec!["/usr/local/tombolo".into()];
    let error = Instance::start(Path::new(BINARY), &spec).await.unwrap_err();
    let StartError::Spec(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("lies in \"/usr\""), "{error}");
}

#[tokio::test]
async fn root_runs_no_server_process_as_itself() {
    let fixture = Fixture::with_server("exec sleep 1000");
    let mut spec = fixture.spec();
    spec.sandbox.first_user = None;
    let error = Instance::start(Path::new(BINARY), &spec).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("starting server processes as root"),
        "{error}"
    );
}
