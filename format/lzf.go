package format

// appendLZF appends the n bytes that src holds in the LZF compression of Redis,
// and reports whether src is such data, no more and no less.
//
//	000LLLLL                     the L+1 bytes that follow
//	LLLooooo oooooooo            L+2 bytes again, from o+1 bytes back; L is 1 to 6
//	111ooooo LLLLLLLL oooooooo   L+9 bytes again, from o+1 bytes back
func appendLZF(dst, src []byte, n int) (out []byte, ok bool) {
	start := len(dst)
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < 1<<5 {
			end := i + c + 1
			if end > len(src) || len(dst)-start+c+1 > n {
				return dst, false
			}
			dst = append(dst, src[i:end]...)
			i = end
			continue
		}
		length := c>>5 + 2
		if length == 7+2 {
			if i == len(src) {
				return dst, false
			}
			length += int(src[i])
			i++
		}
		if i == len(src) {
			return dst, false
		}
		from := len(dst) - (c&0x1f<<8 | int(src[i])) - 1
		i++
		if from < start || len(dst)-start+length > n {
			return dst, false
		}
		for k := range length { // one by one: the piece may overlap its copy
			dst = append(dst, dst[from+k])
		}
	}
	return dst, len(dst)-start == n
}
