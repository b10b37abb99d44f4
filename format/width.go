package format

import "github.com/clipperhouse/displaywidth"

// Width is how many columns of a terminal a text takes.
func Width(text string) int { return displaywidth.String(text) }

// Cut is the beginning of a text that takes at most width columns of a
// terminal.
func Cut(text string, width int) string {
	used, end := 0, 0
	for g := displaywidth.StringGraphemes(text); g.Next(); {
		if used += displaywidth.String(g.Value()); used > width {
			break
		}
		end += len(g.Value())
	}
	return text[:end]
}
