//! Builds come in by `aws gamelift upload-build`, as users do it, whatever becomes of the server in
//! between; and what is uploaded otherwise is what it should be, or refused.

use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tombolo_tests::aws::{CallError, Client};
use tombolo_tests::dev::Dev;
use tombolo_tests::http::{self, Request, Response};
use tombolo_tests::server::Server;
use tombolo_tests::sigv4::Signer;
use tombolo_tests::{binary, build, scenario, tools, wait};

/// `aws gamelift upload-build`, as the documentation has it.
fn upload_build(server: &Dev, root: &Path) -> Command {
    let mut command = Command::new(tools::program("aws"));
    command
        .args(["gamelift", "upload-build", "--name", "arena"])
        .args(["--build-version", "1.0.0", "--build-root"])
        .arg(root)
        .args(["--operating-system", "AMAZON_LINUX_2023"]);
    let mut command = tools::configured(command, server.aws_config_file(), &server.directory());
    command.env("AWS_PROFILE", "studio");
    command
}

/// The id that `upload-build` prints.
fn build_id(printed: &str) -> String {
    let (_, id) = printed.rsplit_once("Build ID: ").expect(printed);
    id.trim().to_owned()
}

fn described(studio: &Client, build: &str) -> Value {
    let found = studio.gamelift("DescribeBuild", &json!({"BuildId": build}));
    found.expect("DescribeBuild")["Build"].clone()
}

fn ready(studio: &Client, build: &str) -> Value {
    wait::until("the build to be unpacked", || {
        let found = described(studio, build);
        assert_ne!(found["Status"], "FAILED", "{found}");
        (found["Status"] == "READY").then_some(found)
    })
}

/// A folder that is no multiple of anything, with more in it than the AWS CLI sends in one piece.
fn game() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("making a temporary directory");
    write(root.path(), "server", build::IDLE.as_bytes(), 0o700);
    write(root.path(), "maps/islands", &noise(20_000_001), 0o640);
    write(root.path(), "maps/read me", b"not to be run\n", 0o600);
    root
}

