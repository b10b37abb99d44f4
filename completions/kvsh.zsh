#compdef kvsh
# Tab for kvsh in zsh: as _kvsh in $fpath, or by source <(kvsh completion zsh).

# _kvsh hands the line up to the cursor to the program, which splits it into
# words. It evaluates nothing: zsh itself quotes what is inserted.
_kvsh() {
	local program=${(Q)words[1]} header note text shown
	local -a answer whole wholeShown level levelShown
	local -i i width=0 failed=1
	program=${program/#\~\//$HOME/}
	whence -p -- $program >/dev/null || program=kvsh # an alias, perhaps
	# The answer is a header, then a text, how it is shown, and a note in turn,
	# each before a NUL.
	answer=("${(@0)$($program __tab zsh "${(j: :)words[1,CURRENT-1]} $QIPREFIX$IPREFIX$PREFIX" 2>/dev/null)}")
	header=$answer[1]
	if [[ $header == files ]]; then
		_files
		return
	fi
	for ((i = 3; i < $#answer; i += 3)); do
		((width = ${(m)#answer[i]} > width ? ${(m)#answer[i]} : width))
	done
	((width = width > COLUMNS / 2 ? COLUMNS / 2 : width))
	for ((i = 2; i < $#answer; i += 3)); do
		text=$answer[i] shown=$answer[i+1] note=$answer[i+2]
		((${(m)#shown} < width)) && [[ $header == notes ]] && shown=${(mr:width:)shown}
		# A level has a note that begins with /: more follows in the same word.
		if [[ $note == /* ]]; then
			note=${note#/}
			level+=("$text")
			levelShown+=("$shown${note:+  -- $note}")
		else
			whole+=("$text")
			wholeShown+=("$shown${note:+  -- $note}")
		fi
	done
	# One group that is not sorted: the program has put the words in order.
	local -a look
	[[ $header == notes ]] && look=(-l)
	(($#level)) && compadd $look -V kvsh -S '' -d levelShown -a level && failed=0
	(($#whole)) && compadd $look -V kvsh -d wholeShown -a whole && failed=0
	return failed
}

if [[ $funcstack[1] == _kvsh ]]; then
	_kvsh "$@"
else
	compdef _kvsh kvsh
fi
