package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// Record format, version 1: one committed transaction. Integers are
// little-endian and of fixed width, so one record has one spelling.
//
//	offset  size  field
//	0       2     magic: 'k' 'v'
//	2       1     version: 1
//	3       1     flags: bit 0, every record before this one was known to be
//	              durable when this one was written; the others are zero
//	4       8     revision, from 1; the wal index of the entry
//	12      8     stamp: hybrid logical clock, see Stamp
//	20      8     origin: the copy of the database that first made the change
//	28      4     checksum of the record before; of the last folded record for
//	              the first one after a restore, 0 where that is not known
//	32      1     w, length of the writer
//	33      w     writer: who committed it, for people
//	33+w    4     n, number of operations, 1 or more
//	37+w    -     the operations, each after the other
//	end-4   4     CRC-32 (IEEE) of every byte before this field
//
// An operation on a key. Those of one record are sorted by family, then key,
// both by bytes, and no key stands twice:
//
//	0       1     1 set, 2 delete, 3 set with expiry
//	1       1     f, length of the family name, 0 to 64
//	2       f     family name; empty is the default family
//	2+f     2     k, length of the key in bytes, 1 to 65535
//	4+f     4     v, length of the value in bytes; not for a delete
//	8+f     8     expiry in Unix milliseconds, 1 or more; only for 3
//	-       k     key
//	-       v     value; not for a delete
//
// The operation 4, ingest, makes a whole table part of the database at this
// revision; a record has either ingests, sorted by table id, or the others:
//
//	0       1     4
//	1       8     id of the table
//	9       8     size of its file in bytes
//	17      4     checksum of its footer; with id and size the digest of the table
//	21      8     number of entries
//
// A record is never empty and never all zeros, so neither an empty wal entry
// nor a preallocated tail reads as one. In the log a record is the payload of
// a wal entry: its length as a canonical unsigned varint, then the record.
const (
	recordMagic      = "kv"
	recordVersion    = 1
	recordHeaderSize = 33
	recordMinSize    = recordHeaderSize + 4 + 1 + 4

	// maxRecordSize is what a scanner believes of a length before it has
	// checked the record: a transaction at its limit, and no more.
	maxRecordSize = MaxTxSize + 1<<10

	maxWriterSize  = 255
	ingestSize     = 29
	minOpSize      = 5
	flagAllDurable = 1 << 0
)

// A tableRef names a table with its digest.
type tableRef struct {
	id      uint64
	size    int64
	sum     uint32
	entries int64
}

// An operation is one change of a record. Its slices point into the record.
type operation struct {
	op      Op
	family  []byte
	key     []byte
	value   []byte
	expires int64    // Unix milliseconds; 0 unless op is OpSetExpiring
	table   tableRef // only for OpIngest
}

// A record is a decoded transaction. Its slices point into the bytes it was
// decoded from.
type record struct {
	flags  byte
	rev    Rev
	stamp  Stamp
	origin uint64
	prev   uint32 // checksum of the record before
	writer []byte
	count  int
	body   []byte // the operations
	sum    uint32 // its own checksum
	size   int    // bytes of the whole record

	ops [2]operation // under way in each, in turn: a record is read without allocating
}

// durableBefore reports whether every earlier record was durable when this one
// was written.
func (r *record) durableBefore() bool { return r.flags&flagAllDurable != 0 }

// opSize is the number of bytes an operation takes in a record.
func opSize(op Op, family, key, value int) int {
	switch op {
	case OpDelete:
		return 4 + family + key
	case OpSetExpiring:
		return 16 + family + key + value
	case OpIngest:
		return ingestSize
	}
	return 8 + family + key + value
}

