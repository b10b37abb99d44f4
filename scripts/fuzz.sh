#!/bin/sh
# Runs every fuzz test of the tree for a while, one after the other.
#
#	scripts/fuzz.sh [TIME [PATTERN]]     TIME for each, 30s unless given
#
# What a fuzz test finds it writes to testdata/fuzz of its package, where it is
# a test from then on: commit it with what mends it. The exit status is 0 if
# none found anything.
set -eu
cd "$(dirname "$0")/.."
time=${1:-30s}
pattern=${2:-.}
failed=
ran=0
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./engine/... ./format ./repl ./cmd); do
	grep -qs '^func Fuzz' "$package"/*_test.go || continue
	for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$package"/*_test.go | grep -- "$pattern"); do
		echo "=== $name ($package)"
		# Making an input of some kilobytes small would take all the time.
		if ! go test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 5x; then
			failed="$failed $name"
		fi
		ran=$((ran + 1))
	done
done
if [ -n "$failed" ]; then
	echo "FAILED:$failed" >&2
	exit 1
fi
echo "$ran fuzz tests found nothing, $time each"
