package format

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// The format kvsh is a script that kvsh runs and that recreates the records:
//
//	set "key" "value"
//	set --cf users --expires-at 2026-11-21T08:00:00.000Z -- "-key" "value"
//
// Key and value always stand in quotes, so that a cut within a line shows. An
// importer takes such lines, with words as a line of kvsh spells them (bare,
// 'single', "double", parts that touch join), empty lines, comments, and ';'
// between commands; any other command is refused. It runs nothing. A last line
// that ends in a bare word needs its newline.

type kvshExporter struct{ out *output }

func (e *kvshExporter) Write(r Record) error {
	if err := checkRecord(&r); err != nil {
		return err
	}
	b, err := appendSet(e.out.buf, &r)
	if err != nil {
		return err
	}
	e.out.buf = b
	return e.out.ended()
}

func (e *kvshExporter) Close() error { return e.out.flush() }

// appendSet appends the line that sets a record.
func appendSet(b []byte, r *Record) (_ []byte, err error) {
	b = append(b, "set "...)
	if r.Family != "" {
		b = append(append(append(b, "--cf "...), r.Family...), ' ')
	}
	if !r.Expires.IsZero() {
		if b, err = appendTime(append(b, "--expires-at "...), r.Expires); err != nil {
			return b, err
		}
		b = append(b, ' ')
	}
	if r.Key[0] == '-' {
		b = append(b, "-- "...) // else it would be taken for a flag
	}
	b = AppendQuote(b, r.Key)
	b = AppendQuote(append(b, ' '), r.Value)
	return append(b, '\n'), nil
}

type kvshImporter struct {
	in     *input
	family string
	fams   families
	words  [][]byte
	buf    []byte // memory of words that do not stand in the text as they are
	at     int    // in the window: where the lexer is
}

func newKvshImporter(in *input, o ImportOptions) *kvshImporter {
	return &kvshImporter{in: in, family: o.Family}
}

func (im *kvshImporter) Records() iter.Seq2[Record, error] { return recordsOf(im.run) }

func (im *kvshImporter) run(yield func(Record, error) bool) error {
	in := im.in
	if err := in.skipBOM(); err != nil {
		return err
	}
	for {
		if err := im.command(); err != nil {
			return err
		}
		if im.at == 0 {
			return nil
		}
		if len(im.words) > 0 {
			r, err := im.record()
			if err != nil {
				return in.errorf("%v", err)
			}
			if !yield(r, nil) {
				return nil
			}
		}
		in.skip(im.at, int64(bytes.Count(in.window()[:im.at], newline)))
	}
}

// record makes a record of the words of a command.
func (im *kvshImporter) record() (r Record, err error) {
	r.Family = im.family
	words := im.words
	if string(words[0]) != "set" {
		return r, fmt.Errorf("command %q: an import takes only set", Safe(string(words[0])))
	}
	words = words[1:]
	for len(words) > 0 && len(words[0]) > 1 && words[0][0] == '-' {
		name, value, joined := bytes.Cut(words[0], []byte{'='})
		words = words[1:]
		if string(name) == "--" && !joined {
			break
		}
		if !joined {
			if len(words) == 0 {
				return r, fmt.Errorf("flag %q has no value", Safe(string(name)))
			}
			value, words = words[0], words[1:]
		}
		switch string(name) {
		case "--cf":
			r.Family = im.fams.name(value)
		case "--expires-at":
			if r.Expires, err = parseTime(value); err != nil {
				return r, fmt.Errorf("--expires-at: %w", err)
			}
		default:
			return r, fmt.Errorf("flag %q: an import takes only --cf and --expires-at", Safe(string(name)))
		}
	}
	if len(words) != 2 {
		return r, fmt.Errorf("set with %d words, want a key and a value", len(words))
	}
	r.Key, r.Value = words[0], words[1]
	return r, checkRecord(&r)
}

// command reads the words of the command at the start of the window. at is
// then behind it, and 0 at the end of the file.
func (im *kvshImporter) command() error {
	for {
		atEnd := im.in.eof // what split knew
		err := im.split(im.in.window())
		if err == nil {
			return nil
		}
		if errors.Is(err, errMore) {
			ok, err2 := im.in.more()
			if err2 != nil {
				return err2
			}
			if ok || !atEnd {
				continue
			}
		}
		w := im.in.window()[:min(im.at, len(im.in.window()))]
		e := im.in.errorf("%v", err)
		if errors.Is(err, errMore) {
			e.Reason = "the file is cut short: " + e.Reason
		} else {
			e.Line += int64(bytes.Count(w, newline))
			e.Column = len(w) - bytes.LastIndexByte(w, '\n')
		}
		return e
	}
}

