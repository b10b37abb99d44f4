package engine

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"strings"
)

// A void is a record that repair puts in the place of one that is lost, so that
// every later transaction keeps its revision and no revision is ever given out
// twice. It is an ordinary record of version 1 that changes no key: its one
// operation deletes a key of the family ".repair", in which no key is ever set;
// the key says what stood there. Every reader there ever was understands it.
//
// The record behind a void names the checksum of the one that was lost. A void
// is given that very checksum: its writer ends in letters chosen for it. So
// not a byte behind the bad place has to be written anew.
const (
	repairFamily = ".repair"
	repairWriter = "kvsh repair "

	// sealLetters is the number of those letters. Each is one of the eight
	// from 'h' to 'o', which differ in their lowest three bits alone, so each
	// gives three bits to choose of the 32 that a checksum has.
	sealLetters = 16
	sealLetter  = 'h'
)

// isVoid reports whether a record stands for one that was lost.
func (r *record) isVoid() bool {
	if !strings.HasPrefix(string(r.writer), repairWriter) || r.count != 1 {
		return false
	}
	void := false
	_ = r.each(func(o *operation) bool {
		void = o.op == OpDelete && string(o.family) == repairFamily
		return false
	})
	return void
}

// voidOperation is the one operation of a void. text says what was lost.
func voidOperation(text string) []operation {
	if len(text) > MaxKeySize {
		text = text[:MaxKeySize]
	}
	return []operation{{op: OpDelete, family: []byte(repairFamily), key: []byte(text)}}
}

// appendSealed appends a record that was made by repair. want is the checksum
// it is to have; nil leaves it as it comes. r.writer is set here.
func appendSealed(dst []byte, r *record, ops []operation, want *uint32) ([]byte, uint32, error) {
	writer := append([]byte(repairWriter), strings.Repeat(string(rune(sealLetter)), sealLetters)...)
	r.writer = writer
	start := len(dst)
	dst, sum := appendRecord(dst, r, ops)
	if want == nil || *want == sum {
		return dst, sum, nil
	}
	rec := dst[start:]
	seal := rec[recordHeaderSize+len(repairWriter):][:sealLetters]
	if !chooseLetters(seal, len(rec)-4-recordHeaderSize-len(repairWriter), sum^*want) {
		return dst[:start], 0, fmt.Errorf("no record has the checksum %08x here", *want) // cannot be: the letters have more bits than it
	}
	sum = crc32.ChecksumIEEE(rec[:len(rec)-4])
	binary.LittleEndian.PutUint32(rec[len(rec)-4:], sum)
	return dst, sum, nil
}

// chooseLetters changes letters so that the checksum of the bytes they are in changes
// by diff. after is the number of bytes from the first letter to the end. A
// CRC is linear: each bit that is turned changes it in a way that depends on
// nothing but its distance to the end, so this is a system of linear equations
// in which plus is exclusive or.
func chooseLetters(letters []byte, after int, diff uint32) bool {
	type column struct {
		effect uint32 // on the checksum
		turned uint64 // which bits of the letters it turns
	}
	var basis [32]column // by their highest bit
	zeros := make([]byte, after)
	plain := crc32.ChecksumIEEE(zeros)
	for i := range 3 * len(letters) {
		zeros[i/3] = 1 << (i % 3)
		c := column{crc32.ChecksumIEEE(zeros) ^ plain, 1 << i}
		zeros[i/3] = 0
		for c.effect != 0 {
			b := &basis[bits.Len32(c.effect)-1]
			if b.effect == 0 {
				*b = c
				break
			}
			c.effect, c.turned = c.effect^b.effect, c.turned^b.turned
		}
	}
	turned := uint64(0)
	for diff != 0 {
		b := basis[bits.Len32(diff)-1]
		if b.effect == 0 {
			return false
		}
		diff, turned = diff^b.effect, turned^b.turned
	}
	for i := range 3 * len(letters) {
		if turned>>i&1 != 0 {
			letters[i/3] ^= 1 << (i % 3)
		}
	}
	return true
}
