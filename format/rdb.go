package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"strconv"
	"time"
)

// FormatRDB is a dump of Redis, versions 1 to 12 of the format: dump.rdb of every
// Redis up to 7.4, and the base of its append-only files, to which commands may
// have been added (see FormatRESP). It is only read.
//
//	"REDIS" version (4 digits)
//	opcode or type of a value (1 byte) and what belongs to it, again and again
//	opcode 255, then the CRC-64 of all before (8 bytes, little-endian; 0: none)
//
// Strings are taken in all encodings, with their expiries, and database N as in
// FormatRESP. Values of other types are counted and refused by name, or left
// out as ImportOptions.SkipUnsupported says. Functions, modules' own data, and
// what Redis keeps for eviction are left out. A dump cut or changed anywhere is
// refused, unless it was written with rdbchecksum no: then a cut is.
const (
	rdbMagic      = "REDIS"
	rdbMaxVersion = 12
	rdbSummed     = 5 // the first version with a checksum
)

// The opcodes that stand where a value's type would.
const (
	rdbSlotInfo   = 244
	rdbFunction   = 245
	rdbModuleAux  = 247
	rdbIdle       = 248
	rdbFrequency  = 249
	rdbAux        = 250
	rdbResize     = 251
	rdbExpiresMS  = 252
	rdbExpires    = 253
	rdbSelect     = 254
	rdbEnd        = 255
	rdbTypeString = 0
)

// rdbPolynomial is that of Jones, reversed as package crc64 wants it.
const rdbPolynomial = 0x95ac9329ac4bc9b5

// dump reads the dump that the input begins with.
func (m *redisImport) dump() error {
	m.table = crc64.MakeTable(rdbPolynomial)
	head, err := m.take(len(rdbMagic) + 4)
	if err != nil {
		return err
	}
	version, err := strconv.ParseUint(string(head[len(rdbMagic):]), 10, 16)
	if err != nil || version == 0 || version > rdbMaxVersion {
		return m.failAt(0, fmt.Sprintf("version %s of the dump, this program reads 1 to %d", quoteStart(head[len(rdbMagic):]), rdbMaxVersion))
	}
	var expires time.Time // of the value that comes next
	for {
		code, err := m.takeByte()
		if err != nil {
			return err
		}
		switch code {
		case rdbExpiresMS, rdbExpires:
			expires, err = m.rdbMoment(code)
		case rdbEnd:
			if version < rdbSummed {
				return nil
			}
			return m.checkSum()
		case rdbSelect:
			var n uint64
			if n, err = m.rdbLength(); err == nil {
				m.chooseDB(n)
			}
		default:
			if code >= rdbSlotInfo {
				err = m.opcode(code)
				break
			}
			err = m.rdbRecord(code, expires)
			expires = time.Time{}
		}
		if err != nil {
			return err
		}
	}
}

// opcode reads what is not taken over.
func (m *redisImport) opcode(code byte) error {
	switch code {
	case rdbAux:
		return m.skipAll(rdbSkipString, rdbSkipString)
	case rdbResize:
		return m.skipAll(rdbSkipLength, rdbSkipLength)
	case rdbIdle:
		return m.skipAll(rdbSkipLength)
	case rdbFrequency:
		return m.discard(1)
	case rdbFunction:
		return m.skipAll(rdbSkipString)
	case rdbSlotInfo:
		return m.skipAll(rdbSkipLength, rdbSkipLength, rdbSkipLength)
	case rdbModuleAux:
		if err := m.skipAll(rdbSkipLength, rdbSkipLength, rdbSkipLength); err != nil {
			return err
		}
		return m.skipModule()
	}
	return m.failAt(0, fmt.Sprintf("unknown opcode %d", code))
}

// rdbRecord reads a key and its value.
func (m *redisImport) rdbRecord(code byte, expires time.Time) (err error) {
	if m.key, err = m.rdbString(m.key, MaxKeySize, "key"); err != nil {
		return err
	}
	if code != rdbTypeString {
		name := rdbTypeName(code)
		if name == "" {
			return m.failAt(0, fmt.Sprintf("key %s has the unknown type %d", quoteStart(m.key), code))
		}
		m.skip(name, m.key)
		return m.skipValue(code)
	}
	if m.value, err = m.rdbString(m.value, MaxValueSize, "value"); err != nil {
		return err
	}
	return m.put(m.key, m.value, expires)
}

// rdbMoment reads when the next value expires.
func (m *redisImport) rdbMoment(code byte) (t time.Time, err error) {
	size := 8
	if code == rdbExpires {
		size = 4
	}
	b, err := m.take(size)
	if err != nil {
		return t, err
	}
	if code == rdbExpires {
		return time.Unix(int64(int32(binary.LittleEndian.Uint32(b))), 0).UTC(), nil
	}
	millis := int64(binary.LittleEndian.Uint64(b))
	if millis < 0 || millis > maxExpiryMillis {
		return t, m.failAt(0, fmt.Sprintf("a key expires %d ms after 1970: want up to the year 9999", millis))
	}
	return time.UnixMilli(millis).UTC(), nil
}

