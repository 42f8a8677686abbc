"""Writes records with confluent-kafka and reads them back, alone and as a group.

Usage: python3 broker_confluent.py <bootstrap> <topic>
Needs the package confluent-kafka. Ends with 0 when everything came back as it was.
"""

import os
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

DEADLINE_SECONDS = 60
PARTITIONS = 3


def read(consumer, wanted, run):
    """Polls until as many records of this run have come."""
    seen = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(seen) < wanted:
        assert time.monotonic() < deadline, f"{len(seen)} of {wanted} records came back"
        message = consumer.poll(1)
        if message is None:
            continue
        assert message.error() is None, message.error()
        if ("run", run) in (message.headers() or []):
            seen.append(message)
    return seen


def create(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(DEADLINE_SECONDS)
    except Exception as error:
        assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, error
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    configs = admin.describe_configs([resource])[resource].result(DEADLINE_SECONDS)
    assert configs["message.timestamp.type"].value == "LogAppendTime", configs
    return admin


def publish(bootstrap, topic, records):
    delivered = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "allow.auto.create.topics": False})
    for key, value, headers in records:
        producer.produce(topic, key=key, value=value, headers=headers, on_delivery=lambda e, m: delivered.append((e, m)))
    assert producer.flush(DEADLINE_SECONDS) == 0, "not everything was delivered"
    assert [error for error, _ in delivered if error] == []


def check(seen, records, run):
    number = lambda message: int(dict(message.headers())["n"])
    seen.sort(key=number)
    for message, (key, value, headers) in zip(seen, records, strict=True):
        assert message.key() == key.encode(), message.key()
        assert message.value() == (None if value is None else value.encode()), message.value()
        assert message.headers() == headers, message.headers()


def main(bootstrap, topic):
    run = f"confluent-{os.getpid()}-{time.time_ns()}".encode()
    records = [
        (f"mall:{n % 3}", None if n == 7 else f"값 {n}", [("run", run), ("n", str(n).encode()), ("null", None)])
        for n in range(20)
    ]
    admin = create(bootstrap, topic)
    publish(bootstrap, topic, records)

    common = {"bootstrap.servers": bootstrap, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    alone = Consumer(common | {"group.id": "unused"})
    alone.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    check(read(alone, len(records), run), records, run)
    alone.close()

    group = common | {"group.id": run.decode()}
    member = Consumer(group)
    member.subscribe([topic])
    check(read(member, len(records), run), records, run)
    committed = member.commit(asynchronous=False)
    assert committed and all(p.error is None for p in committed), committed
    member.close()

    after = Consumer(group)
    kept = after.committed([TopicPartition(topic, p) for p in range(PARTITIONS)], timeout=DEADLINE_SECONDS)
    offsets = lambda partitions: {p.partition: p.offset for p in partitions if p.offset >= 0}
    assert offsets(kept) == offsets(committed) != {}, kept
    after.close()
    admin.delete_consumer_groups([run.decode()])[run.decode()].result(DEADLINE_SECONDS)
    print(f"confluent-kafka: {len(records)} records written and read back")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: broker_confluent.py <bootstrap> <topic>")
    main(*sys.argv[1:])
