"""Plays the outbox of kafka/README.md: transactions that commit late, a relay that dies, and two relays at once.

Usage: python3 outbox.py <postgres url> <folder> <bootstrap> <topic>
The folder holds the page's SQL: outbox-table.sql, outbox-insert.sql, outbox-take.sql, outbox-done.sql.
Needs the packages psycopg and confluent-kafka. Ends well when nothing was lost; says what was published, in order.
"""

import json
import sys
import threading
import time
from pathlib import Path

import psycopg
from confluent_kafka import Producer


class Relay:
    """One connection that takes turns, each with the page's statements."""

    def __init__(self, url, sql, producer, topic):
        self.connection = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor)
        self.sql, self.producer, self.topic = sql, producer, topic

    def take(self):
        for statement in self.sql["take"]:
            cursor = self.connection.execute(statement)
        return cursor.fetchall()

    def publish(self, rows):
        failed = []
        for _, key, event in rows:
            self.producer.produce(self.topic, key=key, value=event,
                                  on_delivery=lambda error, _: failed.append(error) if error else None)
        assert self.producer.flush(60) == 0 and not failed, f"not everything was acknowledged: {failed}"
        for _, _, event in rows:
            print("published", json.loads(event)["id"], flush=True)

    def done(self, rows):
        delete, commit = self.sql["done"]
        self.connection.execute(delete, [[row[0] for row in rows]])
        self.connection.execute(commit)

    def turn(self):
        rows = self.take()
        self.publish(rows)
        self.done(rows)
        return rows


def insert(connection, name):
    event = {"id": name, "source": "/interop/outbox", "type": "test.happened", "audience": "mall:1001",
             "mallNo": 1001, "title": name}
    row = connection.execute("INSERT INTO outbox (message_key, event) VALUES ('mall:1001', %s) RETURNING id",
                             [json.dumps(event)])
    return row.fetchone()[0]


def names(rows):
    return [json.loads(event)["id"] for _, _, event in rows]


def commits_out_of_order(url, service, relay):
    """One takes the lower number and commits last: when the relay has read already, and is about to delete."""
    late = psycopg.connect(url)
    lower = insert(late, "late")
    higher = insert(service, "early")
    assert lower < higher
    rows = relay.take()
    assert names(rows)[-1] == "early" and "late" not in names(rows), rows
    late.commit()
    relay.publish(rows)
    relay.done(rows)
    behind = service.execute("SELECT id FROM outbox WHERE id > %s", [higher]).fetchall()
    assert behind == [], "a relay with a bookmark would have seen it: the test shows nothing"
    assert names(relay.turn()) == ["late"]


def dies_before_it_deletes(service, relay, successor):
    insert(service, "twice")
    relay.publish(relay.take())
    relay.connection.close()
    assert names(successor.turn()) == ["twice"]


def takes_turns(service, one, other):
    """The second waits for the first, and then sends what is left, behind it."""
    insert(service, "first")
    rows = one.take()
    taken = []
    waiting = threading.Thread(target=lambda: taken.extend(other.turn()))
    waiting.start()
    give_up = time.monotonic() + 60
    question = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while service.execute(question).fetchone()[0] == 0:
        assert time.monotonic() < give_up, "the second relay does not wait"
        time.sleep(0.01)
    insert(service, "second")
    one.publish(rows)
    one.done(rows)
    waiting.join(60)
    assert names(rows) == ["first"] and names(taken) == ["second"], (rows, taken)


def main(url, folder, bootstrap, topic):
    pages = {path.stem.removeprefix("outbox-"): path.read_text() for path in Path(folder).glob("outbox-*.sql")}
    sql = {name: [part for part in text.split(";") if part.strip()] for name, text in pages.items()}
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "partitioner": "murmur2_random"})
    relays = [Relay(url, sql, producer, topic) for _ in range(3)]
    service = psycopg.connect(url, autocommit=True)
    service.execute("CREATE TABLE orders (order_no text PRIMARY KEY, status text NOT NULL)")
    service.execute("INSERT INTO orders VALUES ('202611210000000000', 'PRODUCT_PREPARE')")
    service.execute(pages["table"])
    service.execute(pages["insert"])
    assert service.execute("SELECT status FROM orders").fetchone() == ("DELIVERY_ING",)

    commits_out_of_order(url, service, relays[0])
    dies_before_it_deletes(service, relays[0], relays[1])
    takes_turns(service, relays[1], relays[2])
    assert service.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: outbox.py <postgres url> <folder> <bootstrap> <topic>")
    main(*sys.argv[1:])
