#!/bin/sh
# Writes man/ from the commands of the program, or, with --check, fails if what
# is there is not what would be written.
#
#	scripts/generate.sh [--check] ./kvsh
set -eu

check=no
if [ "${1-}" = --check ]; then
	check=yes
	shift
fi
if [ $# -ne 1 ]; then
	echo "usage: $0 [--check] PROGRAM" >&2
	exit 2
fi
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
mkdir "$new/man"

"$program" man --dir "$new/man"

if [ "$check" = yes ]; then
	if ! diff -r -x "README*" -x "*.go" -x "*.5" man "$new/man"; then
		echo "stale: run 'make generate' and commit the result" >&2
		exit 1
	fi
	exit 0
fi

find man -type f -name "*.1" -delete
cp "$new/man"/* man/
