package cmd

import (
	"context"

	"kvsh/repl"
)

// keysVariable is the variable that says which keys the shell begins with.
const keysVariable = "KVSH_KEYS"

// dotKeyList are the dot-commands about the keys of the editor of lines.
func dotKeyList() []dotCommand {
	return []dotCommand{{
		name: ".keys", usage: "[vi|emacs]", short: "Keys that edit the line", most: 1,
		long: `With vi a line begins in insert mode, where all keys are as without but Escape:
behind that h l w b e W B E 0 ^ $ f F t T ; , j k G gg move, c d y take what a
motion goes over, or the line if they stand twice, or with i and a what is in
or around w W " ' ` + "`" + ` ( [ { <, as in ciw and da"; x X s S D C Y r ~ i I a A o O
p P u and . are as in vi, with counts; Ctrl-R takes u back, / n N search the
history. The cursor is a bar or a block. ` + keysVariable + `=vi chooses it from the
start, as this line does in the file of commands to begin with.`,
		words: func(*Session) []string { return []string{"emacs", "vi"} },
		run:   dotKeys,
	}}
}

func dotKeys(_ context.Context, s *Session, args []string) error {
	editor, ok := s.shell.editor.(repl.Modal)
	if !ok {
		return noEditor(".keys")
	}
	if len(args) == 0 {
		if editor.Vi() {
			return s.say("vi")
		}
		return s.say("emacs")
	}
	switch args[0] {
	case "vi", "emacs":
		editor.SetVi(args[0] == "vi")
		return nil
	}
	return badWord(".keys: neither vi nor emacs:", args[0], "usage: .keys [vi|emacs]")
}