fn write(root: &Path, name: &str, content: &[u8], mode: u32) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("it is in the root")).expect("making a folder");
    fs::write(&path, content).expect("writing a file");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("setting its permissions");
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = std::iter::repeat_with(next)
        .take(length / 4 + 1)
        .flatten()
        .collect();
    bytes[..length].to_vec()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("listing a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("listing a folder").file_name())
        .map(|name| name.into_string().expect("names are UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_build_is_uploaded_by_the_aws_cli_and_runs() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    let root = game();
    let build = build_id(&tools::succeeds(&mut upload_build(&server, root.path())));
    let found = ready(&studio, &build);
    assert_eq!(found["SizeOnDisk"], 20_000_001 + 14 + build::IDLE.len());

    let files = server.directory().join("builds").join(&build);
    let uploaded = fs::read(files.join("maps/islands")).unwrap();
    assert!(uploaded == noise(20_000_001), "the file is another one");
    let mode = |name: &str| fs::metadata(files.join(name)).unwrap().permissions().mode() & 0o7777;
    // Server processes are users of their own, who may read what the maker may.
    assert_eq!(mode("server"), 0o755);
    assert_eq!(mode("maps/read me"), 0o644);
    wait::until("the archive to go", || {
        names(&server.directory().join("objects"))
            .is_empty()
            .then_some(())
    });
    scenario::active_fleet(&studio, &build, "server", "");

    let shown = tools::succeeds(&mut server.command(&["build", "list", "--account", "studio"]));
    assert!(shown.contains(&build) && shown.contains("READY"), "{shown}");
    let mut show = server.command(&["build", "show", "--account", "studio", "--json", &build]);
    let shown: Value = serde_json::from_str(&tools::succeeds(&mut show)).unwrap();
    assert_eq!(shown[0]["status"], "READY");
    let other = server
        .command(&["build", "show", "--account", "backend", &build])
        .output();
    let other = other.unwrap();
    assert!(!other.status.success());
    let message = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(message.contains("has no build"), "{message}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_the_aws_cli_and_nothing_is_uploaded() {
    let server = Dev::start_simulated();
    let root = game();
    write(root.path(), "secret", b"x", 0o000);
    let upload = upload_build(&server, root.path());
    // Root reads everything, unless it gives that up.
    let mut plain = Command::new("setpriv");
    plain
        .args(["--bounding-set=-dac_override,-dac_read_search", "--"])
        .arg(upload.get_program())
        .args(upload.get_args());
    let mut plain = tools::configured(plain, server.aws_config_file(), &server.directory());
    let output = plain.env("AWS_PROFILE", "studio").output().unwrap();
    assert!(
        !output.status.success(),
        "{}",
        tools::shown(&plain, &output)
    );
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("Permission denied"), "{message}");

    let listed = server.studio().gamelift("ListBuilds", &json!({})).unwrap();
    assert_eq!(listed["Builds"].as_array().unwrap().len(), 1);
    assert_eq!(listed["Builds"][0]["Status"], "INITIALIZED");
    assert_eq!(
        names(&server.directory().join("objects")),
        Vec::<String>::new()
    );
    // It is of no use to a fleet, and says what is missing.
    let build = scenario::text(&listed["Builds"][0]["BuildId"]);
    let input = scenario::fleet_input(&build, "server", "");
    let Err(CallError::Refused(refusal)) = server.studio().gamelift("CreateFleet", &input) else {
        panic!("a fleet was made of a build without files");
    };
    let message = refusal.message;
    assert!(
        message.contains("is INITIALIZED: a fleet runs the files of a READY build"),
        "{message}"
    );
}

/// What a build's upload is signed with.
struct Upload {
    signer: Signer,
    token: String,
    host: String,
    target: String,
    build: String,
}

impl Upload {
    fn of_new_build(server: &Dev) -> Self {
        let made = server
            .studio()
            .gamelift("CreateBuild", &json!({}))
            .expect("CreateBuild");
        let credentials = &made["UploadCredentials"];
        let at = &made["StorageLocation"];
        Upload {
            signer: Signer {
                access_key_id: scenario::text(&credentials["AccessKeyId"]),
                secret_access_key: scenario::text(&credentials["SecretAccessKey"]),
                region: server.region().to_owned(),
                service: "s3".to_owned(),
                ..server.studio().signer
            },
            token: scenario::text(&credentials["SessionToken"]),
            host: server.address().to_string(),
            target: format!(
                "/{}/{}",
                scenario::text(&at["Bucket"]),
                scenario::text(&at["Key"])
            ),
            build: scenario::text(&made["Build"]["BuildId"]),
        }
    }

    fn request(&self, method: &str, query: &str, body: &[u8]) -> Request {
        let request = Request::new(method, &format!("{}{query}", self.target))
            .header("host", &self.host)
            .header("x-amz-content-sha256", &hex::encode(Sha256::digest(body)))
            .header("x-amz-security-token", &self.token)
            .body(body);
        self.signer.sign(request)
    }

    fn send(&self, server: &Dev, method: &str, query: &str, body: &[u8]) -> Response {
        let response = http::send(server.address(), &self.request(method, query, body));
        response.expect("the server answers")
    }
}

fn element(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{name}>")).expect(text);
    let (value, _) = rest.split_once(&format!("</{name}>")).expect(text);
    value.to_owned()
}

/// A zip file whose only file is stored as it is, large enough for two parts.
fn large_archive() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("server"), noise(6 << 20)).unwrap();
    let packed = directory.path().join("packed.zip");
    let program = "import sys, zipfile\n\
                   with zipfile.ZipFile(sys.argv[1], 'w') as z: z.write(sys.argv[2], 'server')";
    tools::succeeds(
        Command::new(tools::program("python"))
            .args(["-c", program])
            .arg(&packed)
            .arg(directory.path().join("server")),
    );
    fs::read(packed).unwrap()
}