// checkSum compares the checksum at the end of the dump.
func (m *redisImport) checkSum() error {
	m.sum()
	want := m.checksum
	b, err := m.take(8)
	if err != nil {
		return err
	}
	if got := binary.LittleEndian.Uint64(b); got != 0 && got != want {
		return m.failAt(0, fmt.Sprintf("checksum mismatch: the dump says %016x and holds what gives %016x", got, want))
	}
	return nil
}

// take takes the next n bytes, at most maxRecordText. They are valid until the
// next call.
func (m *redisImport) take(n int) ([]byte, error) {
	for m.end-m.start < n {
		if m.eof {
			return nil, m.cut()
		}
		m.sum()
		if err := m.more(); err != nil {
			return nil, m.withoutLine(err)
		}
	}
	b := m.window()[:n]
	m.consume(n)
	return b, nil
}

// consume takes bytes of the dump that the window has.
func (m *redisImport) consume(n int) {
	m.use(n, 0)
	m.unsummed += n
}

// sum adds what was taken to the checksum: before the window moves, for the
// checksum of much at once is several times as fast.
func (m *redisImport) sum() {
	// Redis neither begins nor ends with the complement, as package crc64 does.
	m.checksum = ^crc64.Update(^m.checksum, m.table, m.buf[m.start-m.unsummed:m.start])
	m.unsummed = 0
}

// cut is the error for a dump that ends too early.
func (m *redisImport) cut() error {
	if m.err != nil {
		return m.err
	}
	return m.failAt(m.end-m.start, "cut off inside the dump")
}

func (m *redisImport) takeByte() (byte, error) {
	b, err := m.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// discard takes the next n bytes, however many.
func (m *redisImport) discard(n uint64) error {
	for n > 0 {
		if m.start == m.end {
			if m.eof {
				return m.cut()
			}
			m.sum()
			if err := m.more(); err != nil {
				return m.withoutLine(err)
			}
			continue
		}
		k := min(n, uint64(m.end-m.start))
		m.consume(int(k))
		n -= k
	}
	return nil
}

// The encodings of a string, in place of its length.
const (
	rdbInt8 = iota
	rdbInt16
	rdbInt32
	rdbLZF
	rdbPlain // a length after all
)

// rdbLengthOrEncoding reads a length, or one of the encodings.
func (m *redisImport) rdbLengthOrEncoding() (length uint64, encoding int, err error) {
	first, err := m.takeByte()
	if err != nil {
		return 0, 0, err
	}
	switch {
	case first>>6 == 0:
		return uint64(first), rdbPlain, nil
	case first>>6 == 1:
		next, err := m.takeByte()
		return uint64(first&0x3f)<<8 | uint64(next), rdbPlain, err
	case first == 0x80:
		b, err := m.take(4)
		if err != nil {
			return 0, 0, err
		}
		return uint64(binary.BigEndian.Uint32(b)), rdbPlain, nil
	case first == 0x81:
		b, err := m.take(8)
		if err != nil {
			return 0, 0, err
		}
		return binary.BigEndian.Uint64(b), rdbPlain, nil
	case first>>6 == 3 && first&0x3f < rdbPlain:
		return 0, int(first & 0x3f), nil
	}
	return 0, 0, m.failAt(0, fmt.Sprintf("byte %#02x where a length begins", first))
}

// rdbLength reads a length.
func (m *redisImport) rdbLength() (uint64, error) {
	n, encoding, err := m.rdbLengthOrEncoding()
	if err == nil && encoding != rdbPlain {
		err = m.failAt(0, "an encoded string where a length should be")
	}
	return n, err
}

// rdbString reads a string of at most limit bytes into buf. what names it in
// messages.
func (m *redisImport) rdbString(buf []byte, limit uint64, what string) ([]byte, error) {
	n, encoding, err := m.rdbLengthOrEncoding()
	if err != nil {
		return buf, err
	}
	buf = buf[:0]
	switch encoding {
	case rdbInt8, rdbInt16, rdbInt32:
		b, err := m.take(1 << encoding)
		if err != nil {
			return buf, err
		}
		return strconv.AppendInt(buf, littleEndian(b), 10), nil
	case rdbLZF:
		return m.rdbCompressed(buf, limit, what)
	}
	if n > limit {
		return buf, m.failAt(0, fmt.Sprintf("%s of %d bytes, the limit is %d", what, n, limit))
	}
	b, err := m.take(int(n))
	return append(buf, b...), err
}

// rdbCompressed is rdbString for encoding rdbLZF: the compressed length, the
// length, the compressed bytes.
func (m *redisImport) rdbCompressed(buf []byte, limit uint64, what string) ([]byte, error) {
	size, err := m.rdbLength()
	if err != nil {
		return buf, err
	}
	n, err := m.rdbLength()
	if err != nil {
		return buf, err
	}
	if n > limit || size > limit {
		return buf, m.failAt(0, fmt.Sprintf("%s of %d bytes (compressed %d), the limit is %d", what, n, size, limit))
	}
	b, err := m.take(int(size))
	if err != nil {
		return buf, err
	}
	buf, ok := appendLZF(buf, b, int(n))
	if !ok {
		return buf, m.failAt(0, "bad LZF data in a "+what)
	}
	return buf, nil
}

// littleEndian is the signed number in 1, 2 or 4 bytes.
func littleEndian(b []byte) int64 {
	switch len(b) {
	case 1:
		return int64(int8(b[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	}
	return int64(int32(binary.LittleEndian.Uint32(b)))
}
