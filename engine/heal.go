package engine

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
)

// FORMAT and MANIFEST are small texts under one checksum, so the change of a
// single byte in them can be undone: of all texts that differ in one byte from
// what is there, a checksum of 32 bits fits one in millions, and of those that
// it fits the content must make sense too.

// healText looks for the one text that is good and differs from b in a single
// byte. It returns nil if there is none, or more than one, and else what was
// changed.
func healText(b []byte, good func([]byte) bool) (healed []byte, change string) {
	found := 0
	try := func(at int, c byte) {
		text := bytes.Clone(b)
		text[at] = c
		if good(text) {
			healed, change = text, fmt.Sprintf("byte %d is %q again and was %q", at, c, b[at])
			found++
		}
	}
	n := len(b) - sealSize
	if n <= 0 {
		return nil, ""
	}
	// The last line, if the change is there.
	want := sealText(string(b[:n]))
	if at := onlyDifference(b, want); at >= 0 {
		try(at, want[at])
	}
	// The text, if the last line is whole.
	last := b[n:]
	if sum, err := strconv.ParseUint(string(last[len(last)-9:len(last)-1]), 16, 32); err == nil {
		eachByteChange(b[:n], uint32(sum), func(at int, x byte) { try(at, b[at]^x) })
	}
	if found != 1 {
		return nil, ""
	}
	return healed, change
}

// onlyDifference is where two texts of one length differ, if that is one byte;
// else -1.
func onlyDifference(a, b []byte) int {
	at := -1
	for i := range a {
		if a[i] != b[i] {
			if at >= 0 {
				return -1
			}
			at = i
		}
	}
	return at
}

// eachByteChange calls f with every change of one byte of b, as what to xor it
// with, that makes sum its CRC-32.
func eachByteChange(b []byte, sum uint32, f func(at int, x byte)) {
	diff := crc32.ChecksumIEEE(b) ^ sum
	// effect[i] is what turning bit i of the byte at hand does to the
	// checksum. One byte further from the end it is that effect moved on by
	// one zero byte.
	var effect [8]uint32
	for i := range effect {
		effect[i] = crc32.ChecksumIEEE([]byte{1 << i}) ^ crc32.ChecksumIEEE([]byte{0})
	}
	for at := len(b) - 1; at >= 0; at-- {
		x, sum := byte(0), uint32(0)
		for n := 1; n < 256; n++ { // in the order of a Gray code, so that one bit turns
			bit := 0
			for n>>bit&1 == 0 {
				bit++
			}
			x, sum = x^1<<bit, sum^effect[bit]
			if sum == diff {
				f(at, x)
			}
		}
		for i := range effect {
			effect[i] = crc32.IEEETable[byte(effect[i])] ^ effect[i]>>8
		}
	}
}
