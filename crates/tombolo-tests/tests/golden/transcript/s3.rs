//! S3.

use base64::prelude::{BASE64_STANDARD, Engine};
use hex::encode as hexadecimal;
use sha2::{Digest, Sha256};
use tombolo_tests::http::{Request, Response};
use tombolo_tests::xml::Xml;

use super::Who::{Backend, Studio};
use super::{OTHER_REGION, Transcript, Who};

/// What S3's clients write in place of the hash of a body that they do not sign.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

pub(super) fn converse(t: &mut Transcript) {
    buckets(t);
    objects(t);
    lists(t);
    uploads(t);
    deletion(t);
    refused_everywhere(t);
}

/// One request to S3: its operation, for the reader, and what it is on the wire.
struct Ask<'a> {
    operation: &'a str,
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

impl<'a> Ask<'a> {
    fn of(operation: &'a str, method: &'a str, target: &'a str) -> Self {
        Ask {
            operation,
            method,
            target,
            headers: &[],
            body: "",
        }
    }

    fn with(self, headers: &'a [(&'a str, &'a str)], body: &'a str) -> Self {
        Ask {
            headers,
            body,
            ..self
        }
    }
}

impl Transcript {
    /// Asks S3 as an account.
    fn s3(&mut self, who: Who, ask: &Ask<'_>) -> Response {
        self.s3_in(who, who.name(), "us-west-2", ask)
    }

    /// Asks as the owner, as the other account, and in the other Region; the owner last.
    fn walk_s3(&mut self, owner: Who, ask: &Ask<'_>) -> Response {
        let stranger = owner.other();
        let as_stranger = format!("{}, another's bucket", stranger.name());
        self.s3_in(stranger, &as_stranger, "us-west-2", ask);
        let as_elsewhere = format!("{}, in another Region", owner.name());
        self.s3_in(owner, &as_elsewhere, OTHER_REGION, ask);
        self.s3(owner, ask)
    }

    fn s3_in(&mut self, who: Who, called: &str, region: &str, ask: &Ask<'_>) -> Response {
        let client = self.client(who).in_region(region);
        let hash = hexadecimal(Sha256::digest(ask.body));
        let mut request = Request::new(ask.method, ask.target)
            .header("host", &client.server.to_string())
            .header("x-amz-content-sha256", &hash)
            .body(ask.body);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = client.signer_for("s3").sign_with(request, &hash);
        let response = match ask.method {
            // The reply to HEAD has a length and no body.
            "HEAD" => tombolo_tests::http::send_head(client.server, &request),
            _ => tombolo_tests::http::send(client.server, &request),
        };
        let response = response.expect("the server answers");
        self.note_s3(called, ask, &response);
        response
    }

    fn note_s3(&mut self, called: &str, ask: &Ask<'_>, response: &Response) {
        let mut asked = format!("{} {}", ask.method, ask.target);
        for (name, value) in ask.headers {
            asked.push_str(&format!("\n{name}: {value}"));
        }
        if !ask.body.is_empty() {
            asked.push_str(&format!("\n{}", ask.body));
        }
        let asked = self.names.name(&asked);
        let body = self.body(response);
        self.note(ask.operation, called, &asked, response, &body);
    }
}

/// Everything that an account has in S3.
pub(crate) fn everything(t: &mut Transcript, who: Who) {
    let found = t.s3(who, &Ask::of("ListBuckets", "GET", "/"));
    for bucket in Xml(found.text()).all("Name") {
        let target = format!("/{bucket}?list-type=2");
        let found = t.s3(who, &Ask::of("ListObjectsV2", "GET", &target));
        for key in Xml(found.text()).all("Key") {
            let target = format!("/{bucket}/{key}");
            t.s3(who, &Ask::of("GetObject", "GET", &target));
        }
    }
}

fn buckets(t: &mut Transcript) {
    let location = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>";
    let elsewhere = location.replace("us-west-2", "ap-south-1");
    t.s3(
        Studio,
        &Ask::of("CreateBucket", "PUT", "/games").with(&[], location),
    );
    t.s3(
        Studio,
        &Ask::of("CreateBucket", "PUT", "/games").with(&[], location),
    );
    t.s3(
        Studio,
        &Ask::of("CreateBucket", "PUT", "/far-away").with(&[], &elsewhere),
    );
    t.s3(Studio, &Ask::of("CreateBucket", "PUT", "/No_Bucket"));
    t.walk_s3(Studio, &Ask::of("HeadBucket", "HEAD", "/games"));
    t.s3(Studio, &Ask::of("HeadBucket", "HEAD", "/unknown"));
    t.walk_s3(
        Studio,
        &Ask::of("GetBucketLocation", "GET", "/games?location"),
    );
    t.s3(
        Studio,
        &Ask::of("GetBucketLocation", "GET", "/unknown?location"),
    );
    t.s3(Studio, &Ask::of("ListBuckets", "GET", "/"));
    // A name is an account's own.
    t.s3(Backend, &Ask::of("ListBuckets", "GET", "/"));
    t.s3(Backend, &Ask::of("CreateBucket", "PUT", "/games"));
    t.s3(Backend, &Ask::of("DeleteBucket", "DELETE", "/games"));
}

