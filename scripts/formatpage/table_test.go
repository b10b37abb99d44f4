package formatpage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// A version is one key at one revision.
type version struct {
	family, key   string
	value         string
	rev           uint64
	stamp, origin uint64
	expires       uint64
	deleted       bool
}

// A tableFile is all that a table says.
type tableFile struct {
	kind, sum  uint64
	properties part
	versions   []version
	filterless int // keys that the filter denies although they are there
}

// sealed reports whether the checksum in the last 4 bytes is that of the others.
func sealed(b []byte, before ...byte) error {
	if len(b) < 4 {
		return fmt.Errorf("%d bytes are too few for a checksum", len(b))
	}
	n := len(b) - 4
	return summed(append(before, b[:n]...), number(b[n:]))
}

func summed(b []byte, want uint64) error {
	if got := uint64(crc32.ChecksumIEEE(b)); got != want {
		return fmt.Errorf("checksum %08x, want %08x", got, want)
	}
	return nil
}

// table decodes a whole table.
func (p page) table(b []byte) (f tableFile, err error) {
	head, err := p.take("Header", b)
	if err != nil {
		return f, err
	}
	if err := sealed(b[:len(b)-len(head.rest)]); err != nil {
		return f, fmt.Errorf("header: %w", err)
	}
	end := footerSize(p)
	foot, err := p.take("Footer", b[max(len(b)-end, 0):])
	if err != nil {
		return f, err
	}
	if err := sealed(b[len(b)-end : len(b)-8]); err != nil {
		return f, fmt.Errorf("footer: %w", err)
	}
	if foot.number("size") != uint64(len(b)) || foot.number("headsum") != head.number("checksum") ||
		string(head.fields["magic"]) != "\x89KVT\r\n\x1a\n" || string(foot.fields["magic"]) != "\x89kvt\r\n\x1a\n" {
		return f, fmt.Errorf("the footer does not fit the header and the file")
	}
	f.kind, f.sum = head.number("kind"), foot.number("checksum")
	at := foot.number("top")
	top := b[at:][:foot.number("toplength")]
	props := b[at+foot.number("toplength"):][:foot.number("proplength")]
	if err := summed(top, foot.number("topsum")); err != nil {
		return f, fmt.Errorf("top index: %w", err)
	}
	if err := summed(props, foot.number("propsum")); err != nil {
		return f, fmt.Errorf("properties: %w", err)
	}
	if f.properties, err = p.take("Properties", props); err != nil {
		return f, err
	}
	pages, err := p.take("Top index", top)
	if err != nil {
		return f, err
	}
	entries := pages.fields["pages"]
	for range pages.number("n") {
		e, err := p.take("Description of a page", entries)
		if err != nil {
			return f, err
		}
		entries = e.rest
		if err := p.pageOfBlocks(b, e, head.fields["id"], &f); err != nil {
			return f, err
		}
	}
	return f, p.ends(props, &f)
}

func footerSize(p page) (size int) {
	size, _ = part{}.behind(p.layouts["Footer"])
	return size
}

// ends checks the last part of the properties against the versions.
func (p page) ends(props []byte, f *tableFile) error {
	rest := f.properties.rest
	if f.kind == 5 {
		rest = rest[8:]
	}
	ends, err := p.take("Ends", rest)
	if err != nil || len(ends.rest) > 0 {
		return fmt.Errorf("%d bytes behind the properties: %w", len(ends.rest), err)
	}
	n := len(f.versions)
	if uint64(n) != f.properties.number("entries") {
		return fmt.Errorf("%d versions, the properties say %d", n, f.properties.number("entries"))
	}
	if n == 0 {
		return nil
	}
	first, last := f.versions[0], f.versions[n-1]
	if string(ends.fields["first"]) != first.family+"\x00"+first.key || string(ends.fields["last"]) != last.family+"\x00"+last.key {
		return fmt.Errorf("the ends are %q and %q", ends.fields["first"], ends.fields["last"])
	}
	return nil
}

