package format

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds how deep arrays and objects nest in a value.
const maxJSONDepth = 1000

// maxJSONText bounds the bytes of a string with escapes: those of the largest
// value in base64.
const maxJSONText = (MaxValueSize + 2) / 3 * 4

// errShort is the fault of a text that ends too early: more of it may mend it.
const errShort = "cut off"

// A jsonParser reads objects that stand for records. It is exact where
// encoding/json is not: bytes that are not UTF-8, escapes that are no
// character and fields given twice are refused, and nothing is replaced.
//
// A method that returns a fault, which is not empty then, leaves pos at the
// bad place.
type jsonParser struct {
	buf []byte
	pos int

	key, value []byte // the record's, in buf or in one of the two below
	keyBuf     []byte
	valueBuf   []byte
	nameBuf    []byte

	jsonFields
}

// jsonFields are the other fields of an object that mean something.
type jsonFields struct {
	hasKey, hasValue bool

	family  []byte // in buf
	rev     uint64
	time    []byte // in buf; not checked
	expires []byte // in buf; not checked

	kvsh     []byte // what sort of frame it is; nil: a record
	version  uint64
	count    uint64
	checksum []byte
}

// object parses the object at pos, white space before it included.
func (p *jsonParser) object() (fault string) {
	p.jsonFields = jsonFields{}
	p.key, p.value = nil, nil
	p.space()
	if fault := p.expect('{'); fault != "" {
		return fault
	}
	p.space()
	if p.at('}') {
		p.pos++
		return ""
	}
	for {
		if fault := p.expect('"'); fault != "" {
			return fault
		}
		name, fault := p.text(&p.nameBuf)
		if fault != "" {
			return fault
		}
		p.space()
		if fault := p.expect(':'); fault != "" {
			return fault
		}
		p.space()
		if fault := p.field(name); fault != "" {
			return fault
		}
		p.space()
		if p.at(',') {
			p.pos++
			p.space()
			continue
		}
		if fault := p.expect('}'); fault != "" {
			if fault != errShort {
				fault = "want , or } after a field"
			}
			return fault
		}
		return ""
	}
}

// field parses the value of a field at pos and keeps it if it means something.
func (p *jsonParser) field(name []byte) (fault string) {
	switch string(name) {
	case "key", "key_b64":
		if p.hasKey {
			return "a second key"
		}
		p.hasKey = true
		if fault := p.expectString("the key"); fault != "" {
			return fault
		}
		p.key, fault = p.bytes(&p.keyBuf, len(name) > len("key"))
		return fault
	case "value", "value_b64":
		if p.hasValue {
			return "a second value"
		}
		p.hasValue = true
		if len(name) > len("value") {
			if fault := p.expectString("value_b64"); fault != "" {
				return fault
			}
			p.value, fault = p.bytes(&p.valueBuf, true)
			return fault
		}
		return p.recordValue()
	case "cf":
		return p.optional(&p.family, "cf")
	case "expires":
		return p.optional(&p.expires, "expires")
	case "time":
		if p.at('"') {
			return p.optional(&p.time, "time")
		}
	case "rev":
		p.rev = p.unsigned()
	case "kvsh":
		if p.at('"') {
			return p.optional(&p.kvsh, "kvsh")
		}
	case "version":
		p.version = p.unsigned()
	case "count":
		p.count = p.unsigned()
	case "checksum":
		if p.at('"') {
			return p.optional(&p.checksum, "checksum")
		}
	}
	_, fault = p.skip(nil, false, 0)
	return fault
}

// recordValue parses the value of a record: the text of a string, or the
// compact JSON text of anything else.
func (p *jsonParser) recordValue() (fault string) {
	switch {
	case p.at('"'):
		p.pos++
		p.value, fault = p.bytes(&p.valueBuf, false)
		return fault
	case p.at('n'):
		if fault := p.word("null"); fault != "" {
			return fault
		}
		p.pos -= len("null")
		return "the value is null: leave the record out, or write a string"
	}
	p.valueBuf, fault = p.skip(p.valueBuf[:0], true, 0)
	p.value = p.valueBuf
	return fault
}

// bytes parses the rest of a string after its opening quote. The result lies
// in the text or in the scratch buffer.
func (p *jsonParser) bytes(scratch *[]byte, isBase64 bool) (b []byte, fault string) {
	if !isBase64 {
		return p.text(scratch)
	}
	start := p.pos
	b, fault = p.text(&p.nameBuf)
	if fault != "" {
		return nil, fault
	}
	if *scratch, fault = appendBase64Decoded((*scratch)[:0], b); fault != "" {
		p.pos = start
	}
	return *scratch, fault
}

// strictBase64 refuses what StdEncoding lets pass: bits that mean nothing.
var strictBase64 = base64.StdEncoding.Strict()

// appendBase64Decoded appends the bytes of a text in standard base64, of which
// it takes one spelling only.
func appendBase64Decoded(dst, text []byte) (out []byte, fault string) {
	// The decoder skips line ends, which would be a second spelling.
	if bytes.ContainsAny(text, "\r\n") {
		return dst, "bad base64"
	}
	out, err := strictBase64.AppendDecode(dst, text)
	if err != nil {
		return dst, "bad base64"
	}
	return out, ""
}

