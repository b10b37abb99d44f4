# Tab for kvsh in bash; the package bash-completion may be there or not.

# _kvsh hands the line up to the cursor to the program, which splits it into
# words and quotes what it answers. It evaluates nothing.
_kvsh() {
	local program=$1 header='' word
	program=${program/#'~/'/$HOME/}
	type -P -- "$program" >/dev/null || program=kvsh # an alias, perhaps
	COMPREPLY=()
	{
		IFS= read -r header
		while IFS= read -r word; do
			COMPREPLY+=("$word")
		done
	} < <("$program" __tab bash "${COMP_LINE:0:COMP_POINT}" "$2" "${COMP_TYPE-9}" "${COLUMNS-80}" 2>/dev/null)
	# bash 3 has no compopt: there a blank follows, and files are offered where
	# nothing else is.
	[[ $(type -t compopt) == builtin ]] || return 0
	case $header in
	files) compopt -o default ;;
	level) compopt -o nospace +o default -o nosort ;;
	*) compopt +o default -o nosort ;;
	esac 2>/dev/null
	return 0
}

complete -o default -F _kvsh kvsh
