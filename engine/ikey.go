package engine

import "bytes"

// maxIKeySize is the length in bytes of the longest internal key.
const maxIKeySize = MaxFamilySize + 1 + MaxKeySize

// appendIKey appends the internal key of a key to dst: the name of its family,
// one NUL byte, the key. No name holds a NUL, so internal keys compared as
// bytes sort by family, then by key, and the default family, whose name is
// empty, comes first. A family is the range from its name and NUL to its name
// and 0x01.
func appendIKey[T string | []byte](dst []byte, family, key T) []byte {
	dst = append(dst, family...)
	dst = append(dst, 0)
	return append(dst, key...)
}

// splitIKey returns the two parts of an internal key, as slices of it. What
// holds no NUL is no internal key, and comes back as a family without a key.
func splitIKey(ikey []byte) (family, key []byte) {
	i := bytes.IndexByte(ikey, 0)
	if i < 0 {
		return ikey, nil
	}
	return ikey[:i], ikey[i+1:]
}

// userKey returns the part of an internal key that the user chose.
func userKey(ikey []byte) []byte {
	if len(ikey) > 0 && ikey[0] == 0 { // the default family, by far the most frequent
		return ikey[1:]
	}
	return familyKey(ikey)
}

// familyKey is userKey for a key of any family. Apart from it, userKey is small
// enough to be inlined, which counts where a scan looks at every key.
//
//go:noinline
func familyKey(ikey []byte) []byte {
	_, key := splitIKey(ikey)
	return key
}
