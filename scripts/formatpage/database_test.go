package formatpage

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// A database is what its files say, by their names below the directory.
type database struct {
	page     page
	files    map[string][]byte
	copyID   uint64
	manifest manifest
	versions []version // of tables and of the log behind them
	newest   uint64
}

type manifest struct {
	folded, foldedSum uint64
	history           uint64
	tables            []tableLine
}

type tableLine struct {
	id                 string
	size, sum, entries uint64
	minRev, maxRev     uint64
	as                 version // rev, stamp and origin of versions that have none
	lower              string
}

// lines checks the last line of a text and returns the words of the others.
func lines(b []byte) ([][]string, error) {
	body, last, found := strings.Cut(string(b), "\nchecksum ")
	body += "\n"
	if !found || last != fmt.Sprintf("%08x\n", crc32.ChecksumIEEE([]byte(body))) {
		return nil, fmt.Errorf("the text ends with the checksum %q", last)
	}
	var all [][]string
	for line := range strings.Lines(body) {
		all = append(all, strings.Split(strings.TrimSuffix(line, "\n"), " "))
	}
	return all, nil
}

func decimal(s string) uint64     { n, _ := strconv.ParseUint(s, 10, 64); return n }
func hexadecimal(s string) uint64 { n, _ := strconv.ParseUint(s, 16, 64); return n }

// decode reads a database.
func decode(p page, files map[string][]byte) (*database, error) {
	db := &database{page: p, files: files}
	text, err := lines(files["FORMAT"])
	if err != nil || len(text) != 5 || strings.Join(text[0], " ") != "kvsh database" || text[3][0] != "copy" {
		return nil, fmt.Errorf("FORMAT: %q, %w", text, err)
	}
	db.copyID = hexadecimal(text[3][1])
	if text, err = lines(files["MANIFEST"]); err != nil {
		return nil, fmt.Errorf("MANIFEST: %w", err)
	}
	if err := db.readManifest(text); err != nil {
		return nil, fmt.Errorf("MANIFEST: %w", err)
	}
	for _, t := range db.manifest.tables {
		if err := db.readTable(t); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.id, err)
		}
	}
	return db, db.readLog()
}

func (db *database) readManifest(text [][]string) error {
	m := &db.manifest
	for _, words := range text {
		switch words[0] {
		case "kvsh", "version", "database", "generation", "setting", "merge":
		case "folded":
			m.folded, m.foldedSum = decimal(words[1]), hexadecimal(words[2])
		case "history":
			m.history = decimal(words[1])
		case "table":
			// LOWER may hold blanks, so it is read as it is quoted.
			quoted, err := strconv.QuotedPrefix(strings.Join(words[11:], " "))
			if err != nil {
				return err
			}
			lower, err := strconv.Unquote(quoted)
			if err != nil {
				return err
			}
			m.tables = append(m.tables, tableLine{
				id: words[1], size: decimal(words[2]), sum: hexadecimal(words[3]), entries: decimal(words[4]),
				minRev: decimal(words[6]), maxRev: decimal(words[7]),
				as: version{rev: decimal(words[8]), stamp: decimal(words[9]), origin: decimal(words[10])}, lower: lower,
			})
		default:
			return fmt.Errorf("a line %q, of which the page does not tell", words[0])
		}
	}
	return nil
}

// readTable adds the versions of a table that count.
func (db *database) readTable(line tableLine) error {
	b, ok := db.files["tables/"+line.id+".kvt"]
	if !ok || uint64(len(b)) != line.size {
		return fmt.Errorf("%d bytes, want %d", len(b), line.size)
	}
	f, err := db.page.table(b)
	if err != nil {
		return err
	}
	if f.sum != line.sum || f.filterless > 0 || uint64(len(f.versions)) != line.entries {
		return fmt.Errorf("checksum %08x, %d versions, %d bits of the filter missing", f.sum, len(f.versions), f.filterless)
	}
	for _, v := range f.versions {
		if v.rev == 0 {
			v.rev, v.stamp, v.origin = line.as.rev, line.as.stamp, line.as.origin
		}
		if v.rev < line.minRev || v.rev > line.maxRev {
			return fmt.Errorf("revision %d, want %d to %d", v.rev, line.minRev, line.maxRev)
		}
		if v.family+"\x00"+v.key > line.lower {
			db.versions = append(db.versions, v)
		}
	}
	return nil
}