#[test]
fn kill_9_in_the_middle_of_an_upload_keeps_what_was_acknowledged_and_nothing_else() {
    let mut server = Dev::start_simulated();
    let archive = large_archive();
    let (first, second) = archive.split_at(5 << 20);
    let upload = Upload::of_new_build(&server);
    let begun = upload.send(&server, "POST", "?uploads", b"");
    assert_eq!(begun.status, 200, "{}", begun.text());
    let id = element(&begun.text(), "UploadId");
    let part = |number| format!("?partNumber={number}&uploadId={id}");
    let put = upload.send(&server, "PUT", &part(1), first);
    assert_eq!(put.status, 200, "{}", put.text());
    let first_etag = put.header("etag").expect("a part has an ETag").to_owned();

    // Half of the second part is on its way when the server dies.
    let bytes = upload.request("PUT", &part(2), second).to_bytes();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(&bytes[..bytes.len() - second.len() / 2])
        .unwrap();
    let objects = server.directory().join("objects");
    wait::until("the second part to be received", || {
        (names(&objects).len() == 2).then_some(())
    });
    server.kill();
    drop(stream);
    server.restart();
    assert_eq!(names(&objects).len(), 1, "half a part was left");

    let upload = Upload {
        host: server.address().to_string(),
        ..upload
    };
    let listed = upload.send(&server, "GET", &format!("?uploadId={id}"), b"");
    assert_eq!(
        listed.text().matches("<PartNumber>").count(),
        1,
        "{}",
        listed.text()
    );
    let put = upload.send(&server, "PUT", &part(2), second);
    assert_eq!(put.status, 200, "{}", put.text());
    let second_etag = put.header("etag").unwrap();
    let named = format!(
        "<CompleteMultipartUpload>\
         <Part><PartNumber>1</PartNumber><ETag>{first_etag}</ETag></Part>\
         <Part><PartNumber>2</PartNumber><ETag>{second_etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let query = format!("?uploadId={id}");
    let done = upload.send(&server, "POST", &query, named.as_bytes());
    assert_eq!(done.status, 200, "{}", done.text());
    let found = ready(&server.studio(), &upload.build);
    assert_eq!(found["SizeOnDisk"], 6 << 20);
}

#[test]
fn kill_9_while_a_build_is_unpacked_only_delays_it() {
    let mut server = Dev::start_simulated();
    let root = tempfile::tempdir().unwrap();
    for n in 0..3000 {
        write(root.path(), &format!("{}/{n}", n % 50), b"x", 0o644);
    }
    let builds = server.directory().join("builds");
    let begun = || {
        let names = fs::read_dir(&builds).ok()?;
        let mut names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.find(|name| name.starts_with(".importing-"))
    };
    let mut client = upload_build(&server, root.path()).spawn().unwrap();
    let temporary = wait::until("unpacking to begin", begun);
    server.kill();
    // It had its answer, or not; the build is there either way.
    client.wait().unwrap();
    let build = temporary.strip_prefix(".importing-").unwrap().to_owned();
    for _ in 0..3 {
        server.restart();
        if described(&server.studio(), &build)["Status"] == "INITIALIZED" {
            wait::within(std::time::Duration::from_secs(5), begun);
        }
        server.kill();
    }
    server.restart();
    let found = ready(&server.studio(), &build);
    assert_eq!(found["SizeOnDisk"], 3000);
    assert_eq!(names(&builds), [build]);
    wait::until("the archive to go", || {
        names(&server.directory().join("objects"))
            .is_empty()
            .then_some(())
    });
}

#[test]
fn an_archive_is_kept_for_as_long_as_the_disk_refuses_its_files() {
    let server = Dev::start_simulated();
    let studio = server.studio();
    // Where the builds' folder should be, there is something else.
    let builds = server.directory().join("builds");
    fs::write(&builds, "in the way").unwrap();
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "server", build::IDLE.as_bytes(), 0o755);
    let build = build_id(&tools::succeeds(&mut upload_build(&server, root.path())));
    let input = scenario::fleet_input(&build, "server", "");
    let told = wait::until("the reason to be told", || {
        match studio.gamelift("CreateFleet", &input) {
            Err(CallError::Refused(refusal)) => {
                let is_told = refusal
                    .message
                    .contains("the server's disk refused its files (");
                is_told.then_some(refusal.message)
            }
            other => panic!("a fleet was made of a build without files: {other:?}"),
        }
    });
    // Where the server keeps them is nobody else's business.
    assert!(!told.contains("/builds"), "{told}");
    assert_eq!(described(&studio, &build)["Status"], "INITIALIZED");
    fs::remove_file(&builds).unwrap();
    ready(&studio, &build);
}

