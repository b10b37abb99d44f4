package cmd

import (
	"fmt"
	"io"
	"strings"

	"kvsh/engine"
	"kvsh/format"
)

// Faults, and plans of repairs, for people: sentences that are read from the
// first word to the last, where a table would cut off what matters.

// forPeople reports whether a person reads what the line writes.
func (s *Session) forPeople() (bool, error) {
	m, err := s.mode()
	return m == format.Pretty || m == format.Auto && s.OutTerminal && !s.redirected, err
}

// placeText is where something stands, for people.
func placeText(file string, offset int64, rev engine.Rev) string {
	if rev == 0 {
		return fmt.Sprintf("%s at byte %d", format.Safe(file), offset)
	}
	return fmt.Sprintf("%s at byte %d, rev %d", format.Safe(file), offset, rev)
}

// acknowledgedText says what the answer about a fault means.
func acknowledgedText(answer string) string {
	switch answer {
	case engine.AcknowledgedYes:
		return "had been acknowledged"
	case engine.AcknowledgedNo:
		return "was never acknowledged"
	}
	return "whether it had been acknowledged is not known"
}

// writeFault writes a fault for people.
func writeFault(w io.Writer, f *engine.Fault) error {
	lines := []string{placeText(f.File, f.Offset, f.Rev), "  " + f.Reason, "  " + acknowledgedText(f.Acknowledged)}
	switch {
	case len(f.Keys) > 0:
		lines = append(lines, "  keys: "+keyList(f.Keys))
	case f.Entries > 0:
		lines = append(lines, fmt.Sprintf("  keys: %s from %s to %s", plural(f.Entries, "version"),
			format.Word([]byte(f.KeysFrom)), format.Word([]byte(f.KeysTo))))
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func keyList(keys []string) string {
	words := make([]string, len(keys))
	for i, key := range keys {
		words[i] = format.Word([]byte(key))
	}
	return strings.Join(words, " ")
}

// writePlan writes the plan of a repair for people: first what is done to the
// files, then what becomes of the keys.
func writePlan(w io.Writer, p *engine.Plan, width int) error {
	var b strings.Builder
	for i := range p.Actions {
		a := &p.Actions[i]
		note := a.Note
		if a.Lossless && a.What != engine.ActCut {
			note += "; no data are lost"
		}
		rev := ""
		if span := revSpanText(a.First, a.Last); span != nil {
			rev = fmt.Sprintf(", rev %v", span)
		}
		fmt.Fprintf(&b, "%-8s %s at byte %d, %s%s\n         %s\n", a.What, format.Safe(a.File), a.Offset, format.HumanSize(a.Bytes), rev, note)
	}
	for i := range p.Lost {
		b.WriteString(lostText(&p.Lost[i], width))
	}
	for i := range p.Spans {
		sp := &p.Spans[i]
		keys := "keys unknown"
		if sp.Entries >= 0 {
			keys = plural(sp.Entries, "version") + ", keys unknown"
		}
		fmt.Fprintf(&b, "lost     from %s to %s: %s\n", format.Word([]byte(sp.From)), format.Word([]byte(sp.To)), keys)
	}
	for i := range p.Left {
		f := &p.Left[i]
		fmt.Fprintf(&b, "left     %s\n         %s\n", placeText(f.File, f.Offset, f.Rev), f.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lostText says of a key what is lost and what it has then.
func lostText(l *engine.LostKey, width int) string {
	name := format.Word([]byte(l.Key))
	if l.Family != "" {
		name += " of family " + l.Family
	}
	did := "a change"
	if l.Op != "" {
		did = l.Op
	}
	line := fmt.Sprintf("lost     %s: %s", name, did)
	if l.Rev != 0 {
		line += fmt.Sprintf(" in rev %d", l.Rev)
	}
	line += ", which " + acknowledgedText(l.Acknowledged) + "\n         "
	switch {
	case l.FromRev > l.Rev && l.Rev != 0:
		line += fmt.Sprintf("written again in rev %d: its value stays", l.FromRev)
	case l.Falls == engine.FallsValue:
		line += fmt.Sprintf("falls back to %s of rev %d", format.Short(l.Value, max(width-40, 0)), l.FromRev)
	case l.Falls == engine.FallsDeleted:
		line += fmt.Sprintf("is deleted then, as in rev %d", l.FromRev)
	case l.Falls == engine.FallsAbsent:
		line += "is absent then, as if it had never been"
	default:
		line += "what it has then is not known"
	}
	if !l.Proven {
		line += " (the key is read from damaged bytes, not proven)"
	}
	return line + "\n"
}
