package format

import (
	"fmt"
	"slices"
)

// rdbTypeName is the name of a type of values in a dump; empty for one that is
// not known.
func rdbTypeName(code byte) string {
	switch code {
	case rdbTypeString:
		return "string"
	case 1, 10, 14, 18:
		return "list"
	case 2, 11, 20:
		return "set"
	case 3, 5, 12, 17:
		return "zset"
	case 4, 9, 13, 16, 22, 23, 24, 25:
		return "hash"
	case 7:
		return "module"
	case 15, 19, 21:
		return "stream"
	}
	return ""
}

// skipValue reads the value of a type that rdbTypeName knows, without a look at
// it.
func (m *redisImport) skipValue(code byte) error {
	switch code {
	case 1, 2, 14: // list, set, quicklist of ziplists
		return m.skipMany(rdbSkipString)
	case 3: // zset with scores as text
		return m.skipMany(rdbSkipString, rdbSkipScore)
	case 4: // hash
		return m.skipMany(rdbSkipString, rdbSkipString)
	case 5: // zset with binary scores
		return m.skipMany(rdbSkipString, rdbSkip8)
	case 7:
		if err := m.skipAll(rdbSkipLength); err != nil { // the module
			return err
		}
		return m.skipModule()
	case 18: // quicklist of listpacks, each with its kind
		return m.skipMany(rdbSkipLength, rdbSkipString)
	case 15, 19, 21:
		return m.skipStream(code)
	case 22: // hash with expiries of fields
		return m.skipMany(rdbSkipLength, rdbSkipString, rdbSkipString)
	case 24: // with the first expiry before
		if err := m.discard(8); err != nil {
			return err
		}
		return m.skipMany(rdbSkipLength, rdbSkipString, rdbSkipString)
	case 25:
		return m.skipAll(rdbSkip8, rdbSkipString)
	}
	return m.skipAll(rdbSkipString) // ziplist, zipmap, intset, listpack
}

// An rdbSkip is a part of a value.
type rdbSkip uint8

const (
	rdbSkipLength rdbSkip = iota
	rdbSkipString
	rdbSkipScore // a number as text, with its length in one byte
	rdbSkip8     // 8 bytes
	rdbSkip16    // 16 bytes
)

// skipAll reads parts, one after the other.
func (m *redisImport) skipAll(parts ...rdbSkip) error {
	for _, part := range parts {
		var err error
		switch part {
		case rdbSkipLength:
			_, err = m.rdbLength()
		case rdbSkipString:
			err = m.skipString()
		case rdbSkipScore:
			err = m.skipScore()
		case rdbSkip8:
			err = m.discard(8)
		case rdbSkip16:
			err = m.discard(16)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skipMany reads a count, and parts as often.
func (m *redisImport) skipMany(parts ...rdbSkip) error {
	n, err := m.rdbLength()
	for ; n > 0 && err == nil; n-- {
		err = m.skipAll(parts...)
	}
	return err
}

func (m *redisImport) skipString() error {
	n, encoding, err := m.rdbLengthOrEncoding()
	if err != nil {
		return err
	}
	switch encoding {
	case rdbInt8, rdbInt16, rdbInt32:
		n = 1 << encoding
	case rdbLZF:
		if n, err = m.rdbLength(); err == nil {
			_, err = m.rdbLength()
		}
		if err != nil {
			return err
		}
	}
	return m.discard(n)
}

// skipScore reads a score as text, of which three lengths mean not a number and
// the infinities.
func (m *redisImport) skipScore() error {
	n, err := m.takeByte()
	if err != nil || n >= 253 {
		return err
	}
	return m.discard(uint64(n))
}

// skipStream reads a stream of one of the three types.
func (m *redisImport) skipStream(code byte) error {
	if err := m.skipMany(rdbSkipString, rdbSkipString); err != nil { // first id, listpack
		return err
	}
	// The length and the last id; later also the first and the greatest deleted
	// id and how many entries there ever were.
	numbers := 3
	if code >= 19 {
		numbers = 8
	}
	if err := m.skipAll(slices.Repeat([]rdbSkip{rdbSkipLength}, numbers)...); err != nil {
		return err
	}
	groups, err := m.rdbLength()
	for ; groups > 0 && err == nil; groups-- {
		err = m.skipStreamGroup(code)
	}
	return err
}

// skipStreamGroup reads a group of consumers.
func (m *redisImport) skipStreamGroup(code byte) error {
	if err := m.skipAll(rdbSkipString, rdbSkipLength, rdbSkipLength); err != nil { // name, last id
		return err
	}
	if code >= 19 {
		if err := m.skipAll(rdbSkipLength); err != nil { // entries read
			return err
		}
	}
	if err := m.skipMany(rdbSkip16, rdbSkip8, rdbSkipLength); err != nil { // id, time and times of delivery
		return err
	}
	consumers, err := m.rdbLength()
	for ; consumers > 0 && err == nil; consumers-- {
		err = m.skipAll(rdbSkipString, rdbSkip8) // name, when it was seen
		if err == nil && code >= 21 {
			err = m.discard(8) // when it did something
		}
		if err == nil {
			err = m.skipMany(rdbSkip16)
		}
	}
	return err
}

// skipModule reads the data of a module, which says of itself how it is built.
func (m *redisImport) skipModule() error {
	for {
		code, err := m.rdbLength()
		if err != nil {
			return err
		}
		switch code {
		case 0:
			return nil
		case 1, 2: // integers
			err = m.skipAll(rdbSkipLength)
		case 3: // float
			err = m.discard(4)
		case 4: // double
			err = m.discard(8)
		case 5:
			err = m.skipAll(rdbSkipString)
		default:
			err = m.failAt(0, fmt.Sprintf("unknown opcode %d in the data of a module", code))
		}
		if err != nil {
			return err
		}
	}
}
