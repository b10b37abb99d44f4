package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newShow(s *Session) *cobra.Command {
	var (
		hex bool
		at  moment
	)
	c := &cobra.Command{
		Use:   "show KEY",
		Short: "Show a key for people: kind, size, age, value",
		Long: `Shows what there is to know of a key, and its value: a JSON object or array
indented, with its numbers and strings byte for byte; other text as text;
the rest as a hex dump. With --json it is one object for programs, which holds
the value as it is.`,
		Example:     "kvsh show user:1\nkvsh show --hex text\nkvsh show --at 1 user:1",
		Args:        operands(1, 1),
		Annotations: exits("0, 1 key not found, or no such revision"),
		RunE: func(c *cobra.Command, args []string) error {
			return s.show(c.Context(), args[0], hex, at)
		},
	}
	c.Flags().BoolVar(&hex, "hex", false, "the value as a hex dump")
	at.bindAt(c)
	return c
}

// show writes an entry with everything that is known of it.
func (s *Session) show(ctx context.Context, key string, hex bool, at moment) error {
	var (
		e        engine.Entry
		now      time.Time
		versions any
	)
	err := s.viewAt(ctx, at, func(tx engine.Tx) (err error) {
		now = tx.Now()
		if e, err = tx.Get(ctx, key); err == nil {
			versions, err = s.countVersions(ctx, key, e.Rev)
		}
		return err
	})
	if err != nil {
		return named("show", key, err)
	}
	m, err := s.mode()
	if err != nil {
		return err
	}
	kind := kindOf(e.Value)
	if isRecordMode(m) {
		return s.row([]format.Column{
			{Name: "key", Kind: format.Bytes},
			{Name: "kind", Kind: format.Text},
			{Name: "size", Kind: format.Size},
			{Name: "rev", Kind: format.Int},
			{Name: "time", Kind: format.Time},
			{Name: "expires", Kind: format.Time},
			{Name: "versions", Kind: format.Int},
			{Name: "value", Kind: format.Bytes},
		}, e.Key, string(kind), e.Size, uint64(e.Rev), e.Stamp.Time(), e.Expires, versions, e.Value)
	}
	if err := s.showFacts(&e, kind, now, versions); err != nil || kind == kindEmpty {
		return err
	}
	if err := s.out.WriteByte('\n'); err != nil {
		return err
	}
	if hex || m == format.Hex || kind == kindBinary {
		return format.Hexdump(s.out, e.Value)
	}
	if kind == kindJSON {
		o, err := s.options()
		if err != nil {
			return err
		}
		return format.WriteJSON(s.out, o, indented(e.Value))
	}
	// Mode pretty lets no control byte through but the line feed.
	return format.WriteValue(s.out, format.Options{Mode: format.Pretty}, e.Key, e.Value)
}

// countVersions is how many versions of a key are kept up to a revision, or nil
// where that is not known: of a key written in the open transaction, and of
// stores that cannot say.
func (s *Session) countVersions(ctx context.Context, key string, upTo engine.Rev) (any, error) {
	h, ok := s.store.(engine.Historian)
	if !ok || upTo == 0 {
		return nil, nil
	}
	n := 0
	for v, err := range h.Versions(ctx, s.set.Family, key) {
		if err != nil {
			return nil, err
		}
		if v.Rev <= upTo {
			n++
		}
	}
	return n, nil
}

// showFacts writes a line for each thing known of an entry but its value.
func (s *Session) showFacts(e *engine.Entry, kind valueKind, now time.Time, versions any) error {
	rev := "not committed yet"
	if e.Rev > 0 {
		rev = fmt.Sprint(e.Rev)
	}
	lines := [][2]string{
		{"key", format.Word([]byte(e.Key))},
		{"kind", string(kind)},
		{"size", format.HumanSize(int64(e.Size))},
		{"rev", rev},
	}
	if e.Stamp != 0 {
		t := e.Stamp.Time()
		lines = append(lines, [2]string{"age", format.HumanAge(now, t) + ", of " + t.Local().Format(time.DateTime)})
	}
	ttl := "none"
	if !e.Expires.IsZero() {
		ttl = format.HumanDuration(e.Expires.Sub(now)) + ", until " + e.Expires.Local().Format(time.DateTime)
	}
	lines = append(lines, [2]string{"ttl", ttl})
	if versions != nil {
		lines = append(lines, [2]string{"versions", fmt.Sprint(versions)})
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(s.out, "%-8s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

// valueKind is what a value looks like. Nothing depends on it but how it is
// shown.
type valueKind string

// The kinds. A number or word alone is valid JSON but text to a person.
const (
	kindEmpty  valueKind = "empty"
	kindJSON   valueKind = "JSON"
	kindText   valueKind = "text"
	kindBinary valueKind = "binary"
)

func kindOf(value []byte) valueKind {
	if len(value) == 0 {
		return kindEmpty
	}
	if !utf8.Valid(value) {
		return kindBinary
	}
	start := bytes.TrimLeft(value, " \t\r\n")
	if len(start) > 0 && (start[0] == '{' || start[0] == '[') && json.Valid(value) {
		return kindJSON
	}
	for _, r := range string(value) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return kindBinary
		}
	}
	return kindText
}

// indentDepth is how deeply nested a value may be to be indented: the size of
// the result grows with the square of the depth.
const indentDepth = 100

// indented is a JSON value with line breaks and indentation, and otherwise its
// own bytes; one that is nested too deeply is as it was.
func indented(value []byte) []byte {
	if jsonDepth(value) > indentDepth {
		return value
	}
	var b bytes.Buffer
	if err := json.Indent(&b, value, "", "  "); err != nil {
		return value
	}
	return bytes.TrimRight(b.Bytes(), " \t\r\n")
}

// jsonDepth is how many objects and arrays of a valid JSON value enclose its
// innermost one.
func jsonDepth(value []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
