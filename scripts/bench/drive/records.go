// Package drive is what all programs of the benchmark share: the records, and
// the measurements of a store within one process, so that each store is asked
// the same things in the same way. It knows no store.
package drive

import (
	"cmp"
	"iter"
	"slices"
)

// mix is SplitMix64, a bijection: no two records have the same key.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Records are those of one benchmark: record i, from 0, has a key of 16
// hexadecimal digits and a value of letters, both functions of i and of the
// fields alone.
type Records struct {
	N         int  // how many there are
	ValueSize int  // bytes in each value
	Sorted    bool // keys grow with i; else they are in random order
}

// AppendKey appends the key of record i.
func (r Records) AppendKey(dst []byte, i int) []byte {
	x := mix(uint64(i))
	if r.Sorted {
		// Spread over all keys, as random ones are.
		x = uint64(i) * (^uint64(0)/uint64(r.N) - 1)
	}
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[x>>shift&15])
	}
	return dst
}

// Key is the key of record i.
func (r Records) Key(i int) string { return string(r.AppendKey(nil, i)) }

// AppendValue appends the value of record i. It begins with no dash, which tools
// would take for an option, and compresses as text of random
// letters does, to three quarters.
func (r Records) AppendValue(dst []byte, i int) []byte {
	left := r.ValueSize
	for n := uint64(0); left > 0; n++ {
		x := letters10(i, n)
		for range min(10, left) {
			dst = append(dst, letters[x&63])
			x >>= 6
			left--
		}
	}
	return dst
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_."

// letters10 is letters 10×n to 10×n+9 of a value, six bits each.
func letters10(i int, n uint64) uint64 { return mix(uint64(i)<<8 ^ n ^ 0xa5a5a5a5) }

// first is the first byte of a value.
func (r Records) first(i int) byte { return letters[letters10(i, 0)&63] }

// All yields all records from 0 on. The bytes hold until the next one.
func (r Records) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		var key, value []byte
		for i := range r.N {
			key, value = r.AppendKey(key[:0], i), r.AppendValue(value[:0], i)
			if !yield(key, value) {
				return
			}
		}
	}
}

// Ordered yields the same records in the order of their keys, for stores that
// take minutes to load them as they come. The bytes hold until the next one.
func (r Records) Ordered() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		order := make([]int32, r.N)
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(mix(uint64(a)), mix(uint64(b))) })
		var key, value []byte
		for _, i := range order {
			key, value = r.AppendKey(key[:0], int(i)), r.AppendValue(value[:0], int(i))
			if !yield(key, value) {
				return
			}
		}
	}
}
