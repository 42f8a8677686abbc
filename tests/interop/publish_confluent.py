"""Publishes ten notifications with confluent-kafka, each in a transaction, and aborts ten others in between.

Usage: python3 publish_confluent.py <bootstrap> <topic>
Needs the package confluent-kafka; the topic must exist, and the brokers must know transactions.
"""

import json
import os
import sys

from confluent_kafka import Producer


def main(bootstrap, topic):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"interop-{os.getpid()}"})
    producer.init_transactions(60)

    def send(title):
        event = {"type": "notice.published", "audience": "mall:7", "title": title}
        producer.produce(topic, key="mall:7", value=json.dumps(event))
        assert producer.flush(60) == 0, "not everything was delivered"

    for n in range(1, 11):
        producer.begin_transaction()
        send(f"taken back {n}")
        producer.abort_transaction(60)
        producer.begin_transaction()
        send(f"알림 {n}")
        producer.commit_transaction(60)
    print("confluent-kafka: 10 notifications published")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: publish_confluent.py <bootstrap> <topic>")
    main(*sys.argv[1:])
