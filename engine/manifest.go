package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// MANIFEST, version 1, is text, a fact a line, replaced whole by rename. The
// last line is the CRC-32 (IEEE) of those before it in hex.
//
//	kvsh manifest
//	version 1
//	database 7f0c…              id of the database, as in FORMAT
//	generation 12               grows with every MANIFEST
//	folded 913 8d3f2a11 78…     the tables hold everything up to this
//	                            revision; its checksum (- if not known), its stamp
//	history 1 78… 1048576       first revision that is kept: the state before it
//	                            and every later one can be read; the stamp of
//	                            the revision before it; bytes of the folded
//	                            records since and of the tables they ingested
//	setting NAME "value"        a setting of the database that is not the default
//	merge 9 4 5 6               under way: run 9 grows from runs 4, 5 and 6
//	table ID SIZE SUM ENTRIES RUN MINREV MAXREV REV STAMP ORIGIN "LOWER" "FIRST" "LAST"
//	checksum 1a2b3c4d
//
// A table line names the file tables/ID.kvt (16 hex digits), its digest (size,
// checksum of its footer in hex), its entries, the sorted run it belongs to,
// the span of its revisions, then what its entries read as that were written
// before their revision was known (an ingested table; else zeros). FIRST and
// LAST are its least and greatest key; keys up to and including LOWER have been
// merged away from it ("" for none: no key is empty).
//
// Tables of one run hold disjoint spans of keys. Runs may overlap: each entry
// carries its revision.
const (
	manifestFile    = "MANIFEST"
	manifestTitle   = "kvsh manifest"
	manifestVersion = 1
	tablesDir       = "tables"
	tableSuffix     = ".kvt"
)

// A manifest is the content of MANIFEST. It is never changed once it is in
// use: clone makes the next one.
type manifest struct {
	database     [16]byte
	generation   uint64
	folded       position // only rev, sum, anySum and stamp
	historyFrom  Rev      // first revision that is kept; from 1
	historyStamp Stamp    // of the revision before it
	historyBytes int64    // of the folded records since, and of tables they ingested
	settings     []setting
	merge        *mergeState
	tables       []tableLine
}

type setting struct{ name, value string }

// A mergeState says which runs are being merged into which.
type mergeState struct {
	out uint64
	in  []uint64
}

// A tableLine is one table of a manifest.
type tableLine struct {
	ref            tableRef
	run            uint64
	minRev, maxRev Rev
	as             assigned
	lower          string
	first, last    string
}

// tableName is the name of a table below the database.
func tableName(id uint64) string {
	return tablesDir + "/" + fmt.Sprintf("%016x", id) + tableSuffix
}

// clone returns a copy that may be changed, with the next generation.
func (m *manifest) clone() *manifest {
	n := *m
	n.generation++
	n.settings = append([]setting(nil), m.settings...)
	n.tables = append([]tableLine(nil), m.tables...)
	return &n
}

// setting returns the value of a setting, or def.
func (m *manifest) setting(name, def string) string {
	for _, s := range m.settings {
		if s.name == name {
			return s.value
		}
	}
	return def
}

// firstReadable is the first revision whose state can be read: that before the
// first one kept is known too.
func (m *manifest) firstReadable() Rev { return m.historyFrom - 1 }

func (m *manifest) encode() []byte {
	var b []byte
	b = fmt.Appendf(b, "%s\nversion %d\ndatabase %x\ngeneration %d\n", manifestTitle, manifestVersion, m.database, m.generation)
	sum := "-"
	if !m.folded.anySum {
		sum = fmt.Sprintf("%08x", m.folded.sum)
	}
	b = fmt.Appendf(b, "folded %d %s %d\nhistory %d %d %d\n", m.folded.rev, sum, m.folded.stamp, m.historyFrom, m.historyStamp, m.historyBytes)
	for _, s := range m.settings {
		b = fmt.Appendf(b, "setting %s %s\n", s.name, strconv.QuoteToASCII(s.value))
	}
	if m.merge != nil {
		b = fmt.Appendf(b, "merge %d", m.merge.out)
		for _, in := range m.merge.in {
			b = fmt.Appendf(b, " %d", in)
		}
		b = append(b, '\n')
	}
	for i := range m.tables {
		t := &m.tables[i]
		b = fmt.Appendf(b, "table %016x %d %08x %d %d %d %d %d %d %d ", t.ref.id, t.ref.size, t.ref.sum, t.ref.entries,
			t.run, t.minRev, t.maxRev, t.as.rev, t.as.stamp, t.as.origin)
		b = strconv.AppendQuoteToASCII(b, t.lower)
		b = append(b, ' ')
		b = strconv.AppendQuoteToASCII(b, t.first)
		b = append(b, ' ')
		b = strconv.AppendQuoteToASCII(b, t.last)
		b = append(b, '\n')
	}
	return sealText(string(b))
}