/// One scenario of the Python client.
fn scenario(name: &str) {
    let server = Dev::start_with(&["--network", "simulated", "--log", "debug"]);
    let mut client = tools::python(&server, "python/uploads.py");
    client
        .arg(name)
        .env("AWS_PROFILE", "studio")
        .env("TOMBOLO", binary::tombolo());
    tools::succeeds(&mut client);
    // Not even at `debug` does the log have what was handed out.
    let log = server.log();
    assert!(
        log.contains("service=\"s3\""),
        "nothing of S3 is in the log"
    );
    for secret in [
        "x-amz-security-token",
        "X-Amz-Security-Token",
        "SessionToken",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_build_is_uploaded_once_by_boto3() {
    scenario("upload");
}

#[test]
fn upload_credentials_are_good_for_one_object_and_nothing_else() {
    scenario("credentials");
}

#[test]
fn upload_credentials_expire() {
    scenario("expiry");
}

#[test]
fn an_archive_that_nobody_should_unpack_fails_its_build_with_the_reason() {
    scenario("archives");
}

#[test]
fn an_account_keeps_objects_in_buckets_of_its_own() {
    scenario("objects");
}

#[test]
fn what_is_too_much_for_s3_is_refused() {
    scenario("limits");
}

/// What S3's clients write in place of the hash of a body.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const IN_PIECES: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

#[test]
fn a_checksum_behind_the_body_is_held_against_it() {
    let server = Dev::start_simulated();
    let upload = Upload::of_new_build(&server);
    let put = |trailer: &str| {
        let request = Request::new("PUT", &upload.target)
            .header("host", &upload.host)
            .header("content-encoding", "aws-chunked")
            .header("x-amz-content-sha256", IN_PIECES)
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-security-token", &upload.token)
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .body(format!("3\r\nhel\r\n2\r\nlo\r\n0\r\n{trailer}\r\n"));
        let request = upload.signer.sign_with(request, IN_PIECES);
        let response = http::send(server.address(), &request).expect("the server answers");
        (response.status, response.text())
    };
    for wrong in ["x-amz-checksum-crc32:AAAAAA==\r\n", ""] {
        let (status, text) = put(wrong);
        assert_eq!(status, 400, "{text}");
        let is_told = ["<Code>BadDigest</Code>", "<Code>IncompleteBody</Code>"];
        assert!(is_told.iter().any(|code| text.contains(code)), "{text}");
        let objects = server.directory().join("objects");
        assert_eq!(names(&objects), Vec::<String>::new());
    }
    let (status, text) = put("x-amz-checksum-crc32:NhCmhg==\r\n");
    assert_eq!(status, 200, "{text}");
}

#[test]
fn an_object_that_is_too_large_is_refused_before_it_is_sent() {
    let server = Dev::start_simulated();
    let upload = Upload::of_new_build(&server);
    let length = ((5_u64 << 30) + 1).to_string();
    let request = Request::new("PUT", &upload.target)
        .header("host", &upload.host)
        .header("x-amz-content-sha256", UNSIGNED)
        .header("x-amz-security-token", &upload.token)
        .header("x-amz-decoded-content-length", &length);
    let response = http::send(
        server.address(),
        &upload.signer.sign_with(request, UNSIGNED),
    );
    let response = response.expect("the server answers");
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(
        response.text().contains("<Code>EntityTooLarge</Code>"),
        "{}",
        response.text()
    );
}

#[test]
fn a_piece_of_a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let server = Dev::start_simulated();
    let upload = Upload::of_new_build(&server);
    let request = Request::new("PUT", &upload.target)
        .header("host", &upload.host)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-content-sha256", IN_PIECES)
        .header("x-amz-decoded-content-length", "5000000000")
        .header("x-amz-security-token", &upload.token)
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .body("FFFFFFFF\r\n");
    let request = upload.signer.sign_with(request, IN_PIECES).to_bytes();
    let request = String::from_utf8(request).unwrap();
    // The rest never comes: only who does not wait for it answers.
    let request = request.replace("content-length: 10\r\n", "content-length: 5000000000\r\n");
    let mut connection = http::Connection::open(server.address()).unwrap();
    let response = connection.exchange(request.as_bytes()).unwrap();
    let text = response.text();
    assert_eq!(response.status, 400, "{text}");
    assert!(
        text.contains("a piece of it has 4294967295 bytes, and the most is 8388608"),
        "{text}"
    );
    let objects = server.directory().join("objects");
    assert_eq!(names(&objects), Vec::<String>::new());
}

#[test]
fn a_build_is_made_of_an_object_in_the_account_s_own_bucket() {
    scenario("location");
}

#[test]
fn the_aws_cli_moves_objects() {
    let server = Dev::start_simulated();
    let root = game();
    let aws = |arguments: &[&str]| {
        let mut command = Command::new(tools::program("aws"));
        command.arg("s3").args(arguments).current_dir(root.path());
        let mut command = tools::configured(command, server.aws_config_file(), &server.directory());
        tools::succeeds(command.env("AWS_PROFILE", "studio"))
    };
    aws(&["mb", "s3://games"]);
    aws(&["cp", "maps", "s3://games/maps", "--recursive"]);
    assert!(aws(&["ls", "s3://games"]).contains("PRE maps/"));
    assert!(aws(&["ls", "s3://games/maps/"]).contains("20000001 islands"));
    aws(&["cp", "s3://games/maps/islands", "back"]);
    assert!(fs::read(root.path().join("back")).unwrap() == noise(20_000_001));
    aws(&["rm", "s3://games", "--recursive"]);
    aws(&["rb", "s3://games"]);
    assert_eq!(aws(&["ls"]), "");
}
