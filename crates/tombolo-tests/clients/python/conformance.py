"""Breaks every constraint that botocore's model puts on the operations served, one at a time.

usage: conformance.py

Each must be answered by InvalidRequestException that names the member. botocore itself checks
some constraints before it sends anything; that is turned off, so that it is the server that says
no. Operations that are not served must say so, by name.
"""

import json
import os
import pathlib

import botocore.session
from botocore.exceptions import ClientError
from tombolo import client

# What satisfies a pattern, by shape. Everything else is satisfied by a row of letters.
EXAMPLES = {
    "ArnStringModel": "arn:aws:gamelift:us-west-2::build/build-0",
    "AmazonResourceName": "arn:aws:gamelift:us-west-2::build/build-0",
    "BuildId": "build-0",
    "BuildIdOrArn": "build-0",
    "FleetId": "fleet-0",
    "FleetIdOrArn": "fleet-0",
    "IpRange": "10.0.0.0/8",
    "ScriptId": "script-0",
    "ScriptIdOrArn": "script-0",
    "ServerSdkVersion": "5.0.0",
    "NonNegativeLimitedLengthDouble": "1.5",
}


def example(shape):
    """The smallest value that satisfies a shape."""
    match shape.type_name:
        case "structure":
            return {name: example(shape.members[name]) for name in shape.required_members}
        case "list":
            # A query cannot say that a list is there and empty.
            return [example(shape.member)] * max(shape.metadata.get("min", 1), 1)
        case "map":
            return {}
        case "string":
            if getattr(shape, "enum", None):
                return shape.enum[0]
            return EXAMPLES.get(shape.name, "a" * max(shape.metadata.get("min", 1), 1))
        case "integer" | "long":
            return shape.metadata.get("min", 1)
        case "double":
            return 1.5
        case "boolean":
            return True
        case "timestamp":
            return 1_700_000_000
    raise AssertionError(f"no example of a {shape.type_name}")


def violations(shape):
    """Pairs of a value that breaks one constraint of a shape, and what it breaks."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "string":
            if least:
                yield "", "is empty"
            if most and most <= 10_000:
                yield "a" * (most + 1), f"has {most + 1} characters"
            if shape.metadata.get("pattern"):
                yield " \t ", "does not match the pattern"
            if getattr(shape, "enum", None):
                yield "NO_SUCH_VALUE", "is not of the enum"
        case "list":
            if least:
                yield [example(shape.member)] * (least - 1), "is too short"
            if most and most <= 10_000:
                yield [example(shape.member)] * (most + 1), "is too long"
        case "integer" | "long":
            if least is not None:
                yield least - 1, "is too small"
            if most is not None and most < 2**31 - 1:
                yield most + 1, "is too large"


def broken(shape, name, seen=()):
    """Values of a shape that are right in all places but one.

    With each comes the name of the member to blame, and why.
    """
    for value, why in violations(shape):
        yield value, name, why
    if shape.type_name == "list":
        for value, to_blame, why in broken(shape.member, name, seen):
            yield [value], to_blame, why
    if shape.type_name == "structure" and shape.name not in seen:
        whole = example(shape)
        for missing in shape.required_members:
            yield {n: v for n, v in whole.items() if n != missing}, missing, "is missing"
        for inner, member in shape.members.items():
            for value, to_blame, why in broken(member, inner, (*seen, shape.name)):
                yield {**whole, inner: value}, to_blame, why


def check_constraints(gamelift, service, served):
    checked, wrong = 0, []
    for operation in served:
        shape = service.operation_model(operation).input_shape
        for arguments, member, why in broken(shape, operation):
            checked += 1
            code, message = answer(gamelift, operation, arguments)
            if code != "InvalidRequestException" or member.lower() not in message.lower():
                wrong.append(f"{operation} where {member} {why}: {code}: {message[:300]}")
    assert not wrong, "\n".join([f"{len(wrong)} of {checked} wrong:", *wrong])
    assert checked > 100, f"only {checked} constraints were found"
    return checked


def check_unserved(gamelift, unserved):
    for operation in unserved:
        code, message = answer(gamelift, operation, {}, status=501)
        assert code == "NotImplementedException" and operation in message, (operation, code, message)


def check_ec2_requirements(ec2, service, served):
    checked = 0
    for operation in served:
        shape = service.operation_model(operation).input_shape
        for missing in shape.required_members:
            checked += 1
            arguments = {name: value for name, value in example(shape).items() if name != missing}
            code, message = answer(ec2, operation, arguments)
            assert code == "MissingParameter", (operation, missing, code, message)
            wire_name = shape.members[missing].serialization.get("name", missing)
            assert wire_name.lower() in message.lower(), (operation, missing, message)
    assert checked > 5, f"only {checked} required parameters were found"
    return checked


def answer(client, operation, arguments, status=400):
    """The code and message of an error."""
    try:
        client._make_api_call(operation, arguments)
    except ClientError as error:
        got = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert got == status, (operation, arguments, error.response)
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "nothing", "it was accepted"


def served_and_not(service_name):
    models = pathlib.Path(os.environ["TOMBOLO_MODELS"])
    model = json.loads((models / f"{service_name}.json").read_text())
    return sorted(model["operations"]), model["unserved"]


def main():
    session = botocore.session.get_session()
    gamelift, ec2 = session.get_service_model("gamelift"), session.get_service_model("ec2")
    unchecked = {"parameter_validation": False}
    fleets, networks = client("studio", "gamelift", **unchecked), client("studio", "ec2", **unchecked)

    served, unserved = served_and_not("gamelift")
    assert sorted(served + unserved) == sorted(gamelift.operation_names)
    print(check_constraints(fleets, gamelift, served), "constraints of GameLift")
    check_unserved(fleets, unserved)
    print(len(unserved), "GameLift operations say that they are not served")

    served, _ = served_and_not("ec2")
    print(check_ec2_requirements(networks, ec2, served), "required parameters of EC2")


main()