// readManifest reads and checks MANIFEST.
func readManifest(fsys FS, dir string, id [16]byte) (*manifest, error) {
	b, err := readSmall(fsys, filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &CorruptError{File: manifestFile, Reason: "missing"}
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(b)
	if err == nil && m.database != id {
		err = &CorruptError{File: manifestFile, Reason: "belongs to another database"}
	}
	return m, err
}

func decodeManifest(b []byte) (*manifest, error) {
	lines, err := unsealText(b)
	if err != nil {
		return nil, &CorruptError{File: manifestFile, Reason: err.Error()}
	}
	if len(lines) < 2 || lines[0] != manifestTitle {
		return nil, &CorruptError{File: manifestFile, Reason: "not a MANIFEST of kvsh"}
	}
	version, _ := strings.CutPrefix(lines[1], "version ")
	if v, err := strconv.Atoi(version); err == nil && v > manifestVersion {
		return nil, fmt.Errorf("%s: version %d: %w", manifestFile, v, ErrNewer)
	} else if err != nil || v < 1 {
		return nil, &CorruptError{File: manifestFile, Reason: "no version"}
	}
	m := new(manifest)
	offset := len(lines[0]) + len(lines[1]) + 2
	for _, line := range lines[2:] {
		if err := m.decodeLine(line); err != nil {
			return nil, &CorruptError{File: manifestFile, Offset: int64(offset), Reason: err.Error()}
		}
		offset += len(line) + 1
	}
	if m.historyFrom == 0 {
		return nil, &CorruptError{File: manifestFile, Reason: "no history line"}
	}
	return m, nil
}

func (m *manifest) decodeLine(line string) error {
	p := fields{rest: line}
	switch word := p.word(); word {
	case "database":
		copy(m.database[:], p.hexBytes(len(m.database)))
	case "generation":
		m.generation = p.number()
	case "folded":
		m.folded.rev = Rev(p.number())
		if sum := p.word(); sum == "-" {
			m.folded.anySum = true
		} else {
			m.folded.sum = uint32(p.parse(sum, 16, 32))
		}
		m.folded.stamp = Stamp(p.number())
	case "history":
		m.historyFrom = Rev(p.number())
		m.historyStamp = Stamp(p.number())
		m.historyBytes = p.size()
	case "setting":
		m.settings = append(m.settings, setting{name: p.word(), value: p.quoted()})
	case "merge":
		m.merge = &mergeState{out: p.number()}
		for p.rest != "" && p.err == nil {
			m.merge.in = append(m.merge.in, p.number())
		}
	case "table":
		m.tables = append(m.tables, p.table())
	default:
		return fmt.Errorf("unknown line %q", word)
	}
	if p.err == nil && p.rest != "" {
		p.err = errors.New("words after the end of a line")
	}
	return p.err
}

func (p *fields) table() (t tableLine) {
	t.ref.id = p.parse(p.word(), 16, 64)
	t.ref.size = p.size()
	t.ref.sum = uint32(p.parse(p.word(), 16, 32))
	t.ref.entries = p.size()
	t.run = p.number()
	t.minRev, t.maxRev = Rev(p.number()), Rev(p.number())
	t.as.rev, t.as.stamp, t.as.origin = Rev(p.number()), Stamp(p.number()), p.number()
	t.lower, t.first, t.last = p.quoted(), p.quoted(), p.quoted()
	return t
}

// fields takes a line apart. After the first error it returns zeros.
type fields struct {
	rest string
	err  error
}

func (p *fields) word() string {
	w, rest, _ := strings.Cut(p.rest, " ")
	p.rest = rest
	return w
}

func (p *fields) parse(word string, base, bits int) uint64 {
	n, err := strconv.ParseUint(word, base, bits)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%q is not a number", word)
	}
	return n
}

func (p *fields) number() uint64 { return p.parse(p.word(), 10, 64) }

func (p *fields) size() int64 { return int64(p.parse(p.word(), 10, 63)) }

func (p *fields) quoted() string {
	q, err := strconv.QuotedPrefix(p.rest)
	if err != nil {
		if p.err == nil {
			p.err = errors.New("a quoted string is missing")
		}
		return ""
	}
	p.rest = strings.TrimPrefix(p.rest[len(q):], " ")
	s, err := strconv.Unquote(q)
	if err != nil && p.err == nil {
		p.err = err
	}
	return s
}

func (p *fields) hexBytes(n int) []byte {
	w := p.word()
	b := make([]byte, n)
	if len(w) != 2*n {
		if p.err == nil {
			p.err = errors.New("wrong number of hex digits")
		}
		return b
	}
	for i := range b {
		b[i] = byte(p.parse(w[2*i:2*i+2], 16, 8))
	}
	return b
}
