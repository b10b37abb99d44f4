#!/bin/sh
# Copies the man pages, completions and README below a prefix, or removes them
# again. What it makes there is also what an archive of a release holds.
#
#	scripts/install-docs.sh install|uninstall PREFIX
set -eu

if [ $# -ne 2 ]; then
	echo "usage: $0 install|uninstall PREFIX" >&2
	exit 2
fi
action=$1
prefix=$2
case $action in install | uninstall) ;; *)
	echo "$0: unknown action $action" >&2
	exit 2
	;;
esac
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
cd "$(dirname "$0")/.."

# place FILE TARGET does the action for one file; a file that is not there
# is left out.
place() {
	if [ "$action" = uninstall ]; then
		rm -f "$2"
	elif [ -e "$1" ]; then
		install -d "$(dirname "$2")"
		install -m 644 "$1" "$2"
	fi
}

place completions/kvsh.bash "$prefix/share/bash-completion/completions/kvsh"
place completions/kvsh.zsh "$prefix/share/zsh/site-functions/_kvsh"
place completions/kvsh.fish "$prefix/share/fish/vendor_completions.d/kvsh.fish"
for page in man/*.[15]; do
	place "$page" "$prefix/share/man/man${page##*.}/${page#man/}"
done
for file in README.md CHANGELOG.md LICENSE; do
	place "$file" "$prefix/share/doc/kvsh/$file"
done
if [ "$action" = uninstall ] && [ -d "$prefix/share/doc/kvsh" ]; then
	rmdir "$prefix/share/doc/kvsh" || true # not while it holds files of others
fi