fn objects(t: &mut Transcript) {
    let described = [
        ("content-type", "text/plain"),
        ("x-amz-meta-team", "arena"),
        ("x-amz-checksum-crc32", "DUoRhQ=="),
    ];
    let put = |body| Ask::of("PutObject", "PUT", "/games/maps/islands.txt").with(&described, body);
    t.s3(Studio, &put("hello worlds"));
    t.walk_s3(Studio, &put("hello world"));
    t.s3(
        Studio,
        &Ask::of("PutObject", "PUT", "/unknown/maps").with(&[], "hello"),
    );
    t.s3(
        Studio,
        &Ask::of("PutObject", "PUT", "/games/maps/lagoon.txt")
            .with(&[("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")], "hello"),
    );
    t.s3(
        Studio,
        &Ask::of("PutObject", "PUT", "/games/a").with(&[("x-amz-acl", "public-read")], "a"),
    );
    for key in ["a", "b-c", "maps/zoo"] {
        let target = format!("/games/{key}");
        t.s3(Studio, &Ask::of("PutObject", "PUT", &target).with(&[], key));
    }
    t.walk_s3(
        Studio,
        &Ask::of("HeadObject", "HEAD", "/games/maps/islands.txt"),
    );
    t.s3(Studio, &Ask::of("HeadObject", "HEAD", "/games/none"));
    t.walk_s3(
        Studio,
        &Ask::of("GetObject", "GET", "/games/maps/islands.txt"),
    );
    t.s3(Studio, &Ask::of("GetObject", "GET", "/games/none"));
    for range in ["bytes=6-", "bytes=-5", "bytes=100-200"] {
        let headers = [("range", range)];
        t.s3(
            Studio,
            &Ask::of("GetObject", "GET", "/games/maps/islands.txt").with(&headers, ""),
        );
    }
    for condition in ["\"5eb63bbbe01eeed093cb22bb8f5acdc3\"", "\"0\""] {
        for name in ["if-match", "if-none-match"] {
            let headers = [(name, condition)];
            t.s3(
                Studio,
                &Ask::of("GetObject", "GET", "/games/maps/islands.txt").with(&headers, ""),
            );
        }
    }
}

fn lists(t: &mut Transcript) {
    t.walk_s3(
        Studio,
        &Ask::of("ListObjectsV2", "GET", "/games?list-type=2"),
    );
    t.s3(
        Studio,
        &Ask::of("ListObjectsV2", "GET", "/unknown?list-type=2"),
    );
    t.s3(
        Studio,
        &Ask::of(
            "ListObjectsV2",
            "GET",
            "/games?delimiter=%2F&list-type=2&prefix=",
        ),
    );
    t.s3(
        Studio,
        &Ask::of("ListObjectsV2", "GET", "/games?list-type=2&max-keys=2"),
    );
    t.s3(
        Studio,
        &Ask::of("ListObjectsV2", "GET", "/games?list-type=2&start-after=b"),
    );
    t.s3(
        Studio,
        &Ask::of(
            "ListObjectsV2",
            "GET",
            "/games?encoding-type=url&list-type=2&prefix=maps%2F",
        ),
    );
    t.s3(
        Studio,
        &Ask::of(
            "ListObjectsV2",
            "GET",
            "/games?continuation-token=nonsense&list-type=2",
        ),
    );
    t.s3(
        Studio,
        &Ask::of("ListObjectsV2", "GET", "/games?list-type=2&max-keys=-1"),
    );
}

