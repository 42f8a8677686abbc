"""Listens with the package websockets, and prints each message as the event that it would be in an event stream.

Usage: python3 resume_websockets.py <url> <token>
A line of JSON each. When the line breaks it comes back after a second with its last position. Ends when it is killed;
who started it judges the lines.
"""

import json
import sys
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def listen(url, token, place):
    """One connection until it breaks; `place` keeps where it stands."""
    headers = {"Authorization": f"Bearer {token}"}
    with connect(url, subprotocols=["allim.v1"], additional_headers=headers, proxy=None) as socket:
        assert socket.subprotocol == "allim.v1", socket.subprotocol
        socket.send(json.dumps({"type": "resume"} | place))
        for text in socket:
            message = json.loads(text)
            kind = message["type"]
            if "position" in message:
                place["position"] = message["position"]
            name = "message" if kind == "notification" else kind
            data = json.dumps(message[kind])
            print(json.dumps({"name": name, "id": message.get("position", ""), "data": data}), flush=True)


def main(url, token):
    place = {}
    while True:
        try:
            listen(url, token, place)
            print("the stream ended", file=sys.stderr)
        except (ConnectionClosed, OSError, EOFError) as error:
            print(f"broken: {error!r}", file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: resume_websockets.py <url> <token>")
    main(*sys.argv[1:])
