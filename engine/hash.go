package engine

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// A Digest stands for a whole state. Two states with the same keys, values and
// expiries in the same families have the same digest, whatever their history,
// their revisions and the files they are in; of two that differ it is all but
// impossible by accident that they have. It is no guard against malice.
type Digest [16]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Hash returns the digest of what a transaction reads, and the number of its
// keys. It reads everything once.
//
// The digest is the sum, modulo 2 to the 128th, of one number for each key, so
// the order in which they come does not matter.
func Hash(ctx context.Context, tx Tx) (d Digest, keys int64, err error) {
	families, err := tx.Families(ctx)
	if err != nil {
		return d, 0, err
	}
	var lo, hi uint64
	for _, family := range append([]string{""}, families...) {
		for e, err := range tx.In(family).Scan(ctx, Range{Lend: true}) {
			if err != nil {
				return d, 0, err
			}
			a, b := hashEntry(family, &e)
			var carry uint64
			lo, carry = bits.Add64(lo, a, 0)
			hi, _ = bits.Add64(hi, b, carry)
			keys++
		}
	}
	binary.BigEndian.PutUint64(d[:], hi)
	binary.BigEndian.PutUint64(d[8:], lo)
	return d, keys, nil
}

// hashEntry is the number of one key: two lanes of multiply-and-fold over its
// parts, each preceded by its length so that no two sets of parts read the
// same (the folded multiply is that of Wang Yi's wyhash).
func hashEntry(family string, e *Entry) (a, b uint64) {
	var expires uint64
	if !e.Expires.IsZero() {
		expires = uint64(e.Expires.UnixMilli())
	}
	h := hasher{0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f}
	h.number(expires)
	h.bytes(family)
	h.bytes(e.Key)
	h.bytes(string(e.Value))
	h.number(0)
	return h.a, h.b
}

type hasher struct{ a, b uint64 }

func (h *hasher) number(n uint64) {
	hi, lo := bits.Mul64(h.a^n, 0xa0761d6478bd642f)
	h.a = hi ^ lo ^ h.b
	hi, lo = bits.Mul64(h.b^n, 0xe7037ed1a0b428db)
	h.b = hi ^ lo ^ bits.RotateLeft64(h.a, 32)
}

func (h *hasher) bytes(s string) {
	h.number(uint64(len(s)))
	for ; len(s) >= 8; s = s[8:] {
		h.number(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
	}
	var last uint64
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	h.number(last)
}
