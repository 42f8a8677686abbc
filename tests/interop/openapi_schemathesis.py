"""Asks a running demo server all that /openapi.json promises: openapi_schemathesis.py URL [OPTION]…

Schemathesis makes requests that fit the document, and requests that do not, and judges every answer. What no schema can
say is said here: what a position looks like, whose source an event has, and which export is there.
"""

import base64
import json
import os
import random
import sys
import tempfile
import time
import urllib.request

if len(sys.argv) < 2:
    sys.exit("usage: openapi_schemathesis.py URL [OPTION]…")
url = sys.argv[1]
# Whoever started this waits for the next line, and not for the last.
sys.stdout.reconfigure(line_buffering=True)
here = os.path.dirname(os.path.abspath(__file__))
# Some seconds each; whoever looks for more sets more.
EXAMPLES = os.environ.get("OPENAPI_EXAMPLES", "100")


def ask(path, body=None):
    request = urllib.request.Request(url + path, data=body, headers={"Authorization": "Bearer demo-70001"})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def an_export():
    """Every third fails, and a few may be under way at once."""
    for _ in range(2):
        number = json.loads(ask("/demo/exports", b"{}"))["exportNo"]
        try:
            ask(f"/demo/exports/{number}")
            return number
        except urllib.error.HTTPError:
            pass
    sys.exit("no export has a file")


# What the configuration beside this takes from here.
os.environ["EXPORT"] = an_export()

import hypothesis  # noqa: E402
import schemathesis  # noqa: E402
from schemathesis.cli import schemathesis as command  # noqa: E402

# It would go on long beyond its examples to find requests that are taken more often.
phases = set(hypothesis.Phase) - {hypothesis.Phase.target}
hypothesis.settings.register_profile("asked", phases=phases)
hypothesis.settings.load_profile("asked")


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def position(epoch, offsets):
    raw = b"\x01" + epoch.to_bytes(8, "big") + b"".join(map(varint, offsets))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def a_position(text):
    """A good one for each text: no pattern can say what one looks like inside."""
    dice = random.Random(text)
    return position(dice.getrandbits(64), [dice.getrandbits(dice.randint(1, 63)) for _ in range(dice.randint(0, 8))])


def whole(value):
    """To JSON Schema 5.0 is a whole number; to this server, as to most, it is none."""
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def known_events():
    """Each type's fields as its example has them, from the document of the topics."""
    schemas = json.loads(ask("/asyncapi.json"))["components"]["schemas"].values()
    return {schema["title"]: schema["examples"][0] for schema in schemas if schema.get("examples")}


known = known_events()


@schemathesis.hook
def map_case(context, case):
    """What fits the document becomes what its words want as well."""
    if case.meta is None or case.meta.generation.mode.is_negative or not isinstance(case.body, dict):
        return case
    case.body = event = whole(case.body)
    operation = case.operation.definition.raw.get("operationId")
    if operation == "markRead" and "upTo" in event:
        event["upTo"] = a_position(event["upTo"])
    if operation != "publish":
        return case
    if event.get("source") is not None:
        event["source"] = "/publishers/demo"
    if event.get("audience") is None and event.get("type") in known:
        event["data"] = known[event["type"]]
    if case.headers and event.get("id") is not None:
        case.headers.pop("Idempotency-Key", None)
    return case


began = time.monotonic()
# It remembers things in the folder where it runs.
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)
arguments = [
    "--config-file",
    os.path.join(here, "schemathesis.toml"),
    "run",
    url + "/openapi.json",
    "--max-examples",
    EXAMPLES,
    *sys.argv[2:],
]
try:
    command.main(arguments, standalone_mode=False)
finally:
    print(f"after {time.monotonic() - began:.1f} s")
