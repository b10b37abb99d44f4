package repl

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// show draws what there is to see. Without helps it is the bare line.
func (e *lineEditor) show(helps bool) {
	e.screen.choose(e.vi.shape())
	if err := e.screen.draw(e.frame(helps)); err != nil && !e.done {
		e.done, e.err = true, err
	}
}

// frame is what there is to see, as it is now.
func (e *lineEditor) frame(helps bool) frame {
	width, height := e.size()
	v := view{prompt: e.prompt, more: continuation(e.prompt), text: e.buffer.text, cursor: e.buffer.cursor}
	e.hinted = ""
	if e.Colors && !e.asking && e.Classify != nil && len(v.text) <= maxHighlight {
		v.styles = highlight(v.text, e.Classify)
	}
	switch {
	case !helps:
	case e.search != nil:
		e.showSearch(&v)
	case e.Colors && !e.asking && v.cursor == len(v.text) && e.menu == nil:
		v.hint, e.hinted = e.hint(v.text)
	}
	if helps && e.menu != nil {
		v.below = e.menu.items(height)
	}
	if helps && e.message != "" {
		v.below = append(v.below, item{parts: []string{e.message}})
	}
	return v.lay(width, height, e.Colors)
}

// maxHighlight is the size of text that is still coloured, in bytes: it is
// split anew for each key.
const maxHighlight = 256 << 10

// hint is what could follow a text: the rest of the command's syntax, or, in
// the middle of a word, the newest command that began so. Only that can be
// accepted.
func (e *lineEditor) hint(text string) (shown, accepted string) {
	if strings.TrimSpace(text) == "" {
		return "", ""
	}
	syntax := ""
	if e.Hint != nil {
		syntax = e.Hint(text)
	}
	if syntax != "" && isSpace(text[len(text)-1]) {
		return syntax, ""
	}
	if i := e.history.find(len(e.history.entries), func(entry string) bool {
		return len(entry) > len(text) && strings.HasPrefix(entry, text)
	}); i >= 0 {
		rest := e.history.entries[i][len(text):]
		return rest, rest
	}
	if syntax != "" {
		syntax = " " + syntax
	}
	return syntax, ""
}

// continuation is a prompt as wide as the usual one that shows the line goes on.
func continuation(prompt string) string {
	const mark = "… "
	return strings.Repeat(" ", max(displaywidth.String(prompt)-displaywidth.String(mark), 0)) + mark
}
