#!/bin/sh
# Writes records with kcat and reads them back, alone and as a group: `broker_kcat.sh <bootstrap> <topic>`.
# Needs kcat; the topic must exist. Ends with 0 when everything came back as it was.
set -eu

[ $# -eq 2 ] || { echo "usage: $0 <bootstrap> <topic>" >&2; exit 2; }
bootstrap=$1 topic=$2
run="kcat-$$-$(date +%s)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kcat -b "$bootstrap" -L -t "$topic" | grep -q "topic \"$topic\" with [1-9]" || { echo "no topic $topic" >&2; exit 1; }

for n in 1 2 3 4 5 6 7 8 9 10; do echo "$run:value $n"; done >"$work/sent"
kcat -b "$bootstrap" -P -t "$topic" -p 0 -K : -H "run=$run" -H "n=7" <"$work/sent"

# Alone: from the beginning to the end of the partition.
kcat -b "$bootstrap" -C -t "$topic" -p 0 -o beginning -e -q -f '%h|%k:%s\n' >"$work/all"
grep "^run=$run,n=7|" "$work/all" | cut -d '|' -f 2 >"$work/read" || true
diff "$work/sent" "$work/read"

# As a group: until the ends of all its partitions.
timeout 60 kcat -b "$bootstrap" -G "$run" -X auto.offset.reset=earliest -e -q -f '%k:%s\n' "$topic" \
    >"$work/group" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
grep "^$run:" "$work/group" >"$work/read" || true
diff "$work/sent" "$work/read"

echo "kcat: 10 records written and read back"