fn uploads(t: &mut Transcript) {
    let begin = Ask::of("CreateMultipartUpload", "POST", "/games/build.zip?uploads=");
    t.s3(
        Studio,
        &Ask::of(
            "CreateMultipartUpload",
            "POST",
            "/unknown/build.zip?uploads=",
        ),
    );
    let begun = t.walk_s3(Studio, &begin);
    let upload = Xml(begun.text()).text("UploadId");
    t.names.call(&upload, "<upload>");
    let target =
        |part: u32, upload: &str| format!("/games/build.zip?partNumber={part}&uploadId={upload}");
    let unknown = "0".repeat(upload.len());
    t.s3(
        Studio,
        &Ask::of("UploadPart", "PUT", &target(1, &unknown)).with(&[], "first"),
    );
    t.s3(
        Studio,
        &Ask::of("UploadPart", "PUT", &target(0, &upload)).with(&[], "none"),
    );
    let part = t.walk_s3(
        Studio,
        &Ask::of("UploadPart", "PUT", &target(1, &upload)).with(&[], "first"),
    );
    let one = part.header("etag").expect("an ETag").to_owned();
    t.s3(
        Studio,
        &Ask::of("UploadPart", "PUT", &target(2, &upload)).with(&[], "second"),
    );
    let of_upload = format!("/games/build.zip?uploadId={upload}");
    let of_unknown = format!("/games/build.zip?uploadId={unknown}");
    t.s3(Studio, &Ask::of("ListParts", "GET", &of_unknown));
    t.walk_s3(Studio, &Ask::of("ListParts", "GET", &of_upload));
    let paged = format!("/games/build.zip?max-parts=1&uploadId={upload}");
    t.s3(Studio, &Ask::of("ListParts", "GET", &paged));

    let completed = |parts: &[(u32, &str)]| {
        let parts = parts.iter().map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        });
        let parts: String = parts.collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    };
    let complete = |target: &str, parts: &[(u32, &str)]| (target.to_owned(), completed(parts));
    for (target, body) in [
        complete(&of_unknown, &[(1, &one)]),
        complete(&of_upload, &[]),
        complete(&of_upload, &[(1, "\"0\"")]),
        complete(&of_upload, &[(1, &one), (2, &one)]),
    ] {
        t.s3(
            Studio,
            &Ask::of("CompleteMultipartUpload", "POST", &target).with(&[], &body),
        );
    }
    let body = completed(&[(1, &one)]);
    t.walk_s3(
        Studio,
        &Ask::of("CompleteMultipartUpload", "POST", &of_upload).with(&[], &body),
    );
    t.s3(Studio, &Ask::of("HeadObject", "HEAD", "/games/build.zip"));

    let begun = t.s3(Studio, &begin);
    let upload = Xml(begun.text()).text("UploadId");
    t.names.call(&upload, "<another upload>");
    let of_upload = format!("/games/build.zip?uploadId={upload}");
    t.s3(
        Studio,
        &Ask::of("AbortMultipartUpload", "DELETE", &of_unknown),
    );
    t.walk_s3(
        Studio,
        &Ask::of("AbortMultipartUpload", "DELETE", &of_upload),
    );
    t.s3(
        Studio,
        &Ask::of("AbortMultipartUpload", "DELETE", &of_upload),
    );
}

fn deletion(t: &mut Transcript) {
    t.s3(Studio, &Ask::of("DeleteBucket", "DELETE", "/games"));
    t.walk_s3(Studio, &Ask::of("DeleteObject", "DELETE", "/games/a"));
    t.s3(Studio, &Ask::of("DeleteObject", "DELETE", "/games/a"));
    t.s3(Studio, &Ask::of("DeleteObject", "DELETE", "/unknown/a"));
    let all = [
        "b-c",
        "maps/zoo",
        "maps/lagoon.txt",
        "maps/islands.txt",
        "build.zip",
        "none",
    ];
    let objects = all
        .map(|key| format!("<Object><Key>{key}</Key></Object>"))
        .concat();
    let body = format!("<Delete>{objects}</Delete>");
    t.s3(
        Studio,
        &Ask::of("DeleteObjects", "POST", "/games?delete=").with(&[], "<Delete>"),
    );
    let hash = [(
        "x-amz-checksum-sha256",
        &*BASE64_STANDARD.encode(Sha256::digest(&body)),
    )];
    t.walk_s3(
        Studio,
        &Ask::of("DeleteObjects", "POST", "/games?delete=").with(&hash, &body),
    );
    t.s3(
        Studio,
        &Ask::of("ListObjectsV2", "GET", "/games?list-type=2"),
    );
    t.walk_s3(Studio, &Ask::of("DeleteBucket", "DELETE", "/games"));
    t.s3(Studio, &Ask::of("DeleteBucket", "DELETE", "/games"));
    t.s3(Studio, &Ask::of("ListBuckets", "GET", "/"));
}

/// What is not served, and who cannot be believed.
fn refused_everywhere(t: &mut Transcript) {
    t.s3(Studio, &Ask::of("GetBucketAcl", "GET", "/games?acl"));
    let client = t.client(Studio);
    let ask = Ask::of("ListBuckets", "GET", "/");
    let request = Request::new("GET", "/")
        .header("host", &client.server.to_string())
        .header("x-amz-content-sha256", UNSIGNED);
    let signer = client.signer_for("s3");
    let mut wrong = signer.clone();
    wrong.secret_access_key.push('x');
    let mut unknown = signer.clone();
    unknown.access_key_id = "AKIA2222222222222222".to_owned();
    let mut late = signer.clone();
    late.skew = jiff::SignedDuration::from_hours(-1);
    let mut elsewhere = signer.clone();
    elsewhere.region = "ap-south-1".to_owned();
    for (what, signer) in [
        ("another secret", wrong),
        ("an unknown key", unknown),
        ("an hour late", late),
        ("signed for another Region", elsewhere),
    ] {
        let signed = signer.sign_with(request.clone(), UNSIGNED);
        let response = client.send(&signed).expect("the server answers");
        t.note_s3(what, &ask, &response);
    }
    let with_token = request.header("x-amz-security-token", "none");
    let signed = signer.sign_with(with_token, UNSIGNED);
    let response = client.send(&signed).expect("the server answers");
    t.note_s3("a token that the key has not", &ask, &response);
}
