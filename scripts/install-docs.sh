#!/bin/sh
# Copies the man pages and completions below a prefix, or removes them again.
#
#	scripts/install-docs.sh install|uninstall PREFIX
set -eu

if [ $# -ne 2 ]; then
	echo "usage: $0 install|uninstall PREFIX" >&2
	exit 2
fi
action=$1
prefix=$2
cd "$(dirname "$0")/.."

# place FILE TARGET does the action for one file; a file that is not there
# is left out.
place() {
	case $action in
	install)
		[ -e "$1" ] || return 0
		install -d "$(dirname "$2")"
		install -m 644 "$1" "$2"
		;;
	uninstall) rm -f "$2" ;;
	*)
		echo "$0: unknown action $action" >&2
		exit 2
		;;
	esac
}

place completions/kvsh.bash "$prefix/share/bash-completion/completions/kvsh"
place completions/kvsh.zsh "$prefix/share/zsh/site-functions/_kvsh"
place completions/kvsh.fish "$prefix/share/fish/vendor_completions.d/kvsh.fish"
for page in man/*.1; do
	place "$page" "$prefix/share/man/man1/$(basename "$page")"
done
