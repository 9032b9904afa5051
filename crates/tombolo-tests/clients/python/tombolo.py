"""What the Python clients share: sessions of both accounts, waiting, and a look at the wire.

boto3 leaves out what it does not know, so a reply with a wrong member name would pass unseen.
Every client made here compares what came over the wire with botocore's own model first.
"""

import json
import time

import boto3
from botocore.config import Config

PATIENCE = 60

# What any GameLift operation may answer beside the errors that its model declares: AWS's "Common
# error types".
COMMON_ERRORS = {
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InternalServiceException",
    "InvalidRequestException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "NotImplementedException",
    "SerializationException",
    "ThrottlingException",
    "UnrecognizedClientException",
}


def client(profile, service, **config):
    """A client of one account, of the configuration file that the server wrote."""
    config = Config(retries={"total_max_attempts": 1}, **config)
    made = boto3.Session(profile_name=profile).client(service, config=config)
    if service == "gamelift":
        made.meta.events.register("before-parse.gamelift", look_at_the_wire)
    return made


def account(profile):
    return client(profile, "sts").get_caller_identity()["Account"]


def until(what, look):
    """Looks again and again until there is something, or the time is over."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.02)


def refused(error_class, call, **arguments):
    """Calls, and gives the error that the call must end with."""
    try:
        call(**arguments)
    except error_class as error:
        return error.response["Error"]
    raise AssertionError(f"{call.__name__}({arguments}) was not refused")


def look_at_the_wire(operation_model, response_dict, **_):
    """Holds a reply against botocore's model, before botocore drops what is not in it."""
    body = response_dict["body"]
    headers = response_dict["headers"]
    assert headers.get("x-amzn-RequestId"), f"no request id in {dict(headers)}"
    document = json.loads(body) if body else {}
    if response_dict["status_code"] == 200:
        shape = operation_model.output_shape
        if shape is None:
            assert document == {}, f"{operation_model.name} has no output, and got {document}"
        else:
            same_names(operation_model.name, shape, document)
        return
    code = document["__type"].split("#")[-1].split(":")[0]
    declared = {shape.name for shape in operation_model.error_shapes}
    assert code in declared | COMMON_ERRORS, (
        f"{operation_model.name} answered {code}, and declares {sorted(declared)}"
    )


def same_names(path, shape, value):
    """Fails when a value has a member that its shape has not, or another type."""
    types = {
        "structure": dict,
        "map": dict,
        "list": list,
        "string": str,
        "integer": int,
        "long": int,
        "timestamp": (int, float),
        "double": (int, float),
        "float": (int, float),
        "boolean": bool,
    }
    assert isinstance(value, types[shape.type_name]), f"{path} is {value!r}, not a {shape.type_name}"
    if shape.type_name == "structure":
        for name, member in value.items():
            assert name in shape.members, f"{path} has no member {name} in the model"
            same_names(f"{path}.{name}", shape.members[name], member)
    elif shape.type_name == "list":
        for index, member in enumerate(value):
            same_names(f"{path}[{index}]", shape.member, member)
    elif shape.type_name == "map":
        for name, member in value.items():
            same_names(f"{path}.{name}", shape.value, member)
    elif getattr(shape, "enum", None):
        assert value in shape.enum, f"{path} is {value!r}, not of {shape.enum}"
