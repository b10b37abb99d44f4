package repl

import (
	"context"
	"errors"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Candidate is a word that may stand at the cursor.
type Candidate struct {
	Text    string // the word itself, without quotes
	Note    string // what it is, in a few words
	Partial bool   // more follows in the same word, as in a directory
}

// A Completion is what may stand in place of the last word of a text.
type Completion struct {
	Candidates []Candidate // sorted as they are to be shown

	// Greatest, if not empty, says that there are more candidates: all of them
	// lie between the first one and this, in the order of their bytes.
	Greatest string
}

// WordAt is the word at the end of a source, as far as it is typed, with the
// words before it in the same command. start is the byte offset where it
// begins. Where no word of a command stands, as in a comment, ok is false.
func WordAt(src string) (before []string, word string, start int, ok bool) {
	whole := src
	commands, err := Split(nil, whole, ShellDoor)
	var syntax *SyntaxError
	if errors.As(err, &syntax) && syntax.Open {
		whole += src[syntax.Offset : syntax.Offset+1]
		commands, err = Split(nil, whole, ShellDoor)
	}
	if err != nil {
		return nil, "", 0, false
	}
	if len(commands) == 0 {
		return nil, "", len(src), !strings.Contains(src, "#")
	}
	last := commands[len(commands)-1]
	if last.Redirect != ToOutput {
		return nil, "", 0, false
	}
	n := len(last.Words) - 1
	if w := last.Words[n]; w.End == len(whole) {
		last.Words = last.Words[:n]
		return last.Texts(nil), w.Text, w.Start, true
	}
	gap := whole[last.Words[n].End:]
	if strings.Contains(gap, "#") {
		return nil, "", 0, false
	}
	if strings.ContainsAny(gap, ";\n") {
		return nil, "", len(src), true
	}
	return last.Texts(nil), "", len(src), true
}

// quoteWord is a text as a word of a line. An open one goes on behind it.
func quoteWord(text string, open bool) string {
	bare, literal := text != "" || open, utf8.ValidString(text)
	for i := range len(text) {
		c := text[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case strings.IndexByte("_-./:@%+,=", c) >= 0:
		case c == '\'', c < ' ', c == 0x7f:
			bare, literal = false, false
		case c < utf8.RuneSelf:
			bare = false
		}
	}
	quote := byte('\'')
	var b []byte
	switch {
	case bare && literal:
		return text
	case literal:
		b = append(append(b, quote), text...)
	default:
		quote = '"'
		b = appendEscapes(append(b, quote), text)
	}
	if !open {
		b = append(b, quote)
	}
	return string(b)
}

// completedWord is a text in place of a word as it was typed, which may begin
// with a quote: that stays, where it can hold the text, so that what the person
// types next is still within it. An open word goes on behind it.
func completedWord(typed, text string, open bool) string {
	switch {
	case strings.HasPrefix(typed, `"`):
	case strings.HasPrefix(typed, "'") && utf8.ValidString(text) && strings.IndexFunc(text, isLiteralBreaker) < 0:
		return closeWord("'"+text, "'", open)
	default:
		return quoteWord(text, open)
	}
	return closeWord(string(appendEscapes([]byte{'"'}, text)), `"`, open)
}

// closeWord puts a quote behind a word that does not go on.
func closeWord(word, quote string, open bool) string {
	if open {
		return word
	}
	return word + quote
}

// isLiteralBreaker reports whether a character cannot stand between ' and '.
func isLiteralBreaker(r rune) bool { return r == '\'' || r < ' ' || r == 0x7f }

// appendEscapes appends a text as it stands between double quotes.
func appendEscapes(b []byte, text string) []byte {
	const digits = "0123456789abcdef"
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch c := text[0]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ' || c == 0x7f || r == utf8.RuneError && n == 1:
			b = append(b, '\\', 'x', digits[c>>4], digits[c&15])
		default:
			b = append(b, text[:n]...)
		}
		text = text[n:]
	}
	return b
}

// common is what all candidates begin with. It ends with a whole character.
func (c *Completion) common() string {
	first := c.Candidates[0].Text
	n := len(first)
	cut := func(with string) {
		n = min(n, len(with))
		for i := range n {
			if first[i] != with[i] {
				n = i
				break
			}
		}
	}
	for _, candidate := range c.Candidates[1:] {
		cut(candidate.Text)
	}
	if c.Greatest != "" {
		cut(c.Greatest)
	}
	for n > 0 && n < len(first) && !utf8.RuneStart(first[n]) {
		n--
	}
	return first[:n]
}

// A lookup is a search for completions that may be under way.
type lookup struct {
	number int                // of the one under way; others are not wanted any more
	cancel context.CancelFunc // nil: none is
	at     state              // of the line that it is for
}

func (l *lookup) stop() {
	if l.cancel != nil {
		l.cancel()
		l.cancel = nil
	}
	l.number++
}

// found is what a lookup came to.
type found struct {
	number     int
	state      state // of the line that it was for
	word       string
	start      int
	completion Completion
}

// A findings holds what the latest lookup came to until somebody takes it.
type findings struct {
	mu   sync.Mutex
	last *found // or nil
}

func (f *findings) put(new found) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil || f.last.number < new.number {
		f.last = &new
	}
}

func (f *findings) take() *found {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.last
	f.last = nil
	return last
}

// tab looks for what may stand at the cursor.
func (e *lineEditor) tab() bool {
	if e.Complete == nil || e.asking {
		return false
	}
	at := state{e.buffer.text, e.buffer.cursor}
	if e.looking.cancel != nil && e.looking.at == at {
		return true // a Tab that is held down must not begin it anew for ever
	}
	e.looking.stop()
	_, word, start, ok := WordAt(at.text[:at.cursor])
	if !ok {
		return false
	}
	look := e.Complete(at.text[:at.cursor])
	if look == nil {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.looking.cancel, e.looking.at = cancel, at
	number := e.looking.number
	go func() {
		defer cancel()
		completion := look(ctx)
		if ctx.Err() == nil {
			e.found.put(found{number: number, state: at, word: word, start: start, completion: completion})
			e.in.notify()
		}
	}()
	return true
}

// complete does what was found, if the line is still the same.
func (e *lineEditor) complete(f *found) {
	b := &e.buffer
	if f.number != e.looking.number {
		return
	}
	e.looking.stop()
	if f.state != (state{b.text, b.cursor}) || e.search != nil || e.done {
		return
	}
	candidates := f.completion.Candidates
	switch len(candidates) {
	case 0:
		e.message = "nothing to complete"
		return
	case 1:
		if f.completion.Greatest == "" {
			e.putCandidate(f.start, candidates[0])
			return
		}
	}
	if common := f.completion.common(); len(common) > len(f.word) {
		b.replace(f.start, b.cursor, completedWord(b.text[f.start:b.cursor], common, true))
		b.settle()
	}
	e.menu = &menu{candidates: candidates, more: f.completion.Greatest != "", start: f.start, selected: -1}
}

// putCandidate replaces the word from start to the cursor.
func (e *lineEditor) putCandidate(start int, c Candidate) {
	b := &e.buffer
	typed, end := b.text[start:b.cursor], b.cursor
	text := completedWord(typed, c.Text, c.Partial)
	if rest := b.text[end:]; !c.Partial && typed != "" && rest != "" && typed[0] == rest[0] && text[len(text)-1] == rest[0] {
		end++ // the quote that stood behind the cursor is the one that closes the word
	}
	if !c.Partial && !strings.HasPrefix(b.text[end:], " ") {
		text += " "
	}
	b.replace(start, end, text)
	b.settle()
}
