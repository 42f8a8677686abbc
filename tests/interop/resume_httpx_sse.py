"""Listens with httpx-sse and prints each event it is given as a line of JSON.

Usage: python3 resume_httpx_sse.py <url> <token>
Needs the package httpx-sse. When the stream breaks it comes back with its last event id, after the server's `retry`.
Ends when it is killed; who started it judges the lines.
"""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse

# The server beats; who is silent for longer than this is gone.
SILENCE_SECONDS = 30


def listen(client, url, headers, place):
    """One stream until it breaks; `place` keeps where it stands and when to come back."""
    if place["last"]:
        headers = headers | {"Last-Event-ID": place["last"]}
    with connect_sse(client, "GET", url, headers=headers) as source:
        source.response.raise_for_status()
        for event in source.iter_sse():
            # The package gives each event the id that was last seen, as browsers do.
            place["last"] = event.id or place["last"]
            if event.retry is not None:
                place["wait"] = event.retry / 1000
            print(json.dumps({"name": event.event, "id": event.id, "data": event.data}), flush=True)


def main(url, token):
    place = {"last": "", "wait": 1}
    with httpx.Client(timeout=httpx.Timeout(10, read=SILENCE_SECONDS)) as client:
        while True:
            try:
                listen(client, url, {"Authorization": f"Bearer {token}"}, place)
                print("the stream ended", file=sys.stderr)
            except httpx.TransportError as error:
                print(f"broken: {error!r}", file=sys.stderr)
            time.sleep(place["wait"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: resume_httpx_sse.py <url> <token>")
    main(*sys.argv[1:])
