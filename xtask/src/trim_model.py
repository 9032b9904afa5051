"""Prints what Tombolo keeps of one service's model, from the botocore installed beside this Python.

usage: trim_model.py SERVICE/VERSION OPERATION...

Kept: the metadata that decides what goes over the wire, the named operations, every shape that
they reach, and the names of all other operations. Dropped: documentation, and whatever only
matters to a client.
"""

import gzip
import json
import pathlib
import sys

import botocore

METADATA = ("apiVersion", "jsonVersion", "protocol", "serviceId", "targetPrefix", "xmlNamespace")
SHAPE = ("type", "required", "members", "member", "key", "value", "enum", "pattern", "min", "max",
         "sensitive", "exception", "fault")
REFERENCE = ("shape", "locationName", "queryName", "resultWrapper")


def pick(source, keys):
    return {key: source[key] for key in keys if key in source}


def shape(source):
    kept = pick(source, SHAPE)
    if "members" in kept:
        kept["members"] = {name: pick(to, REFERENCE) for name, to in kept["members"].items()}
    for inner in ("member", "key", "value"):
        if inner in kept:
            kept[inner] = pick(kept[inner], REFERENCE)
    return kept


def references(kept):
    yield from (to["shape"] for to in kept.get("members", {}).values())
    yield from (kept[inner]["shape"] for inner in ("member", "key", "value") if inner in kept)


def operation(source):
    kept = {end: pick(source[end], REFERENCE) for end in ("input", "output") if end in source}
    kept["errors"] = [error["shape"] for error in source.get("errors", [])]
    return kept


def trim(model, served):
    operations = {name: operation(model["operations"][name]) for name in sorted(served)}
    shapes, todo = {}, []
    for kept in operations.values():
        todo += [kept[end]["shape"] for end in ("input", "output") if end in kept] + kept["errors"]
    while todo:
        name = todo.pop()
        if name not in shapes:
            shapes[name] = shape(model["shapes"][name])
            todo += references(shapes[name])
    return {
        "metadata": pick(model["metadata"], METADATA),
        "operations": operations,
        "unserved": sorted(set(model["operations"]) - set(served)),
        "shapes": dict(sorted(shapes.items())),
    }


def main():
    service, served = sys.argv[1], sys.argv[2:]
    path = pathlib.Path(botocore.__file__).parent / "data" / service / "service-2.json.gz"
    model = json.loads(gzip.decompress(path.read_bytes()))
    json.dump(trim(model, served), sys.stdout, indent=1)
    sys.stdout.write("\n")


main()
