#!/usr/bin/env bash
# Measures what kvsh promises of large databases, with public tools alone: time
# and memory of an import, that a kill leaves nothing or everything of it, what a
# get costs in a small and a large database, and many processes that set one
# key each.
#
#	scripts/scale.sh [-n RECORDS] [-s SETS] [PROGRAM]
#
# RECORDS is 10,000,000 and SETS 100,000 unless given; that takes about ten
# minutes and 5 GB below TMPDIR. PROGRAM is ./kvsh unless named. Not a part of
# CI: the figures mean something on an idle machine only. The exit status is 0
# only if all answers were right; a missed budget says MISSED.
set -euo pipefail
export LC_ALL=C

records=10000000 sets=100000
while getopts n:s: option; do
	case $option in
	n) records=$OPTARG ;;
	s) sets=$OPTARG ;;
	*)
		echo "usage: $0 [-n RECORDS] [-s SETS] [PROGRAM]" >&2
		exit 2
		;;
	esac
done
shift $((OPTIND - 1))
cd "$(dirname "$0")/.."
program=$(realpath "${1:-./kvsh}")
[ -x "$program" ] || {
	echo "$0: $program is not there: run 'make build'" >&2
	exit 2
}

work=$(mktemp -d "${TMPDIR:-/tmp}/kvsh-scale.XXXXXX")
trap 'rm -rf "$work"' EXIT
go build -o "$work/scale" ./scripts/scale
scale=$work/scale
cd "$work"

say() { printf '\n# %s\n' "$*"; }

# budget WHAT GOT MOST says whether a number is within its budget.
budget() {
	awk -v what="$1" -v got="$2" -v most="$3" 'BEGIN {
		printf "%s: %s (budget %s)%s\n", what, got, most, got <= most ? "" : "  MISSED" }'
}

# measure FILE COMMAND… runs a command and writes its seconds and its peak of
# resident memory in KiB to FILE.
measure() {
	local file=$1 begin
	shift
	if command -v /usr/bin/time >/dev/null; then
		/usr/bin/time -f '%e %M' -o "$file" "$@"
	else
		begin=$(date +%s%N)
		"$@"
		echo "$((($(date +%s%N) - begin) / 1000000))e-3 0" >"$file"
	fi
}

say "Machine"
echo "$(nproc) processors, $(uname -srm), $("$program" --version)"

say "$records records of 16 byte keys and 100 byte values, in random order, as CSV"
"$scale" gen "$records" >big.csv
"$scale" gen 10000 >small.csv
ls -l big.csv | awk '{ print $5 " bytes" }'
"$program" -q -d small.kv import small.csv

say "Import"
measure took "$program" -d big.kv import big.csv
read -r seconds kib <took
awk -v s="$seconds" -v n="$records" 'BEGIN { printf "%.2f s, %.2f million records a second\n", s, n / s / 1e6 }'
budget "peak of resident memory, MiB" $((kib / 1024)) 256
found=$("$program" -d big.kv count)
[ "$found" = "$records" ] || {
	echo "WRONG: $found keys"
	exit 1
}
echo "$found keys; $(du -sm big.kv | cut -f 1) MiB on disk"

say "Import, killed at 5 random moments"
echo "$seconds" >killed.kv.took
"$program" -q -d killed.kv init
"$scale" kill "$program" big.csv killed.kv "$records" 5
rm -rf killed.kv

say "check"
measure took "$program" -d big.kv check
read -r seconds kib <took
du -sb big.kv | awk -v s="$seconds" -v k="$kib" '{ printf "%.0f MB/s, peak of resident memory %d MiB (it maps what it reads)\n", $1 / 1e6 / s, k / 1024 }'

say "get by one process a key: 10,000 records against $records"
"$scale" get "$program" small.kv big.kv 400

say "Memory of a get among $records records"
"$scale" memory "$program" big.kv

say "$sets processes, each of which durably sets one key, onto $records records"
"$scale" set "$program" big.kv "$sets"
"$program" -d big.kv check
[ "$("$program" -d big.kv count)" = $((records + sets)) ] || {
	echo "WRONG: not all of them are there"
	exit 1
}
echo "all of them are there"
