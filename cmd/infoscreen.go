package cmd

import (
	"fmt"
	"strings"
	"time"

	"kvsh/format"
)

// infoIndent is the columns before the text of a line of info.
const infoIndent = 12

// factsOf are the cells of facts by their names. Those that a database does not
// have are not there.
type factsOf map[string]any

// number is a fact that counts something, 0 if it is not there.
func (f factsOf) number(name string) int64 {
	switch v := f[name].(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case uint64:
		return int64(v)
	}
	return 0
}

// size is a number of bytes for people.
func (f factsOf) size(name string) string { return format.HumanSize(f.number(name)) }

// text is a fact of text, safe for a terminal.
func (f factsOf) text(name string) string {
	v, _ := f[name].(string)
	return format.Safe(v)
}

// infoScreen shows facts to people: a line for each thing they may ask, with
// sizes and ages, in the width of the terminal.
func (s *Session) infoScreen(facts []fact, o *format.Options) error {
	f := make(factsOf, len(facts))
	for _, fact := range facts {
		f[fact.name] = fact.cell
	}
	now := o.Now
	ago := func(name string) string {
		t, _ := f[name].(time.Time)
		switch {
		case t.IsZero():
			return ""
		case now.Sub(t) < time.Second && now.Sub(t) > -time.Second:
			return ", just now"
		case now.Before(t):
			return ", " + format.HumanAge(now, t)
		}
		return ", " + format.HumanAge(now, t) + " ago"
	}
	lines := [][2]string{{"database", format.Word([]byte(f.text("path")))}}
	add := func(name, text string) { lines = append(lines, [2]string{name, text}) }
	keys := plural(f.number("keys"), "key")
	if n := f.number("families"); n > 0 {
		keys += ", and those of " + families(n)
	}
	add("holds", keys)
	add("newest", fmt.Sprintf("rev %d", f.number("rev"))+ago("time"))
	if _, ok := f["format"]; ok {
		for _, line := range s.localLines(f, ago) {
			add(line[0], line[1])
		}
	}
	for _, line := range lines {
		if err := s.infoLine(line[0], line[1], o); err != nil {
			return err
		}
	}
	return nil
}

// families is a number of column families.
func families(n int64) string {
	if n == 1 {
		return "1 family"
	}
	return fmt.Sprintf("%d families", n)
}

// localLines is the lines about what only a database in files has.
func (s *Session) localLines(f factsOf, ago func(string) string) [][2]string {
	var places []string
	for _, p := range []struct{ what, bytes, count, noun string }{
		{"log ", "log_bytes", "log_segments", "segment"},
		{"", "table_bytes", "tables", "table"},
		{"history ", "history_bytes", "history_segments", "segment"},
	} {
		if n := f.number(p.count); n > 0 {
			places = append(places, fmt.Sprintf("%s%s in %s", p.what, f.size(p.bytes), plural(n, p.noun)))
		}
	}
	lines := [][2]string{
		{"data", f.size("key_bytes") + " of keys, " + f.size("value_bytes") + " of values"},
		{"on disk", strings.Join(places, ", ")},
		{"history", fmt.Sprintf("from rev %d", f.number("history_from")) + ago("history_time")},
	}
	add := func(name, text string) { lines = append(lines, [2]string{name, text}) }
	if n := f.number("quarantine_files"); n > 0 {
		add("quarantine", plural(n, "file")+": "+s.asTyped("quarantine ls"))
	}
	writer := "nobody"
	if holder := f.text("lock_holder"); holder != "" {
		writer = holder
	}
	if last := f.text("last_writer"); last != "" {
		writer += "; last " + last + ago("last_locked")
	}
	add("writing", writer)
	if name := f.text("last_snapshot"); name != "" {
		add("snapshot", format.Word([]byte(name))+fmt.Sprintf(", rev %d", f.number("last_snapshot_rev"))+ago("last_snapshot_time"))
	} else if _, ok := f["last_snapshot"]; ok {
		add("snapshot", "none beside it: "+s.asTyped("snapshot save"))
	}
	add("sync", f.text("sync"))
	add("made", strings.TrimPrefix(ago("created"), ", ")+fmt.Sprintf(", format %d", f.number("format")))
	add("id", f.text("database"))
	add("copy", f.text("copy"))
	return lines
}

// infoLine writes a name and a text, broken between words where it is wider
// than the terminal.
func (s *Session) infoLine(name, text string, o *format.Options) error {
	b := fmt.Appendf(nil, "%-*s", infoIndent, name)
	if o.Color {
		b = fmt.Appendf(nil, "\x1b[2m%-*s\x1b[0m", infoIndent, name)
	}
	used := infoIndent
	for i, word := range strings.Split(text, " ") {
		w := format.Width(word)
		switch {
		case i == 0:
		case o.Width > 0 && used+1+w > o.Width:
			b = fmt.Appendf(b, "\n%*s", infoIndent, "")
			used = infoIndent
		default:
			b = append(b, ' ')
			used++
		}
		b = append(b, word...)
		used += w
	}
	_, err := s.out.Write(append(b, '\n'))
	return err
}
