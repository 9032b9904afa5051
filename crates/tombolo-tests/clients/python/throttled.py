"""Asks each service more often than the server lets it, without retries, and prints how boto3 takes
the refusal; then asks with retries, which go on until they are let in.

usage: throttled.py
"""

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.retries.standard import RetryContext, ThrottledRetryableChecker

CALLS = [
    ("gamelift", "list_builds"),
    ("ec2", "describe_regions"),
    ("sts", "get_caller_identity"),
    ("s3", "list_buckets"),
]


def refusal(client, operation):
    for _ in range(100):
        try:
            getattr(client, operation)()
        except ClientError as error:
            return error.response
    raise SystemExit(f"{operation} was never refused")


session = boto3.Session(profile_name="studio")
for service, operation in CALLS:
    once = session.client(service, config=Config(retries={"total_max_attempts": 1}))
    refused = refusal(once, operation)
    # What boto3's own retries ask: whether this is a throttle, after which they slow down.
    context = RetryContext(attempt_number=1, parsed_response=refused)
    is_throttle = ThrottledRetryableChecker().is_retryable(context)
    kind = "throttle" if is_throttle else "other"
    status = refused["ResponseMetadata"]["HTTPStatusCode"]
    print(service, refused["Error"]["Code"], status, kind)
    retries = {"mode": "standard", "total_max_attempts": 10}
    patient = session.client(service, config=Config(retries=retries))
    for _ in range(3):
        getattr(patient, operation)()
