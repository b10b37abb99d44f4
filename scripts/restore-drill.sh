#!/bin/sh
# Restores the newest backup in a folder to a temporary place and compares: a
# backup that was never restored is a hope. Prints one line, with -q none, and
# exits with 0 only if the restored database is sound and equal to its backup.
#
#   restore-drill.sh [-q] BACKUPS
#
# KVSH names the program; without it, kvsh. TMPDIR needs room for the database.
set -eu

quiet=
if [ "${1-}" = -q ]; then
	quiet=1
	shift
fi
if [ $# -ne 1 ]; then
	echo 'usage: restore-drill.sh [-q] BACKUPS' >&2
	exit 2
fi
backups=$1
kvsh=${KVSH:-kvsh}

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM

# The newest state that the folder holds, from its snapshots and increments;
# and, for comparison, the newest snapshot by itself.
"$kvsh" -q snapshot restore "$backups" --to "$place/restored.kv"
"$kvsh" -q -d "$place/restored.kv" check >/dev/null

newest=$("$kvsh" -m tsv snapshot ls "$backups" | awk -F '\t' '$1 ~ /\.kvs$/ { print $1; exit }')
"$kvsh" -q snapshot restore "$newest" --to "$place/newest.kv"
rev=$("$kvsh" -d "$newest" -m tsv info | awk -F "\t" '$1 == "rev" { print $2 }')
want=$("$kvsh" -d "$newest" hash --at "$rev")
got=$("$kvsh" -d "$place/newest.kv" hash --at "$rev")
if [ "$want" != "$got" ]; then
	echo "restore-drill.sh: $newest has the digest $want, restored it has $got" >&2
	exit 1
fi
if [ -z "$quiet" ]; then
	keys=$("$kvsh" -d "$place/restored.kv" count)
	echo "restored and compared $newest; with the log since, $keys keys"
fi