// optional parses a string without escapes, or null, into dst.
func (p *jsonParser) optional(dst *[]byte, name string) (fault string) {
	if p.at('n') {
		return p.word("null")
	}
	if fault := p.expectString(name); fault != "" {
		return fault
	}
	var scratch []byte
	*dst, fault = p.text(&scratch)
	if fault == "" && *dst == nil {
		*dst = []byte{}
	}
	return fault
}

// unsigned is the integer at pos, or 0 if there is none. It stays at pos.
func (p *jsonParser) unsigned() uint64 {
	var n uint64
	for _, c := range p.buf[p.pos:] {
		if c < '0' || c > '9' || n > (1<<64-10)/10 {
			return n
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

func (p *jsonParser) space() {
	for p.pos < len(p.buf) {
		switch p.buf[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// at reports whether c is next.
func (p *jsonParser) at(c byte) bool { return p.pos < len(p.buf) && p.buf[p.pos] == c }

// expect takes c.
func (p *jsonParser) expect(c byte) (fault string) {
	if p.pos == len(p.buf) {
		return errShort
	}
	if p.buf[p.pos] != c {
		return "want " + strconv.QuoteRune(rune(c))
	}
	p.pos++
	return ""
}

// expectString takes the opening quote of the string that what must be.
func (p *jsonParser) expectString(what string) (fault string) {
	fault = p.expect('"')
	if fault != "" && fault != errShort {
		return what + " is not a string"
	}
	return fault
}

// word takes a literal name such as true.
func (p *jsonParser) word(w string) (fault string) {
	rest := p.buf[p.pos:]
	if len(rest) >= len(w) && string(rest[:len(w)]) == w {
		p.pos += len(w)
		return ""
	}
	if len(rest) < len(w) && string(rest) == w[:len(rest)] {
		p.pos = len(p.buf)
		return errShort
	}
	return "no JSON value"
}

// plainRun is the length of the run of printable ASCII, without the quote and the
// backslash, at the start of b: what most strings are made of. It looks at eight
// bytes at once.
func plainRun(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash, del := x^ones*'"', x^ones*'\\', x^ones*0x7f
		// The lowest bit set is exact: a borrow only ever goes up.
		hit := (x | (x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del) & highs
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return i
}

// text parses the rest of a string after its opening quote. Without escapes it
// lies in the text, with escapes in the scratch buffer.
func (p *jsonParser) text(scratch *[]byte) (b []byte, fault string) {
	start := p.pos // of the bytes that go over as they are
	escaped := false
	for {
		p.pos += plainRun(p.buf[p.pos:])
		if p.pos == len(p.buf) {
			return nil, errShort
		}
		switch c := p.buf[p.pos]; {
		case c == '"':
			b = p.buf[start:p.pos]
			p.pos++
			if escaped {
				*scratch = append(*scratch, b...)
				b = *scratch
			}
			return b, ""
		case c == '\\':
			if !escaped {
				*scratch = (*scratch)[:0]
				escaped = true
			}
			*scratch = append(*scratch, p.buf[start:p.pos]...)
			if len(*scratch) > maxJSONText {
				return nil, fmt.Sprintf("a string of more than %d bytes, and no value has as many", maxJSONText)
			}
			if fault := p.escape(scratch); fault != "" {
				return nil, fault
			}
			start = p.pos
		case c < ' ':
			return nil, "control character in a string"
		default:
			if fault := p.rune(); fault != "" {
				return nil, fault
			}
		}
	}
}

// rune steps over one character.
func (p *jsonParser) rune() (fault string) {
	r, n := utf8.DecodeRune(p.buf[p.pos:])
	if r == utf8.RuneError && n <= 1 {
		if !utf8.FullRune(p.buf[p.pos:]) {
			return errShort
		}
		return "bytes that are not UTF-8 (as base64, name the field key_b64 or value_b64)"
	}
	p.pos += n
	return ""
}

// escape takes the escape at pos and appends what it stands for.
func (p *jsonParser) escape(dst *[]byte) (fault string) {
	if p.pos+1 >= len(p.buf) {
		return errShort
	}
	var c byte
	switch e := p.buf[p.pos+1]; e {
	case '"', '\\', '/':
		c = e
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, n, fault := unescapeUTF16(p.buf[p.pos:])
		if fault != "" {
			return fault
		}
		p.pos += n
		*dst = utf8.AppendRune(*dst, r)
		return ""
	default:
		return "no such escape in a string"
	}
	p.pos += 2
	*dst = append(*dst, c)
	return ""
}

// unescapeUTF16 reads \uXXXX, or two of them that make one character.
func unescapeUTF16(b []byte) (r rune, n int, fault string) {
	r, fault = hex4(b)
	if fault != "" || !utf16.IsSurrogate(r) {
		return r, 6, fault
	}
	const half = `half of a surrogate pair (\ud800 to \udfff) is no character`
	if rest := b[6:]; len(rest) < 2 && (len(rest) == 0 || rest[0] == '\\') {
		return 0, 0, errShort
	} else if rest[0] != '\\' || rest[1] != 'u' {
		return 0, 0, half
	}
	low, fault := hex4(b[6:])
	if fault != "" {
		return 0, 0, fault
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, 0, half
	}
	return r, 12, ""
}

// hex4 is the number in \uXXXX.
func hex4(b []byte) (r rune, fault string) {
	for i := 2; i < 6; i++ {
		if i >= len(b) {
			return 0, errShort
		}
		d := unhex(b[i])
		if d > 15 {
			return 0, `\u needs four hexadecimal digits`
		}
		r = r<<4 | rune(d)
	}
	return r, ""
}
