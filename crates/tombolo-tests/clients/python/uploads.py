"""Builds' uploads and the account's own objects by boto3, and every way in which they are refused.

usage: uploads.py SCENARIO, with $TOMBOLO the command
"""

import io
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import validate_bucket_name
from tombolo import account, client, refused, until

BUILDS = "tombolo-builds"
STUDIO = client("studio", "gamelift")


def endpoint():
    return STUDIO.meta.endpoint_url


def temporary(service, credentials, region="us-west-2", **config):
    """A client that signs with what GameLift handed out."""
    config = Config(retries={"total_max_attempts": 1}, **config)
    return boto3.client(
        service,
        endpoint_url=endpoint(),
        region_name=region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
        config=config,
    )


def user(profile, **config):
    return client(profile, "s3", **config)


def new_build():
    made = STUDIO.create_build(Name="arena", Version="1")
    return made["Build"]["BuildId"], made["UploadCredentials"], made["StorageLocation"]


def archive(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as into:
        for name, content in files.items():
            into.writestr(name, content)
    return packed.getvalue()


def described(build):
    return STUDIO.describe_build(BuildId=build)["Build"]


def settled(build):
    def look():
        found = described(build)
        return found if found["Status"] != "INITIALIZED" else None

    return until(f"{build} to be unpacked", look)


def code(call, **arguments):
    return refused(ClientError, call, **arguments)["Code"]


def fleet_of(build):
    return dict(
        Name="arena",
        BuildId=build,
        EC2InstanceType="c5.large",
        RuntimeConfiguration={
            "ServerProcesses": [{"LaunchPath": "/local/game/server", "ConcurrentExecutions": 1}]
        },
    )


def upload():
    """A build in one PUT, as CreateBuild's own credentials allow it; and nothing after it."""
    build, credentials, at = new_build()
    assert at["Bucket"] == BUILDS, at
    s3 = temporary("s3", credentials)
    body = archive({"server": b"#!/bin/sh\nexec sleep infinity\n", "maps/one": b"x" * 1000})
    assert described(build)["SizeOnDisk"] == 0
    s3.put_object(**at, Body=body)
    ready = settled(build)
    assert ready["Status"] == "READY", ready
    assert ready["SizeOnDisk"] == 1030, ready
    # Its files never change.
    refusal = refused(ClientError, s3.put_object, **at, Body=body)
    assert refusal["Code"] == "AccessDenied" and "never change" in refusal["Message"], refusal
    assert code(s3.create_multipart_upload, **at) == "AccessDenied"
    STUDIO.delete_build(BuildId=build)
    refusal = refused(ClientError, s3.put_object, **at, Body=body)
    assert refusal["Code"] == "AccessDenied" and "was deleted" in refusal["Message"], refusal


def credentials():
    """Temporary credentials: for one object, one Region, S3 alone, whole and unchanged."""
    build, given, at = new_build()
    other, others, other_at = new_build()
    s3 = temporary("s3", given)

    # Another build's object, another key, another bucket, another account's.
    denied = "AccessDenied"
    assert code(s3.put_object, **other_at, Body=b"x") == denied
    for key in [at["Key"] + "x", "x", at["Key"] + "/../" + other]:
        assert code(s3.put_object, Bucket=BUILDS, Key=key, Body=b"x") == denied, key
    user("studio").create_bucket(Bucket="own", CreateBucketConfiguration=HERE)
    assert code(s3.put_object, Bucket="own", Key=at["Key"], Body=b"x") == denied
    # Other operations, on the object as well.
    assert code(s3.get_object, **at) == denied
    assert code(s3.head_object, **at) == "403"
    assert code(s3.delete_object, **at) == denied
    assert code(s3.list_objects_v2, Bucket=BUILDS) == denied
    assert code(s3.list_buckets) == denied
    assert code(s3.create_bucket, Bucket="mine", CreateBucketConfiguration=HERE) == denied
    assert code(s3.delete_bucket, Bucket="own") == denied
    assert code(s3.copy_object, **at, CopySource=other_at) == denied
    # Other services.
    assert code(temporary("gamelift", given).list_builds) == "AccessDeniedException"
    assert code(temporary("ec2", given).describe_vpcs) == "UnauthorizedOperation"
    assert code(temporary("sts", given).get_caller_identity) == denied
    # Another Region.
    assert code(temporary("s3", given, "eu-west-1").put_object, **at, Body=b"x") == denied

    # No token, another's, a changed one; another secret; an access key with a token.
    def with_token(token):
        return temporary("s3", given | {"SessionToken": token}).put_object

    assert code(with_token(None), **at, Body=b"x") == "InvalidAccessKeyId"
    assert code(with_token(others["SessionToken"]), **at, Body=b"x") == "InvalidToken"
    changed = given["SessionToken"][:-1] + ("A" if given["SessionToken"][-1] != "A" else "B")
    assert code(with_token(changed), **at, Body=b"x") == "InvalidToken"
    wrong = temporary("s3", given | {"SecretAccessKey": others["SecretAccessKey"]})
    assert code(wrong.put_object, **at, Body=b"x") == "SignatureDoesNotMatch"
    keys = boto3.Session(profile_name="studio").get_credentials()
    keys = {"AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key}
    wrong = temporary("s3", keys | {"SessionToken": given["SessionToken"]})
    assert code(wrong.list_buckets) == "InvalidToken"
    unknown = temporary("s3", given | {"AccessKeyId": "ASIAAAAAAAAAAAAAAAAA"})
    assert code(unknown.put_object, **at, Body=b"x") == "InvalidAccessKeyId"

    # A user does not see the server's bucket, nor may make one like it.
    studio = user("studio")
    assert code(studio.put_object, **at, Body=b"x") == "NoSuchBucket"
    assert code(studio.list_objects_v2, Bucket=BUILDS) == "NoSuchBucket"
    assert code(studio.create_bucket, Bucket=BUILDS, CreateBucketConfiguration=HERE) == (
        "InvalidBucketName"
    )

    # A link carries the token in its query, signed.
    s3 = temporary("s3", given, signature_version="s3v4")
    link = s3.generate_presigned_url("put_object", Params=at, ExpiresIn=60)
    assert "X-Amz-Security-Token" in link, link
    assert put(link.replace("X-Amz-Security-Token=", "X-Amz-Security-Token=A"), b"x") == 400
    assert described(build)["Status"] == "INITIALIZED"
    assert put(link, archive({"server": b"x"})) == 200
    assert settled(build)["Status"] == "READY"


def put(link, body):
    request = urllib.request.Request(link, data=body, method="PUT")
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code


def expiry():
    """Credentials work for 15 minutes by the server's clock; fresh ones can be had."""
    build, given, at = new_build()
    subprocess.run([os.environ["TOMBOLO"], "clock", "advance", "14m"], check=True)
    s3 = temporary("s3", given)
    begun = s3.create_multipart_upload(**at)
    subprocess.run([os.environ["TOMBOLO"], "clock", "advance", "61s"], check=True)
    assert code(s3.put_object, **at, Body=b"x") == "ExpiredToken"
    assert code(temporary("gamelift", given).list_builds) == "ExpiredTokenException"
    fresh = STUDIO.request_upload_credentials(BuildId=build)["UploadCredentials"]
    s3 = temporary("s3", fresh)
    # What was begun with the old ones goes on with the new.
    s3.abort_multipart_upload(**at, UploadId=begun["UploadId"])
    s3.put_object(**at, Body=archive({"server": b"x"}))
    assert settled(build)["Status"] == "READY"


def archives():
    """Archives that nobody should unpack: the build fails and says why."""
    bomb = archive({"zeros": b"\0" * (80 << 20)})
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as into:
        entry = zipfile.ZipInfo("config")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        into.writestr(entry, "/etc/shadow")
    for body, reason in [
        (bomb, '"zeros" unpacks to more than 200 times its compressed size'),
        (archive({"../../evil": b"x"}), 'the archive names "../../evil", which has .. in it'),
        (archive({"/etc/evil": b"x"}), 'the archive names "/etc/evil", which is an absolute path'),
        (archive({"C:\\evil": b"x"}), "which starts with a drive letter"),
        (archive({"dir/" * 300 + "x": b"x"}), "which has more than 1024 bytes"),
        (link.getvalue(), 'the link "config" points to "/etc/shadow"'),
        (archive({"server": b"x" * 1000})[:-10], "the archive cannot be read"),
        (b"no zip at all", "the archive cannot be read"),
        (b"", "the archive cannot be read"),
        (archive({}), "the archive has no files"),
    ]:
        build, given, at = new_build()
        temporary("s3", given).put_object(**at, Body=body)
        assert settled(build)["Status"] == "FAILED", reason
        refusal = refused(ClientError, STUDIO.create_fleet, **fleet_of(build))
        assert refusal["Code"] == "NotReadyException", refusal
        assert f"Build {build} is FAILED" in refusal["Message"], refusal
        assert reason in refusal["Message"], refusal
        shown = subprocess.run(
            [os.environ["TOMBOLO"], "build", "show", "--account", "studio", build],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert "FAILED" in shown and reason in shown, shown
        assert code(STUDIO.request_upload_credentials, BuildId=build) == "InvalidRequestException"
        STUDIO.delete_build(BuildId=build)


HERE = {"LocationConstraint": "us-west-2"}


def objects():
    """The account's own buckets: put, read, listed, deleted; nobody else's."""
    s3, other = user("studio"), user("backend")
    s3.create_bucket(Bucket="games", CreateBucketConfiguration=HERE)
    assert code(s3.create_bucket, Bucket="games", CreateBucketConfiguration=HERE) == (
        "BucketAlreadyOwnedByYou"
    )
    elsewhere = {"LocationConstraint": "eu-west-1"}
    assert code(s3.create_bucket, Bucket="away", CreateBucketConfiguration=elsewhere) == (
        "IllegalLocationConstraintException"
    )
    # Names are the account's own: another account neither sees nor misses them.
    assert code(other.head_bucket, Bucket="games") == "404"
    assert code(other.list_objects_v2, Bucket="games") == "NoSuchBucket"
    assert code(other.put_object, Bucket="games", Key="x", Body=b"x") == "NoSuchBucket"
    assert code(other.get_object, Bucket="games", Key="x") == "NoSuchBucket"
    other.create_bucket(Bucket="games", CreateBucketConfiguration=HERE)
    assert s3.head_bucket(Bucket="games")["BucketRegion"] == "us-west-2"
    away = boto3.Session(profile_name="studio").client("s3", region_name="eu-west-1")
    assert away.list_buckets()["Buckets"] == []

    for key in ["a/1", "a/2", "a/b/3", "c", "d é/+ &<x>", "e"]:
        s3.put_object(Bucket="games", Key=key, Body=key.encode(), Metadata={"said": "yes"})
    got = s3.get_object(Bucket="games", Key="d é/+ &<x>")
    assert got["Body"].read() == "d é/+ &<x>".encode()
    assert got["Metadata"] == {"said": "yes"}, got
    assert got["ETag"] == s3.head_object(Bucket="games", Key="d é/+ &<x>")["ETag"]
    part = s3.get_object(Bucket="games", Key="a/b/3", Range="bytes=1-3")
    assert part["Body"].read() == b"/b/" and part["ContentRange"] == "bytes 1-3/5", part
    assert code(s3.get_object, Bucket="games", Key="c", Range="bytes=9-") == "InvalidRange"
    assert code(s3.get_object, Bucket="games", Key="nothing") == "NoSuchKey"
    assert code(s3.head_object, Bucket="games", Key="nothing") == "404"

    def listed(**how):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="games", **how)
        keys, prefixes = [], []
        for page in pages:
            keys += [found["Key"] for found in page.get("Contents", [])]
            prefixes += [found["Prefix"] for found in page.get("CommonPrefixes", [])]
        return keys, prefixes

    everything = ["a/1", "a/2", "a/b/3", "c", "d é/+ &<x>", "e"]
    for size in [1, 2, 1000]:
        paged = {"PaginationConfig": {"PageSize": size}}
        assert listed(**paged) == (everything, []), size
        assert listed(Delimiter="/", **paged) == (["c", "e"], ["a/", "d é/"]), size
        assert listed(Prefix="a/", Delimiter="/", **paged) == (["a/1", "a/2"], ["a/b/"]), size
        assert listed(Prefix="a/", StartAfter="a/1", **paged) == (["a/2", "a/b/3"], []), size
    assert listed(Prefix="zz") == ([], [])

    # What was read is not overwritten by a promise that is not kept.
    wrong = refused(
        ClientError, s3.put_object, Bucket="games", Key="c", Body=b"x", ChecksumCRC32="AAAAAA=="
    )
    assert wrong["Code"] == "BadDigest", wrong
    assert code(
        s3.put_object, Bucket="games", Key="c", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA=="
    ) in ["BadDigest"]
    assert code(s3.put_object, Bucket="games", Key="c", Body=b"x", IfNoneMatch="*") == (
        "PreconditionFailed"
    )
    assert s3.get_object(Bucket="games", Key="c")["Body"].read() == b"c"

    # A link for one operation and key, by Signature Version 4.
    old = s3.generate_presigned_url("get_object", Params={"Bucket": "games", "Key": "c"})
    try:
        urllib.request.urlopen(old)
        raise AssertionError("Signature Version 2 was taken")
    except urllib.error.HTTPError as error:
        assert b"Signature Version 2 is not served" in error.read()
    v4 = user("studio", signature_version="s3v4")
    link = v4.generate_presigned_url("get_object", Params={"Bucket": "games", "Key": "c"})
    assert urllib.request.urlopen(link).read() == b"c"
    try:
        urllib.request.urlopen(link.replace("/c?", "/e?"))
        raise AssertionError("another key by the same link")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error

    # In parts: each too small but the last; in order; with their ETags; once.
    at = {"Bucket": "games", "Key": "parts"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    big = os.urandom(5 << 20)
    first = s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=big)["ETag"]
    small = s3.upload_part(**at, UploadId=upload, PartNumber=2, Body=b"small")["ETag"]
    last = s3.upload_part(**at, UploadId=upload, PartNumber=7, Body=b"last")["ETag"]
    parts = s3.list_parts(**at, UploadId=upload)["Parts"]
    assert [part["PartNumber"] for part in parts] == [1, 2, 7], parts

    def complete(*named):
        named = [{"PartNumber": number, "ETag": etag} for number, etag in named]
        return dict(**at, UploadId=upload, MultipartUpload={"Parts": named})

    done = s3.complete_multipart_upload
    assert code(done, **complete((1, first), (2, small), (7, last))) == "EntityTooSmall"
    assert code(done, **complete((7, last), (1, first))) == "InvalidPartOrder"
    assert code(done, **complete((1, small))) == "InvalidPart"
    assert code(done, **complete((3, last))) == "InvalidPart"
    assert code(s3.head_object, **at) == "404"
    made = done(**complete((1, first), (7, last)))
    assert made["ETag"].endswith('-2"'), made
    assert done(**complete((1, first), (7, last)))["ETag"] == made["ETag"]
    assert s3.get_object(**at)["Body"].read() == big + b"last"
    across = s3.get_object(**at, Range=f"bytes={len(big) - 2}-{len(big) + 1}")["Body"].read()
    assert across == big[-2:] + b"la"
    assert code(s3.list_parts, **at, UploadId=upload) == "NoSuchUpload"
    assert code(s3.upload_part, **at, UploadId="x", PartNumber=1, Body=b"x") == "NoSuchUpload"

    # Whatever is not served says so.
    assert code(s3.put_bucket_versioning, Bucket="games", VersioningConfiguration={}) == (
        "NotImplemented"
    )
    assert code(s3.delete_bucket, Bucket="games") == "BucketNotEmpty"
    named = [{"Key": key} for key in everything]
    s3.delete_objects(Bucket="games", Delete={"Objects": named})
    s3.delete_object(**at)
    s3.delete_object(**at)
    s3.delete_bucket(Bucket="games")
    assert [found["Name"] for found in other.list_buckets()["Buckets"]] == ["games"]

    # `localhost` is a name, so that clients put the bucket's before it. Not every machine's resolver
    # knows that such names are its own (RFC 6761, 6.3).
    resolve = socket.getaddrinfo

    def at_home(host, *rest, **more):
        name = "127.0.0.1" if str(host).endswith(".localhost") else host
        return resolve(name, *rest, **more)

    socket.getaddrinfo = at_home
    port = endpoint().rsplit(":", 1)[1]
    keys = boto3.Session(profile_name="studio").get_credentials()
    virtual = boto3.client(
        "s3",
        endpoint_url=f"http://localhost:{port}",
        region_name="us-west-2",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(s3={"addressing_style": "virtual"}),
    )
    virtual.create_bucket(Bucket="virtual", CreateBucketConfiguration=HERE)
    virtual.put_object(Bucket="virtual", Key="a/b", Body=b"x")
    assert s3.get_object(Bucket="virtual", Key="a/b")["Body"].read() == b"x"


def limits():
    """What is too much is refused by name."""
    s3 = user("studio")
    for n in range(100):
        s3.create_bucket(Bucket=f"b{n:03}", CreateBucketConfiguration=HERE)
    refusal = refused(
        ClientError, s3.create_bucket, Bucket="one-more", CreateBucketConfiguration=HERE
    )
    assert refusal["Code"] == "TooManyBuckets" and "100" in refusal["Message"], refusal
    user("backend").create_bucket(Bucket="one-more", CreateBucketConfiguration=HERE)
    at = {"Bucket": "b000", "Key": "k"}
    s3.put_object(Bucket="b000", Key="k" * 1024, Body=b"x")
    assert code(s3.put_object, Bucket="b000", Key="k" * 1025, Body=b"x") == "KeyTooLongError"
    assert code(s3.put_object, **at, Body=b"x", Metadata={"m": "x" * 2048}) == "MetadataTooLarge"
    upload = s3.create_multipart_upload(**at)["UploadId"]
    for number in [0, 10001]:
        refusal = refused(
            ClientError, s3.upload_part, **at, UploadId=upload, PartNumber=number, Body=b"x"
        )
        assert refusal["Code"] == "InvalidArgument", refusal
    # A temporary credential cannot use up what the account may have.
    build, given, to = new_build()
    temporarily = temporary("s3", given)
    begun = [temporarily.create_multipart_upload(**to)["UploadId"] for _ in range(2)]
    refusal = refused(ClientError, temporarily.create_multipart_upload, **to)
    assert refusal["Code"] == "SlowDown" and "2 multipart uploads" in refusal["Message"], refusal
    temporarily.abort_multipart_upload(**to, UploadId=begun[0])
    temporarily.create_multipart_upload(**to)
    named = [{"Key": str(n)} for n in range(1001)]
    assert code(s3.delete_objects, Bucket="b000", Delete={"Objects": named}) == "MalformedXML"
    for name in ["ab", "Upper", "under_score", "-dash", "192.168.0.1", "tombolo-x"]:
        # The client has rules of its own, so that some come only from others.
        s3.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
        refusal = refused(
            ClientError, s3.create_bucket, Bucket=name, CreateBucketConfiguration=HERE
        )
        assert refusal["Code"] == "InvalidBucketName", (name, refusal)


def location():
    """A build of an object in the account's own bucket, which stays as it is."""
    s3 = user("studio")
    s3.create_bucket(Bucket="games", CreateBucketConfiguration=HERE)
    body = archive({"server": b"#!/bin/sh\nexec sleep infinity\n"})
    s3.put_object(Bucket="games", Key="arena.zip", Body=body)
    at = {"Bucket": "games", "Key": "arena.zip"}
    made = STUDIO.create_build(Name="arena", StorageLocation=at)
    assert "UploadCredentials" not in made, made
    ready = settled(made["Build"]["BuildId"])
    assert ready["Status"] == "READY" and ready["SizeOnDisk"] == 0, ready
    assert s3.get_object(**at)["Body"].read() == body

    missing = {"Bucket": "games", "Key": "none.zip"}
    refusal = refused(ClientError, STUDIO.create_build, StorageLocation=missing)
    assert refusal["Code"] == "InvalidRequestException", refusal
    stranger = client("backend", "gamelift")
    refusal = refused(ClientError, stranger.create_build, StorageLocation=at)
    assert "there is no object s3://games/arena.zip" in refusal["Message"], refusal
    assert account("backend") in refusal["Message"], refusal


if __name__ == "__main__":
    scenarios = [upload, credentials, expiry, archives, objects, limits, location]
    {scenario.__name__: scenario for scenario in scenarios}[sys.argv[1]]()
