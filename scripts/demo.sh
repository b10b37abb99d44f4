#!/usr/bin/env bash
# Does the main job of kvsh on real data and checks every answer against one
# computed without kvsh, by awk and sort.
#
#	scripts/demo.sh [--small] [--keep] [PROGRAM]
#
# The data is the package list of this machine (`apt-cache dumpavail`, some
# 60,000 packages and 300,000 dependencies) or, where there is none, the
# packages of the Go standard library and what they import. --small takes a
# thirtieth of it, for CI. --keep leaves the directory with the database.
# PROGRAM is ./kvsh unless named. The exit status is 0 only if all was right.
set -euo pipefail
export LC_ALL=C # the order of kvsh is that of bytes
TIMEFORMAT='(%R s)'

small=no keep=no program=
for arg; do
	case $arg in
	--small) small=yes ;;
	--keep) keep=yes ;;
	-*)
		echo "usage: $0 [--small] [--keep] [PROGRAM]" >&2
		exit 2
		;;
	*) program=$arg ;;
	esac
done
[ -n "$program" ] || program=$(dirname "$0")/../kvsh
if [ ! -x "$program" ]; then
	echo "$0: $program is not there: run 'make build'" >&2
	exit 2
fi
program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")

work=$(mktemp -d "${TMPDIR:-/tmp}/kvsh-demo.XXXXXX")
cleanup() {
	local job
	for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
	if [ $keep = yes ]; then echo "left in $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
cd "$work"
export KVSH_DB=demo.kv

say() { printf '\n# %s\n' "$*"; }
kvsh() { "$program" "$@"; }

# digest is of all keys and values of a database.
digest() { kvsh "$1" export --format tsv | cksum; }

# show prints a command, runs it and says how long it took.
show() {
	printf '$ %s\n' "$*"
	time "$@"
}

# same fails the demo unless what was found is what must be.
same() {
	if [ "$2" != "$3" ]; then
		printf 'WRONG: %s: got %s, want %s\n' "$1" "$2" "$3" >&2
		exit 1
	fi
	printf 'right: %s: %s\n' "$1" "$3"
}

# same_files does so for the contents of two files.
same_files() {
	if ! cmp -s "$2" "$3"; then
		printf 'WRONG: %s:\n' "$1" >&2
		diff "$2" "$3" | head -20 >&2 || true
		exit 1
	fi
	printf 'right: %s: %d lines\n' "$1" "$(wc -l <"$3")"
}

# debian_records turns the package list into lines "key TAB value": a package
# as JSON, and a line for each dependency with the versions it asks for.
debian_records() {
	apt-cache dumpavail | awk -v small=$small '
		BEGIN { RS = ""; FS = "\n" }
		function text(s) { gsub(/[\001-\037\177]/, " ", s); gsub(/\\/, "&&", s); gsub(/"/, "\\\\&", s); return s }
		function depends(list,   n, i, parts, name, version, key) {
			n = split(list, parts, / *[,|] */)
			for (i = 1; i <= n; i++) {
				name = version = parts[i]
				sub(/ .*/, "", name)
				if (name == "") continue
				if (!sub(/^[^(]*\(/, "", version)) version = ""
				sub(/\).*/, "", version)
				key = "dep/" field["Package"] "/" name
				if (key in dep) { if (version != "") dep[key] = dep[key] (dep[key] == "" ? "" : ", ") version }
				else { dep[key] = version; order[++deps] = key }
			}
		}
		{
			split("", field); split("", dep); deps = 0
			for (i = 1; i <= NF; i++) if (match($i, /^[A-Za-z-]+: /)) field[substr($i, 1, RLENGTH - 2)] = substr($i, RLENGTH + 1)
			name = field["Package"]
			if (name == "" || name in seen) next
			seen[name] = 1
			if (small == "yes" && NR % 30 != 1 && name !~ /^(bash|coreutils|dpkg|apt|libc6)$/) next
			printf "pkg/%s\t{\"version\":\"%s\",\"section\":\"%s\",\"size\":%d,\"about\":\"%s\"}\n", name,
				text(field["Version"]), text(field["Section"]), field["Size"], text(field["Description"])
			depends(field["Pre-Depends"])
			depends(field["Depends"])
			for (i = 1; i <= deps; i++) printf "%s\t%s\n", order[i], dep[order[i]]
		}'
}

# go_records does the same with the packages of the Go standard library.
go_records() {
	go list -f '{{.ImportPath}}|{{.Doc}}|{{len .GoFiles}}|{{range .Imports}}{{.}} {{end}}' std | awk -F '|' '
		function text(s) { gsub(/\\/, "&&", s); gsub(/"/, "\\\\&", s); return s }
		{
			printf "pkg/%s\t{\"files\":%d,\"about\":\"%s\"}\n", $1, $(NF - 1), text($2)
			n = split($NF, imports, " ")
			for (i = 1; i <= n; i++) printf "dep/%s/%s\t\n", $1, imports[i]
		}'
}

say "The data"
if [ "$(apt-cache dumpavail 2>/dev/null | head -c 1000 | wc -c)" -gt 0 ]; then
	debian_records >unsorted.tsv
	one=bash common=libc6
else
	echo "no Debian package list here: taking the packages of the Go standard library"
	go_records >unsorted.tsv
	one=fmt common=errors
fi
sort -t "$(printf '\t')" -k1,1 unsorted.tsv >records.tsv
# The order of import is not that of the keys.
awk -F '\t' '
	function text(s) { gsub(/\\/, "&&", s); gsub(/"/, "\\\\&", s); return s }
	{ printf "{\"key\":\"%s\",\"value\":\"%s\"}\n", text($1), text($2) }' unsorted.tsv >pkgs.jsonl
printf '%d records, %d bytes of JSON lines, such as\n' "$(wc -l <pkgs.jsonl)" "$(wc -c <pkgs.jsonl)"
head -2 pkgs.jsonl

say "Import"
begin=$(date +%s%N)
show kvsh import pkgs.jsonl
import_ms=$((($(date +%s%N) - begin) / 1000000))
same "keys" "$(kvsh count)" "$(wc -l <records.tsv)"

say "List by prefix and by suffix, look one up"
show kvsh list --prefix "dep/$one/"
kvsh list --prefix "dep/$one/" >got
cut -f 1 records.tsv | grep "^dep/$one/" >want || true
same_files "keys under dep/$one/" got want
printf '$ kvsh list --suffix /%s | wc -l\n' "$common"
time kvsh list --suffix "/$common" >got
cut -f 1 records.tsv | grep "/$common\$" >want
same_files "what depends on $common" got want
show kvsh get -n "pkg/$one"
kvsh get -n "pkg/$one" >got
awk -F '\t' -v k="pkg/$one" '$1 == k { print $2 }' records.tsv >want
same_files "pkg/$one" got want

say "Four processes at once change packages, one transaction each, and count them"
awk -F '\t' '/^pkg\// && n++ < 400 { print $1 }' records.tsv >chosen
total=$(wc -l <chosen)
printf 'each sends transactions down one pipe, such as\n'
# Worker N takes every fourth package: it notes who holds it and deletes it.
script() {
	awk -v n="$1" 'NR % 4 == n - 1 {
		name = substr($0, 5)
		printf "begin\nset '\''held/%s'\'' '\''by worker %d'\''\ndel '\''%s'\''\ncommit\nincr transactions\n", name, n, $0
	}' chosen
}
script 1 | head -5 || true
workers=()
begin=$(date +%s%N)
for n in 1 2 3 4; do
	script "$n" >"script$n"
	kvsh <"script$n" >"out$n" &
	workers+=($!)
done
for worker in "${workers[@]}"; do wait "$worker"; done
echo "($((($(date +%s%N) - begin) / 1000000)) ms for $total transactions and as many increments)"
same "transactions counted" "$(kvsh get transactions)" "$total"
awk -F '\t' -v total="$total" '
	NR == FNR { n = FNR % 4 + 1; gone[$1] = 1; print "held/" substr($1, 5) "\tby worker " n; next }
	!($1 in gone)
	END { print "transactions\t" total }' chosen records.tsv | sort -t "$(printf '\t')" -k1,1 >after.tsv
same "keys" "$(kvsh count)" "$(wc -l <after.tsv)"

say "A transaction by hand"
cat <<'END' | tee script5
begin
set demo/first 'one of two'
set demo/second "or neither\n"
commit
END
kvsh <script5
# \002 stands for the newline in that value.
printf 'demo/first\tone of two\ndemo/second\tor neither\002\n' >>after.tsv
sort -t "$(printf '\t')" -k1,1 -o after.tsv after.tsv

say "A snapshot is a database that can only be read"
show kvsh snapshot save before.kvs
show kvsh before.kvs count
same "digest of the snapshot" "$(digest before.kvs)" "$(digest demo.kv)"

say "SIGKILL in the middle of a big import"
killed=no
delay_ms=$((import_ms / 2))
for _ in 1 2 3 4 5 6 7 8; do
	"$program" import --add-prefix again/ pkgs.jsonl 2>/dev/null & # not the function: it would be a shell that is killed
	importer=$!
	sleep "$(printf '%d.%03d' $((delay_ms / 1000)) $((delay_ms % 1000)))"
	kill -KILL "$importer" 2>/dev/null || true
	status=0
	wait "$importer" 2>/dev/null || status=$?
	found=$(kvsh count --prefix again/)
	if [ "$status" = 137 ]; then
		killed=yes
		echo "killed after $delay_ms ms; keys of that import: $found"
		# The kill may fall between the commit and the exit: then all are there.
		[ "$found" = 0 ] || same "all or nothing" "$found" "$(wc -l <records.tsv)"
	else
		echo "the import was done after less than $delay_ms ms"
		same "all of it" "$found" "$(wc -l <records.tsv)"
	fi
	[ "$found" = 0 ] || kvsh del -y --prefix again/ >/dev/null
	[ $killed = no ] || break
	delay_ms=$((delay_ms / 2))
done
same "an import was killed" $killed yes

say "Check"
show kvsh check

say "Export, against what sort and awk say must be there"
show kvsh export --format nul -o export.nul
# In that format each key and each value ends in NUL and nothing is escaped:
# here as lines, with \002 where a value has a newline.
tr '\n\000' '\002\n' <export.nul >got
awk -F '\t' '{ print $1; print $2 }' after.tsv >want
same_files "keys and values of the whole database" got want
show kvsh export -o export.jsonl.gz
show kvsh copy.kv import export.jsonl.gz
same "digest of the copy" "$(digest copy.kv)" "$(digest demo.kv)"
same "digest of the snapshot, still" "$(digest before.kvs)" "$(digest demo.kv)"

printf '\nAll of it right.\n'