// appendRecord appends the encoding of r with the given operations, which must
// be sorted, and returns it with its checksum. r.count, body, sum and size are
// not read.
func appendRecord(dst []byte, r *record, ops []operation) ([]byte, uint32) {
	size := recordMinSize + len(r.writer)
	for i := range ops {
		size += opSize(ops[i].op, len(ops[i].family), len(ops[i].key), len(ops[i].value))
	}
	dst = slices.Grow(dst, size)
	start := len(dst)
	le := binary.LittleEndian
	dst = append(dst, recordMagic...)
	dst = append(dst, recordVersion, r.flags)
	dst = le.AppendUint64(dst, uint64(r.rev))
	dst = le.AppendUint64(dst, uint64(r.stamp))
	dst = le.AppendUint64(dst, r.origin)
	dst = le.AppendUint32(dst, r.prev)
	dst = append(dst, byte(len(r.writer)))
	dst = append(dst, r.writer...)
	dst = le.AppendUint32(dst, uint32(len(ops)))
	for i := range ops {
		dst = appendOperation(dst, &ops[i])
	}
	sum := crc32.ChecksumIEEE(dst[start:])
	return le.AppendUint32(dst, sum), sum
}

func appendOperation(dst []byte, o *operation) []byte {
	le := binary.LittleEndian
	dst = append(dst, byte(o.op))
	if o.op == OpIngest {
		dst = le.AppendUint64(dst, o.table.id)
		dst = le.AppendUint64(dst, uint64(o.table.size))
		dst = le.AppendUint32(dst, o.table.sum)
		return le.AppendUint64(dst, uint64(o.table.entries))
	}
	dst = append(dst, byte(len(o.family)))
	dst = append(dst, o.family...)
	dst = le.AppendUint16(dst, uint16(len(o.key)))
	if o.op != OpDelete {
		dst = le.AppendUint32(dst, uint32(len(o.value)))
	}
	if o.op == OpSetExpiring {
		dst = le.AppendUint64(dst, uint64(o.expires))
	}
	dst = append(dst, o.key...)
	if o.op != OpDelete {
		dst = append(dst, o.value...)
	}
	return dst
}

// errNewerRecord is what parse finds of a version it does not know. The
// checksum was good, so this is no damage.
var errNewerRecord = fmt.Errorf("record: %w", ErrNewer)

// parse decodes a record that takes all of data, and verifies its checksum.
// The operations are verified by each. After an error r is of no use.
func (r *record) parse(data []byte) error {
	if len(data) < recordMinSize {
		return fmt.Errorf("%d bytes are too few for a record", len(data))
	}
	if string(data[:2]) != recordMagic {
		return errors.New("no record begins here")
	}
	le := binary.LittleEndian
	end := len(data) - 4
	r.sum = le.Uint32(data[end:])
	if sum := crc32.ChecksumIEEE(data[:end]); sum != r.sum {
		return fmt.Errorf("checksum mismatch: the record says %08x, its bytes give %08x", r.sum, sum)
	}
	if data[2] != recordVersion || data[3]&^flagAllDurable != 0 {
		return errNewerRecord
	}
	r.flags = data[3]
	r.rev = Rev(le.Uint64(data[4:]))
	r.stamp = Stamp(le.Uint64(data[12:]))
	r.origin = le.Uint64(data[20:])
	r.prev = le.Uint32(data[28:])
	w := int(data[32])
	if recordHeaderSize+w+4+minOpSize > end {
		return errors.New("the writer reaches beyond the record")
	}
	r.writer = data[recordHeaderSize : recordHeaderSize+w]
	count := le.Uint32(data[recordHeaderSize+w:])
	r.body = data[recordHeaderSize+w+4 : end]
	if count == 0 || int64(count)*minOpSize > int64(len(r.body)) {
		return fmt.Errorf("%d operations do not fit the record", count)
	}
	r.count = int(count)
	r.size = len(data)
	return nil
}

// each calls f with each operation, until f returns false. The operation is
// reused. The error tells of operations that break the format, which with a
// good checksum no kvsh has written.
func (r *record) each(f func(*operation) bool) error {
	b := r.body
	for i := range r.count {
		op, before := &r.ops[i%2], &r.ops[(i+1)%2]
		n, err := parseOperation(b, op)
		if err != nil {
			return fmt.Errorf("operation %d: %w", i+1, err)
		}
		b = b[n:]
		if i > 0 && !before.precedes(op) {
			return fmt.Errorf("operation %d: out of order", i+1)
		}
		if !f(op) {
			return nil
		}
	}
	if len(b) != 0 {
		return fmt.Errorf("%d bytes after the last operation", len(b))
	}
	return nil
}

