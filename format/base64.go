package format

import (
	"bytes"
	"encoding/base64"
	"errors"
)

var errBase64 = errors.New("not base64")

// appendBase64 appends what b says in the standard base64 with padding, which
// must be the one spelling of those bytes.
func appendBase64(dst, b []byte) ([]byte, error) {
	// Package base64 skips ends of lines; here they are as wrong as any other.
	if len(b)%4 != 0 || bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 {
		return dst, errBase64
	}
	out, err := base64.StdEncoding.AppendDecode(dst, b)
	if err != nil {
		return dst, errBase64
	}
	if n := len(b); n > 0 && b[n-1] == '=' {
		// The bits behind the last byte must be zero.
		var back [4]byte
		tail := out[len(out)-(len(out)-len(dst)-1)%3-1:]
		base64.StdEncoding.Encode(back[:], tail)
		if !bytes.Equal(back[:], b[n-4:]) {
			return dst, errBase64
		}
	}
	return out, nil
}
