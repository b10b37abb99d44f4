package engine

import (
	"encoding/binary"
	"hash/crc32"
)

// A filter says of a key that it is not there without reading a block. It is a
// blocked Bloom filter: a hash picks the page, the line of 64 bytes within it,
// and filterProbes bits in that line, so a question costs one line of cache.
//
// There is one for each page of the index, over the distinct keys of that
// page's blocks, so it can be written as the table grows and needs no more
// memory than the hashes of that many keys. It has 1 to maxFilterPages pages,
// all of the same number of lines, 1 to 63; a page of 63 lines is 4 KiB:
//
//	size      field
//	64×lines  bits, the lowest bit of a byte first
//	60        zeros
//	4         CRC-32 (IEEE) over the table id u64 and the offset of the page in
//	          the file u64, and every byte of the page before this field: a
//	          page of another place, however intact, would deny keys
//
// The hash is FNV-1a, 64 bits, through the finaliser of MurmurHash3, over the
// internal key. Its high half times the number of pages is the page. A second
// finaliser over the hash gives the line, by its high 10 bits, and the bits of
// the line, by its low 9, 18, … bits.
const (
	filterLineSize   = 64
	filterPageLines  = 63
	filterBitsPerKey = 10
	filterProbes     = 6
	maxFilterPages   = 64

	// maxFilterKeys is the number of keys at which a page of the index ends
	// lest its filter grows past maxFilterPages.
	maxFilterKeys = maxFilterPages * filterPageLines * filterLineSize * 8 / filterBitsPerKey
)

// filterHash is the hash of an internal key.
func filterHash(ikey []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range ikey {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return finalise(h)
}

// finalise spreads every bit of h over all of them.
func finalise(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// filterShape is the size of a filter.
type filterShape struct {
	pages uint32
	lines uint32 // of each page
}

// filterShapeFor is the shape of a filter of n keys, 1 to maxFilterKeys.
func filterShapeFor(n int) filterShape {
	lines := (n*filterBitsPerKey + filterLineSize*8 - 1) / (filterLineSize * 8)
	if lines <= filterPageLines {
		return filterShape{pages: 1, lines: uint32(max(lines, 1))}
	}
	return filterShape{pages: uint32((lines + filterPageLines - 1) / filterPageLines), lines: filterPageLines}
}

func (s filterShape) valid() bool {
	return s.pages >= 1 && s.pages <= maxFilterPages && s.lines >= 1 && s.lines <= filterPageLines &&
		(s.pages == 1 || s.lines == filterPageLines)
}

// pageSize is the length of a page in bytes.
func (s filterShape) pageSize() int { return int(s.lines+1) * filterLineSize }

// size is the length of the filter in bytes.
func (s filterShape) size() int { return int(s.pages) * s.pageSize() }

// page is the page that a hash falls on.
func (s filterShape) page(hash uint64) int {
	return int(hash >> 32 * uint64(s.pages) >> 32)
}

// probe is the line of a hash within its page, and a number of which each 9
// bits, from the lowest, name a bit of that line.
func (s filterShape) probe(hash uint64) (line int, bits uint64) {
	g := finalise(hash)
	return int(g >> 54 * uint64(s.lines) >> 10), g
}

// set puts a hash into the bits of its page.
func (s filterShape) set(page []byte, hash uint64) {
	line, g := s.probe(hash)
	b := page[line*filterLineSize:][:filterLineSize]
	for range filterProbes {
		b[g>>3&63] |= 1 << (g & 7)
		g >>= 9
	}
}

// has reports whether a hash may be in its page. It is wrong in about one of a
// hundred hashes that are not, and never in one that is.
func (s filterShape) has(page []byte, hash uint64) bool {
	line, g := s.probe(hash)
	b := page[line*filterLineSize:][:filterLineSize]
	for range filterProbes {
		if b[g>>3&63]&(1<<(g&7)) == 0 {
			return false
		}
		g >>= 9
	}
	return true
}

// appendFilter appends the filter over hashes to dst. offset is where in the
// file it comes to lie, id the table's.
func appendFilter(dst []byte, hashes []uint64, id uint64, offset int64) ([]byte, filterShape) {
	s := filterShapeFor(len(hashes))
	start := len(dst)
	dst = append(dst, make([]byte, s.size())...)
	filter := dst[start:]
	size := s.pageSize()
	for _, h := range hashes {
		s.set(filter[s.page(h)*size:], h)
	}
	for p := range int(s.pages) {
		page := filter[p*size:][:size]
		binary.LittleEndian.PutUint32(page[size-4:], filterPageCRC(page, id, offset+int64(p*size)))
	}
	return dst, s
}

// filterPageCRC is the checksum of a page, which lies at offset in the table
// id.
func filterPageCRC(page []byte, id uint64, offset int64) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], id)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.ChecksumIEEE(place[:]), crc32.IEEETable, page[:len(page)-4])
}

// filterPageSum is the checksum that a page carries.
func filterPageSum(page []byte) uint32 {
	return binary.LittleEndian.Uint32(page[len(page)-4:])
}