// needMore is an error that more text may cure.
type needMore struct{ error }

func (needMore) Is(target error) bool { return target == errMore }
func (n needMore) Unwrap() error      { return n.error }

var (
	errCutWord = errors.New("no newline after the last word")
	errMeta    = errors.New("a pipe, a redirection or a backslash outside quotes")
)

// split splits the command that b begins with into words.
func (im *kvshImporter) split(b []byte) error {
	im.words, im.buf, im.at = im.words[:0], im.buf[:0], 0
	for {
		for im.at < len(b) && (b[im.at] == ' ' || b[im.at] == '\t' || b[im.at] == '\r') {
			im.at++
		}
		if im.at >= len(b) {
			if im.in.eof {
				return nil
			}
			return errMore
		}
		switch b[im.at] {
		case '\n', ';':
			im.at++
			return nil
		case '#':
			nl := bytes.IndexByte(b[im.at:], '\n')
			if nl < 0 {
				if !im.in.eof {
					return errMore
				}
				nl = len(b) - im.at - 1
			}
			im.at += nl + 1
			return nil
		}
		word, err := im.word(b)
		if err != nil {
			return err
		}
		im.words = append(im.words, word)
	}
}

// word reads the word at the place reached. One quoted part without escapes is
// returned as it stands.
func (im *kvshImporter) word(b []byte) ([]byte, error) {
	start := len(im.buf)
	for parts := 0; ; parts++ {
		if im.at >= len(b) {
			if im.in.eof && parts > 0 {
				return im.buf[start:], nil
			}
			return nil, errMore
		}
		c := b[im.at]
		switch {
		case c == '"' || c == '\'':
			from := im.at + 1
			quoted, plain, err := im.quoted(b, c)
			if err != nil {
				return nil, err
			}
			if plain && parts == 0 && im.at < len(b) && isWordEnd(b[im.at]) {
				return b[from : im.at-1], nil
			}
			im.buf = append(im.buf, quoted...)
		case isWordEnd(c):
			return im.buf[start:], nil
		case c == '|' || c == '>' || c == '<' || c == '\\':
			return nil, errMeta
		default:
			from := im.at
			for im.at < len(b) && !isWordEnd(b[im.at]) && bytes.IndexByte([]byte(`"'|<>\`), b[im.at]) < 0 {
				im.at++
			}
			if im.at == len(b) {
				return nil, needMore{errCutWord}
			}
			im.buf = append(im.buf, b[from:im.at]...)
		}
	}
}

func isWordEnd(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';'
}

// quoted reads a part in quotes. It returns the text between them if that is
// plain; else it has appended it to buf and returns nothing.
func (im *kvshImporter) quoted(b []byte, quote byte) (text []byte, plain bool, err error) {
	from := im.at + 1
	end := bytes.IndexByte(b[from:], quote)
	if end < 0 {
		return nil, false, needMore{errOpenQuote}
	}
	if quote == '\'' || bytes.IndexByte(b[from:from+end], '\\') < 0 {
		im.at = from + end + 1
		return b[from : from+end], true, nil
	}
	for i := from; i < len(b); {
		switch b[i] {
		case '"':
			im.at = i + 1
			return nil, false, nil
		case '\\':
			if len(b)-i < 10 && !im.in.eof {
				return nil, false, needMore{errOpenQuote} // the escape may go on
			}
			var n int
			if im.buf, n, err = appendUnescaped(im.buf, b[i:]); err != nil {
				if len(b)-i < 10 && bytes.IndexByte(b[i+1:], '"') < 0 {
					return nil, false, needMore{errOpenQuote}
				}
				im.at = i
				return nil, false, err
			}
			i += n
		default:
			n := plainPrefix(b[i:])
			n = max(n, 1)
			im.buf = append(im.buf, b[i:i+n]...)
			i += n
		}
	}
	return nil, false, needMore{errOpenQuote}
}
