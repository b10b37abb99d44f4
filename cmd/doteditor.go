package cmd

import (
	"context"

	"kvsh/repl"
)

// editorVariable is the variable that says which keys the shell begins with.
const editorVariable = "KVSH_EDITOR"

// dotEditors are the dot-commands about the editor of lines.
func dotEditors() []dotCommand {
	return []dotCommand{{
		name: ".editor", usage: "[vi|emacs]", short: "Keys that edit the line", most: 1,
		long: `With vi a line begins in insert mode, where all keys are as without but Escape:
behind that h l w b e W B E 0 ^ $ f F t T ; , j k G gg move, c d y take what a
motion goes over, or the line if they stand twice, x X s S D C Y r ~ i I a A o O
p P u and . are as in vi, with counts; Ctrl-R takes u back, / n N search the
history. The cursor is a bar or a block. ` + editorVariable + `=vi chooses it from the
start, as this line does in the file of commands to begin with.`,
		words: func(*Session) []string { return []string{"emacs", "vi"} },
		run:   dotEditor,
	}}
}

func dotEditor(_ context.Context, s *Session, args []string) error {
	editor, ok := s.shell.editor.(repl.Modal)
	if !ok {
		return noEditor(".editor")
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
	return badWord(".editor: neither vi nor emacs:", args[0], "usage: .editor [vi|emacs]")
}
