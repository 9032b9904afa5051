//! Programs inside a VPC, by `tombolo run`: none outlives its network interface.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;
use tempfile::TempDir;
use tombolo_tests::aws::Client;
use tombolo_tests::dev::Dev;
use tombolo_tests::leftovers::processes_with;
use tombolo_tests::metrics::Packets;
use tombolo_tests::program::Program;
use tombolo_tests::server::Server;
use tombolo_tests::serving::Serving;
use tombolo_tests::{scenario, tools, wait};

const ADDRESS: &str = "10.60.0.10";

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let server = Dev::start();
    let vpc = scenario::vpc_with_subnet(&server.backend(), "10.60.0.0/24");
    let daemon = Daemon::new();
    let run = ["run", "--account", "backend", "--vpc", &vpc, "--"];
    let mut command = server.command(&run);
    let ended = command.args(daemon.left_by("exit 3")).output().unwrap();
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!(daemon.processes(), Vec::<u32>::new());
    until_no_interface(&server.backend());
}

#[test]
fn what_a_command_leaves_behind_ends_when_tombolo_run_is_killed() {
    let server = Dev::start();
    let vpc = scenario::vpc_with_subnet(&server.backend(), "10.60.0.0/24");
    let daemon = Daemon::new();
    let mut program = daemon.run(&server, &vpc);
    program.signal(Signal::SIGKILL);
    program.until_it_ends();
    wait::until("no process", || daemon.processes().is_empty().then_some(()));
    until_no_interface(&server.backend());
}

/// Kills the server and `tombolo run`, so that nobody is there to end what the program has started.
fn orphan(daemon: &Daemon, program: &mut Program, server: &mut Dev) {
    server.kill();
    program.signal(Signal::SIGKILL);
    program.until_it_ends();
    assert_ne!(
        daemon.processes(),
        Vec::<u32>::new(),
        "the test is too easy"
    );
}

#[test]
fn a_server_that_comes_back_ends_what_was_left_meanwhile() {
    let mut server = Dev::start();
    let vpc = scenario::vpc_with_subnet(&server.backend(), "10.60.0.0/24");
    let daemon = Daemon::new();
    let mut program = daemon.run(&server, &vpc);
    orphan(&daemon, &mut program, &mut server);
    server.restart();
    wait::until("no process", || daemon.processes().is_empty().then_some(()));
    until_no_interface(&server.backend());
}

#[test]
fn a_stopped_server_and_a_teardown_end_what_programs_have_started() {
    let mut server = Dev::start();
    let vpc = scenario::vpc_with_subnet(&server.backend(), "10.60.0.0/24");
    let daemon = Daemon::new();
    let _program = daemon.run(&server, &vpc);
    assert!(server.stop().success());
    assert_eq!(daemon.processes(), Vec::<u32>::new());

    server.restart();
    // The server finds by itself that the program before has ended, and gives its address back.
    until_no_interface(&server.backend());
    let mut program = daemon.run(&server, &vpc);
    orphan(&daemon, &mut program, &mut server);
    tools::succeeds(&mut server.command(&["teardown"]));
    assert_eq!(daemon.processes(), Vec::<u32>::new());
}

#[test]
fn a_teardown_ends_what_is_behind_an_interface_whose_record_is_damaged() {
    let mut server = Dev::start();
    let vpc = scenario::vpc_with_subnet(&server.backend(), "10.60.0.0/24");
    let daemon = Daemon::new();
    let mut program = daemon.run(&server, &vpc);
    orphan(&daemon, &mut program, &mut server);
    let database = Connection::open(server.directory().join("store.db")).unwrap();
    let cut =
        "UPDATE entry SET value = substr(value, 1, 9) WHERE CAST(key AS TEXT) LIKE 'interface/%'";
    assert_eq!(database.execute(cut, []).unwrap(), 1);
    database.close().unwrap();
    let output = server.command(&["teardown"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("the value of key interface/"), "{told}");
    assert_eq!(daemon.processes(), Vec::<u32>::new());
    assert!(!server.directory().join("admin.sock").exists());
}

#[test]
fn packets_to_an_address_without_a_route_are_counted_with_the_reason() {
    let server = Serving::start();
    let vpc = tools::succeeds(server.python("python/vpc.py").arg("10.60.0.0/24"));
    let before = Packets::read(server.metrics());
    let send = "for _ in 1 2 3 4 5; do echo x > /dev/udp/192.0.2.1/9; done";
    let run = ["run", "--account", "backend", "--vpc", vpc.trim(), "--"];
    let mut run = server.command(&run);
    tools::succeeds(run.args(["bash", "-c", send]));
    let counted = Packets::read(server.metrics()).since(&before);
    assert!(counted["dropped no_route"] >= 5, "{counted:?}");
}

/// A process that has left its session, as daemons do, and that nothing but a signal ends.
struct Daemon {
    /// A file that only its command line names.
    file: PathBuf,
    _folder: TempDir,
}

impl Daemon {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("tmb-daemon-").tempdir();
        let folder = folder.unwrap();
        let file = folder.path().join("file");
        File::create(&file).unwrap();
        Daemon {
            file,
            _folder: folder,
        }
    }

    /// A command that starts it, says so, and then does `then`.
    fn left_by(&self, then: &str) -> [String; 3] {
        let file = self.file.display();
        let script = format!("setsid tail -f {file} & echo started; {then}");
        ["sh".to_owned(), "-c".to_owned(), script]
    }

    /// Runs it in the VPC, below a shell that waits for it.
    fn run(&self, server: &impl Server, vpc: &str) -> Program {
        let command = self.left_by("wait");
        let program = Program::run(
            server,
            vpc,
            ADDRESS,
            &command.each_ref().map(|word| &**word),
        );
        program.until_it_prints("started");
        let tail = format!("tail -f {}", self.file.display());
        let is_tail = |pid: &u32| {
            let executable = std::fs::read_link(format!("/proc/{pid}/exe"));
            executable.is_ok_and(|path| path.file_name() == Path::new("tail").file_name())
        };
        wait::until("the daemon", || {
            processes_with(&tail).iter().any(is_tail).then_some(())
        });
        program
    }

    fn processes(&self) -> Vec<u32> {
        processes_with(&self.file.to_string_lossy())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed has perhaps left it, and nobody else knows it.
        for pid in self.processes() {
            // An error means that it is gone.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
    }
}

#[track_caller]
fn until_no_interface(backend: &Client) {
    wait::until("no network interface", || {
        let found = backend.ec2("DescribeNetworkInterfaces", &[]).unwrap();
        found.all("networkInterfaceId").is_empty().then_some(())
    });
}
