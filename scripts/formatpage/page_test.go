package formatpage

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A page is what a program can read of kvsh-format.5.
type page struct {
	layouts map[string]layout // by the title of their section
	files   map[string][]byte // of the example, by their names below the database
}

// A layout is the rows of one table of offsets.
type layout []row

type row struct{ offset, size, name string }

// unroff is what a line of the page shows.
var unroff = strings.NewReplacer(`\-`, "-", `\(dq`, `"`, `\e`, `\`)

var (
	title   = regexp.MustCompile(`^\.S[HS] (.*)$`)
	rowLine = regexp.MustCompile(`^(\S+) +(\S+) +([a-z]+)\b`)
	hexLine = regexp.MustCompile(`^([0-9a-f]{3})  ((?:[0-9a-f]{2}(?: |$))+)`)
)

// readPage reads the tables and the example of the page.
func readPage(t *testing.T) page {
	t.Helper()
	b, err := os.ReadFile("../../man/kvsh-format.5")
	if err != nil {
		t.Fatal(err)
	}
	p := page{layouts: map[string]layout{}, files: map[string][]byte{}}
	section, inExample, inRows, literal := "", false, false, false
	for line := range strings.Lines(string(b)) {
		line = unroff.Replace(strings.TrimSuffix(line, "\n"))
		if m := title.FindStringSubmatch(line); m != nil {
			section, inRows = m[1], false
			inExample = inExample || section == "EXAMPLE"
			continue
		}
		switch {
		case line == ".nf":
			literal = true
		case line == ".fi":
			literal, inRows = false, false
		case !literal:
		case inExample && section != "EXAMPLE":
			p.exampleLine(t, section, line)
		case line == "offset  size  name":
			inRows = true
		case inRows:
			if m := rowLine.FindStringSubmatch(line); m != nil {
				p.layouts[section] = append(p.layouts[section], row{m[1], m[2], m[3]})
			}
		}
	}
	return p
}

// exampleLine takes a line of a file of the example: bytes, or text.
func (p page) exampleLine(t *testing.T, name, line string) {
	t.Helper()
	m := hexLine.FindStringSubmatch(line)
	if m == nil {
		p.files[name] = append(p.files[name], line+"\n"...)
		return
	}
	if want := fmt.Sprintf("%03x", len(p.files[name])); m[1] != want {
		t.Errorf("the example %s has offset %s where %s would follow", name, m[1], want)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(m[2], " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	p.files[name] = append(p.files[name], b...)
}

// A part is some bytes taken apart: its fields by name, and what followed.
type part struct {
	fields map[string][]byte
	rest   []byte
}

// number is the value of a field of 1, 2, 4 or 8 bytes.
func (p part) number(name string) uint64 { return number(p.fields[name]) }

func number(b []byte) uint64 {
	var all [8]byte
	copy(all[:], b)
	return binary.LittleEndian.Uint64(all[:])
}

// take takes bytes apart by the table of a section. It returns an error if they
// are too few, or if an offset in the table is not where the field lies.
func (p page) take(section string, b []byte) (part, error) {
	rows := p.layouts[section]
	if len(rows) == 0 {
		return part{}, fmt.Errorf("the page has no table for %q", section)
	}
	all, at := part{fields: map[string][]byte{}}, 0
	for i, r := range rows {
		size, err := all.size(r.size)
		if r.size == "*" {
			if size, err = all.behind(rows[i+1:]); err == nil {
				size = len(b) - at - size
			}
		}
		if err != nil || size < 0 || at+size > len(b) {
			return part{}, fmt.Errorf("%s: %s: %d bytes at %d of %d: %w", section, r.name, size, at, len(b), err)
		}
		if offset, err := all.offset(r.offset, len(b)); err != nil || offset != at {
			return part{}, fmt.Errorf("%s: %s: the page says offset %s (%d), it lies at %d", section, r.name, r.offset, offset, at)
		}
		all.fields[r.name] = b[at : at+size]
		at += size
	}
	all.rest = b[at:]
	return all, nil
}

// size is a number, or the value of the field of that name.
func (p part) size(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	if s == "*" {
		return 0, nil
	}
	f, ok := p.fields[s]
	if !ok {
		return 0, fmt.Errorf("no field %q stands before", s)
	}
	return int(number(f)), nil
}

// behind is the size of the rows after one of size *.
func (p part) behind(rows []row) (total int, err error) {
	for _, r := range rows {
		n, err := p.size(r.size)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// offset is a sum of numbers and fields, or a number of bytes before the end.
func (p part) offset(s string, end int) (int, error) {
	if before, ok := strings.CutPrefix(s, "end-"); ok {
		n, err := strconv.Atoi(before)
		return end - n, err
	}
	at := 0
	for _, term := range strings.Split(s, "+") {
		n, err := p.size(term)
		if err != nil {
			return 0, err
		}
		at += n
	}
	return at, nil
}