// precedes reports whether o may stand before p in one record.
func (o *operation) precedes(p *operation) bool {
	if o.op == OpIngest || p.op == OpIngest {
		return o.op == p.op && o.table.id < p.table.id
	}
	if c := bytes.Compare(o.family, p.family); c != 0 {
		return c < 0
	}
	return bytes.Compare(o.key, p.key) < 0
}

var errShortOperation = errors.New("reaches beyond the record")

// parseOperation decodes the operation at the start of b into o and returns
// its length.
func parseOperation(b []byte, o *operation) (int, error) {
	le := binary.LittleEndian
	if len(b) < minOpSize {
		return 0, errShortOperation
	}
	*o = operation{op: Op(b[0])}
	if o.op == OpIngest {
		if len(b) < ingestSize {
			return 0, errShortOperation
		}
		size, entries := le.Uint64(b[9:]), le.Uint64(b[21:])
		if size > math.MaxInt64 || entries > math.MaxInt64 {
			return 0, errors.New("size of the table out of range")
		}
		o.table = tableRef{id: le.Uint64(b[1:]), size: int64(size), sum: le.Uint32(b[17:]), entries: int64(entries)}
		return ingestSize, nil
	}
	if o.op != OpSet && o.op != OpDelete && o.op != OpSetExpiring {
		return 0, fmt.Errorf("unknown kind %d", b[0])
	}
	f := int(b[1])
	if f > MaxFamilySize || len(b) < 2+f+2 {
		return 0, errShortOperation
	}
	o.family = b[2 : 2+f]
	n := 2 + f
	key := int(le.Uint16(b[n:]))
	n += 2
	if key == 0 {
		return 0, errors.New("empty key")
	}
	var value int64
	if o.op != OpDelete {
		if len(b) < n+4 {
			return 0, errShortOperation
		}
		value = int64(le.Uint32(b[n:]))
		n += 4
	}
	if o.op == OpSetExpiring {
		if len(b) < n+8 {
			return 0, errShortOperation
		}
		o.expires = int64(le.Uint64(b[n:]))
		n += 8
		if o.expires <= 0 {
			return 0, errors.New("expiry out of range")
		}
	}
	if value > MaxValueSize || int64(len(b)-n) < int64(key)+value {
		return 0, errShortOperation
	}
	o.key = b[n : n+key]
	n += key
	if o.op != OpDelete {
		o.value = b[n : n+int(value)]
		n += int(value)
	}
	return n, nil
}

// appendFrame appends the wal entry that holds a record.
func appendFrame(dst, rec []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(rec))), rec...)
}

// frameSize is the number of bytes a record of n bytes takes in a segment.
func frameSize(n int) int64 {
	size := int64(n) + 1
	for v := uint64(n); v >= 0x80; v >>= 7 {
		size++
	}
	return size
}

// parseFrame reads the length in front of a record. It returns the number of
// bytes of the length and the length itself, and refuses lengths that no
// record has and spellings that are not the shortest. short is set when the
// end of b came too early to tell.
func parseFrame(b []byte) (n, length int, short bool, err error) {
	v, n := binary.Uvarint(b)
	switch {
	case n == 0 && len(b) < binary.MaxVarintLen64:
		return 0, 0, true, errors.New("cut inside a length")
	case n <= 0 || v > maxRecordSize:
		return 0, 0, false, errors.New("length out of range")
	case v < recordMinSize:
		return 0, 0, false, fmt.Errorf("a record of %d bytes cannot be", v)
	case n > 1 && b[n-1] == 0:
		return 0, 0, false, errors.New("length spelled in more bytes than it needs")
	}
	return n, int(v), false, nil
}
