#!/bin/sh
# Publishes ten notifications with kcat: `publish_kcat.sh <bootstrap> <topic>`. Needs kcat; the topic must exist.
set -eu

[ $# -eq 2 ] || { echo "usage: $0 <bootstrap> <topic>" >&2; exit 2; }
for n in 1 2 3 4 5 6 7 8 9 10; do
    echo "{\"type\":\"notice.published\",\"audience\":\"mall:7\",\"title\":\"알림 $n\"}"
done | kcat -P -b "$1" -t "$2" -k mall:7 -X partitioner=murmur2_random

echo "kcat: 10 notifications published"