// pageOfBlocks decodes a page of the index, its blocks and its filter.
func (p page) pageOfBlocks(b []byte, e part, id []byte, f *tableFile) error {
	at, length := e.number("offset"), e.number("length")
	raw := b[at:][:length]
	if err := summed(raw, e.number("sum")); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if (at+length)%64 != 0 {
		return fmt.Errorf("the page ends at %d", at+length)
	}
	blocks, err := p.take("Page", raw)
	if err != nil {
		return err
	}
	from := len(f.versions)
	entries := blocks.fields["blocks"]
	for range blocks.number("n") {
		block, err := p.take("Description of a block", entries)
		if err != nil {
			return err
		}
		entries = block.rest
		if err := p.block(b, block, f); err != nil {
			return err
		}
	}
	return p.filter(b, at+length, e, id, f, f.versions[from:])
}

// block decodes the versions of a block.
func (p page) block(b []byte, e part, f *tableFile) error {
	keyAt := e.number("offset")
	valAt := keyAt + e.number("keystored")
	keys, err := run(b[keyAt:valAt], e.number("keysum"), e.number("keycodec"), e.number("keylength"))
	if err != nil {
		return fmt.Errorf("key run: %w", err)
	}
	values, err := run(b[valAt:][:e.number("valstored")], e.number("valsum"), e.number("valcodec"), e.number("vallength"))
	if err != nil {
		return fmt.Errorf("value run: %w", err)
	}
	head, err := p.take("Key run", keys)
	if err != nil {
		return err
	}
	n := int(head.number("n"))
	if uint64(n) != e.number("versions") {
		return fmt.Errorf("%d versions, want %d", n, e.number("versions"))
	}
	var columns [7]part
	rest := head.fields["columns"]
	for i := range columns {
		if columns[i], err = p.take("Description of a column", rest); err != nil {
			return err
		}
		rest = columns[i].rest
	}
	var numbers [7][]uint64
	for i, c := range columns {
		base, slope, width := c.number("base"), int64(int32(c.number("slope"))), c.number("width")
		for j := range n {
			numbers[i] = append(numbers[i], base+uint64(slope)*uint64(j)+number(rest[:width]))
			rest = rest[width:]
		}
	}
	keyFrom, valueFrom := uint64(0), uint64(0)
	for j := range n {
		family, key := split(string(rest[keyFrom:numbers[0][j]]))
		f.versions = append(f.versions, version{
			family: family, key: key, value: string(values[valueFrom:numbers[6][j]]),
			rev: numbers[1][j], stamp: numbers[2][j], origin: numbers[3][j],
			expires: numbers[4][j], deleted: numbers[5][j] == 1,
		})
		keyFrom, valueFrom = numbers[0][j], numbers[6][j]
	}
	return nil
}

func run(stored []byte, sum, codec, length uint64) ([]byte, error) {
	if err := summed(stored, sum); err != nil {
		return nil, err
	}
	if codec == 1 {
		d, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		if stored, err = d.DecodeAll(stored, nil); err != nil {
			return nil, err
		}
	}
	if uint64(len(stored)) != length {
		return nil, fmt.Errorf("%d bytes, want %d", len(stored), length)
	}
	return stored, nil
}

func split(internal string) (family, key string) {
	for i := range len(internal) {
		if internal[i] == 0 {
			return internal[:i], internal[i+1:]
		}
	}
	return internal, ""
}

// filter checks the pages of a filter and asks it for the keys that are there.
func (p page) filter(b []byte, at uint64, e part, id []byte, f *tableFile, versions []version) error {
	filters, lines := e.number("filters"), e.number("lines")
	size := (lines + 1) * 64
	var bits [][]byte
	for i := range filters {
		from := at + i*size
		raw := b[from:][:size]
		place := binary.LittleEndian.AppendUint64(append([]byte(nil), id...), from)
		if err := sealed(raw, place...); err != nil {
			return fmt.Errorf("filter page: %w", err)
		}
		page, err := p.take("Filter page", raw)
		if err != nil {
			return err
		}
		bits = append(bits, page.fields["bits"])
	}
	for _, v := range versions {
		h := uint64(0xcbf29ce484222325)
		for _, c := range []byte(v.family + "\x00" + v.key) {
			h = (h ^ uint64(c)) * 0x100000001b3
		}
		h = mix(h)
		g := mix(h)
		line := bits[(h>>32)*filters>>32][(g>>54)*lines>>10*64:]
		for range 6 {
			if bit := g & 511; line[bit/8]>>(bit%8)&1 == 0 {
				f.filterless++
			}
			g >>= 9
		}
	}
	return nil
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xFF51AFD7ED558CCD
	h ^= h >> 33
	h *= 0xC4CEB9FE1A85EC53
	return h ^ h>>33
}
