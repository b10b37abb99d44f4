package engine

import (
	"encoding/binary"
	"errors"
)

// tableInfo describes a table. id, size and sum together are its digest: two
// tables that agree in them are the same.
type tableInfo struct {
	id       uint64
	size     int64    // of the file in bytes
	sum      uint32   // the checksum in the footer, which covers all the others
	database [16]byte // id of the database it was made in
	created  int64    // Unix milliseconds
	kind     tableKind

	entries  uint64 // versions
	keys     uint64 // distinct keys
	deletes  uint64 // versions that are deletes
	expiring uint64 // versions with an expiry
	blocks   uint64

	minRev, maxRev     Rev // 0 in an empty table
	minStamp, maxStamp Stamp

	keyBytes, valueBytes uint64 // before compression; of internal keys

	snapshotRev   Rev   // kinds snapshot and increment: it holds everything up to this revision
	snapshotStamp Stamp // of that revision, which may have been a delete
	historyFrom   Rev   // reads at this revision and later ones are exact; of an increment its first revision; 0: not known
	afterStamp    Stamp // kind increment: of the revision before historyFrom

	first, last []byte // internal keys; nil in an empty table
}

// The properties of a table: these numbers, each a u64 and in this order, then
// the lengths of the first and the last internal key as u32, then the two. The
// last number is there in increments only.
func (p *tableInfo) numbers() []*uint64 {
	numbers := []*uint64{
		&p.entries, &p.keys, &p.deletes, &p.expiring, &p.blocks,
		(*uint64)(&p.minRev), (*uint64)(&p.maxRev), (*uint64)(&p.minStamp), (*uint64)(&p.maxStamp),
		&p.keyBytes, &p.valueBytes, (*uint64)(&p.snapshotRev),
		(*uint64)(&p.snapshotStamp), (*uint64)(&p.historyFrom),
		(*uint64)(&p.afterStamp),
	}
	if p.kind != kindIncrement {
		return numbers[:len(numbers)-1]
	}
	return numbers
}

// appendProperties appends the properties as they stand in the file.
func (p *tableInfo) appendProperties(dst []byte) []byte {
	for _, x := range p.numbers() {
		dst = binary.LittleEndian.AppendUint64(dst, *x)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.first)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.last)))
	dst = append(dst, p.first...)
	return append(dst, p.last...)
}

// parse is the reverse of appendProperties. It copies the keys: an info may
// outlive its table.
func (p *tableInfo) parse(raw []byte) error {
	numbers := p.numbers()
	if len(raw) < 8*len(numbers)+8 {
		return errors.New("properties are cut short")
	}
	for _, x := range numbers {
		*x, raw = binary.LittleEndian.Uint64(raw), raw[8:]
	}
	first, last := int64(binary.LittleEndian.Uint32(raw)), int64(binary.LittleEndian.Uint32(raw[4:]))
	raw = raw[8:]
	if first+last != int64(len(raw)) || first > maxIKeySize || last > maxIKeySize || (p.entries == 0) != (len(raw) == 0) {
		return errors.New("properties have keys of impossible lengths")
	}
	if p.entries > 0 {
		keys := append([]byte(nil), raw...)
		p.first, p.last = keys[:first:first], keys[first:]
	}
	return nil
}

// assign puts what the versions were assigned in place of the zeros.
func (p *tableInfo) assign(as assigned) {
	if p.entries > 0 && p.minRev == 0 {
		p.minRev, p.maxRev, p.minStamp, p.maxStamp = as.rev, as.rev, as.stamp, as.stamp
	}
}

// count adds a version, which comes after all before, to the numbers. newKey
// says whether its key is another than that of the version before.
func (p *tableInfo) count(v *version, newKey bool) {
	if p.entries == 0 {
		p.minRev, p.minStamp = v.rev, v.stamp
	}
	p.entries++
	if newKey {
		p.keys++
	}
	if v.deleted {
		p.deletes++
	}
	if v.expires != 0 {
		p.expiring++
	}
	p.minRev, p.maxRev = min(p.minRev, v.rev), max(p.maxRev, v.rev)
	p.minStamp, p.maxStamp = min(p.minStamp, v.stamp), max(p.maxStamp, v.stamp)
	p.keyBytes += uint64(len(v.key))
	p.valueBytes += uint64(v.size)
}