// readLog adds what the log has behind the tables, reads what it has before, and
// holds it against MARK.
func (db *database) readLog() error {
	var names []string
	for name := range db.files {
		if strings.HasPrefix(name, "log/") || strings.HasPrefix(name, "history/") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(segment(a), segment(b)) })
	mark, err := db.page.take("MARK", db.files["MARK"])
	if err == nil {
		err = sealed(db.files["MARK"])
	}
	if err != nil || mark.number("copy") != db.copyID {
		return fmt.Errorf("MARK of copy %x: %w", mark.number("copy"), err)
	}
	db.newest = db.manifest.folded
	var before part
	for _, name := range names {
		at := 0
		for b := db.files[name]; at < len(b); {
			length, n := varint(b[at:])
			if at+n+length > len(b) {
				return fmt.Errorf("%s: cut at %d", name, at)
			}
			r, err := db.record(b[at+n:][:length], before)
			if err != nil {
				return fmt.Errorf("%s at %d: %w", name, at, err)
			}
			before, at = r, at+n+length
			if r.number("revision") == mark.number("committed") &&
				(decimal(segment(name)) != mark.number("segment") || uint64(at) != mark.number("end") || r.number("checksum") != mark.number("sum")) {
				return fmt.Errorf("MARK says offset %d of %d, the record ends at %d of %s", mark.number("end"), mark.number("segment"), at, name)
			}
		}
	}
	if db.newest != mark.number("committed") {
		return fmt.Errorf("the log ends at revision %d, MARK says %d", db.newest, mark.number("committed"))
	}
	return nil
}

// segment is the name of a segment without its folder.
func segment(name string) string { return name[strings.IndexByte(name, '/')+1:] }

// varint is a length and the bytes it takes.
func varint(b []byte) (value, size int) {
	for i, c := range b {
		value |= int(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return value, i + 1
		}
	}
	return 0, len(b) + 1
}

// record takes a record apart and, if it lies behind the tables, adds what it
// did.
func (db *database) record(b []byte, before part) (part, error) {
	r, err := db.page.take("Record", b)
	if err != nil {
		return r, err
	}
	if err := sealed(b); err != nil {
		return r, err
	}
	rev := r.number("revision")
	if string(r.fields["magic"]) != "kv" || before.fields != nil &&
		(r.number("before") != before.number("checksum") || rev != before.number("revision")+1) {
		return r, errors.New("it does not follow the record before")
	}
	if rev <= db.manifest.folded {
		if rev == db.manifest.folded && r.number("checksum") != db.manifest.foldedSum {
			return r, errors.New("MANIFEST has another checksum")
		}
	}
	db.newest = max(db.newest, rev)
	as := version{rev: rev, stamp: r.number("stamp"), origin: r.number("origin")}
	rest := r.fields["operations"]
	for range r.number("n") {
		if rest, err = db.operation(rest, as); err != nil {
			return r, err
		}
	}
	if len(rest) > 0 {
		return r, fmt.Errorf("%d bytes behind the operations", len(rest))
	}
	return r, nil
}

// operation adds what one operation did and returns what follows it.
func (db *database) operation(b []byte, as version) ([]byte, error) {
	sections := []string{"", "Operation 1, set", "Operation 2, delete", "Operation 3, set with expiry", "Operation 4, ingest"}
	if len(b) == 0 || int(b[0]) >= len(sections) {
		return nil, fmt.Errorf("operation % x", b[:min(len(b), 1)])
	}
	o, err := db.page.take(sections[b[0]], b)
	if err != nil {
		return nil, err
	}
	if b[0] == 4 {
		line := tableLine{
			id: fmt.Sprintf("%016x", o.number("id")), size: o.number("size"), sum: o.number("sum"),
			entries: o.number("entries"), minRev: as.rev, maxRev: as.rev, as: as,
		}
		if as.rev > db.manifest.folded {
			return o.rest, db.readTable(line)
		}
		return o.rest, db.ingested(line)
	}
	if as.rev <= db.manifest.folded {
		return o.rest, nil // the tables have it
	}
	v := as
	v.family, v.key, v.value = string(o.fields["family"]), string(o.fields["key"]), string(o.fields["value"])
	v.deleted = b[0] == 2
	if b[0] == 3 {
		v.expires = o.number("expiry")
	}
	db.versions = append(db.versions, v)
	return o.rest, nil
}

// ingested compares a record that made a table part of the database with what
// MANIFEST says of that table, as long as it has not been merged away.
func (db *database) ingested(line tableLine) error {
	for _, t := range db.manifest.tables {
		if t.id == line.id && (t.size != line.size || t.sum != line.sum || t.entries != line.entries || t.as != line.as) {
			return fmt.Errorf("MANIFEST has table %s as %+v, the log as %+v", t.id, t, line)
		}
	}
	return nil
}

// at is the state at a revision, by internal key, what has expired at a moment
// in milliseconds left out.
func (db *database) at(rev, moment uint64) map[string]version {
	newest := map[string]version{}
	for _, v := range db.versions {
		key := v.family + "\x00" + v.key
		if v.rev <= rev && v.rev > newest[key].rev {
			newest[key] = v
		}
	}
	for key, v := range newest {
		if v.deleted || v.expires != 0 && v.expires <= moment {
			delete(newest, key)
		}
	}
	return newest
}
