package format

import (
	"bytes"
	"fmt"
	"strconv"
)

// FormatRESP is commands in the Redis protocol (RESP). What kvsh writes feeds
// "redis-cli --pipe" and is an append-only file (AOF) that Redis loads:
//
//	*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n
//	*5\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n$4\r\nPXAT\r\n$13\r\n1796083200000\r\n
//
// It refuses with ErrNotHeld, unless ExportOptions.Bare is set, a record that
// has a family. Revision and time are left out. PXAT needs Redis 6.2.
//
// The reader takes such commands, as in the AOF of any version of Redis, also
// after a dump (FormatRDB) at the start of the file. The file is taken to begin
// with no keys: INCR of a key that it does not set gives 1. Of several files,
// the base and each increment, the whole is
//
//	cat appendonlydir/*.base.* appendonlydir/*.incr.* | kvsh import --format resp
//
// Database 0 is the default family, 1 is db1, and so on. A deleted key is a
// Record with Delete. Commands on strings, expiries, SELECT, MULTI and EXEC are
// carried out; which, stands in respCommandOf. Those that need the value of
// before (INCR, APPEND, EXPIRE …) find what the last 32 MiB of keys and values
// in the file have set, and are refused for keys further back. Commands of other
// types are counted and refused by name, or left out as
// ImportOptions.SkipUnsupported says; all others are refused.
//
// A file cut inside a command or a transaction is refused. A cut between two
// commands does not show, and an empty file has no records.
type respExport struct {
	*sink
	bare bool
}

// respTimestamp begins a note in an AOF that tells when the commands behind it
// were given, in seconds since 1970.
const respTimestamp = "#TS:"

func (e *respExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	if !e.bare {
		if err := e.refuseFamily(&r); err != nil {
			return err
		}
	}
	b := e.buf
	if r.Expires.IsZero() {
		b = append(b, "*3\r\n$3\r\nSET\r\n"...)
	} else {
		b = append(b, "*5\r\n$3\r\nSET\r\n"...)
	}
	b = appendRESPString(b, r.Key)
	b = appendRESPString(b, r.Value)
	if !r.Expires.IsZero() {
		var digits [20]byte
		b = append(b, "$4\r\nPXAT\r\n"...)
		// Redis refuses the moment 0, which has passed as 1 has.
		b = appendRESPString(b, strconv.AppendInt(digits[:0], max(r.Expires.UnixMilli(), 1), 10))
	}
	e.buf = b
	return e.flushIfFull()
}

func (e *respExport) Close() error { return e.flush() }

// appendRESPString appends a string as an argument of a command.
func appendRESPString(dst, s []byte) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, s...)
	return append(dst, "\r\n"...)
}

// Limits of the protocol, those of Redis.
const (
	maxRESPArguments = 1 << 20   // of a command
	maxRESPString    = 512 << 20 // bytes of an argument
)

// faultRESPShort may be mended by more bytes.
const faultRESPShort = "cut off inside a command"

// splitRESP cuts the command that text begins with into arguments, which are
// appended to args and lie in text. With a fault, n is where that is.
func splitRESP(args [][]byte, text []byte) (_ [][]byte, n int, fault string) {
	count, n, fault := respNumber(text, '*', maxRESPArguments)
	if fault != "" {
		return args, 0, fault
	}
	if count == 0 {
		return args, 0, "a command of no words"
	}
	for range count {
		size, head, fault := respNumber(text[n:], '$', maxRESPString)
		if fault != "" {
			return args, n, fault
		}
		start, end := n+head, n+head+size
		switch {
		case len(text) < end+2:
			return args, n, faultRESPShort
		case text[end] != '\r' || text[end+1] != '\n':
			return args, end, "want \\r\\n after " + strconv.Itoa(size) + " bytes of a string"
		}
		args = append(args, text[start:end])
		n = end + 2
	}
	return args, n, ""
}

// respNumber reads a line of a mark and a number from 0 to most, and returns
// the length of the line.
func respNumber(text []byte, mark byte, most int) (value, n int, fault string) {
	if len(text) == 0 {
		return 0, 0, faultRESPShort
	}
	if text[0] != mark {
		return 0, 0, fmt.Sprintf("want %c and a number, as in a command of the Redis protocol", mark)
	}
	for n = 1; n < len(text); n++ {
		c := text[n]
		switch {
		case '0' <= c && c <= '9':
			if value = value*10 + int(c-'0'); value > most {
				return 0, 0, fmt.Sprintf("more than %d after %c", most, mark)
			}
			continue
		case n == 1 || c != '\r':
			return 0, 0, fmt.Sprintf("no number after %c", mark)
		case n+1 == len(text):
			return 0, 0, faultRESPShort
		case text[n+1] != '\n':
			return 0, 0, "a carriage return without a line feed"
		}
		return value, n + 2, ""
	}
	return 0, 0, faultRESPShort
}

// isNote reports whether text begins with a line that is for people, or that
// tells the time, as Redis writes them into an AOF.
func isNote(text []byte) bool { return len(text) > 0 && text[0] == '#' }

// commands reads the commands up to the end of the input.
func (m *redisImport) commands() error {
	for {
		n, err := m.command()
		if err != nil {
			return err
		}
		switch {
		case n == 0 && m.isInMulti:
			return m.failAt(0, "cut off: MULTI without EXEC")
		case n == 0:
			return nil
		case len(m.args) == 0:
			if err := m.note(bytes.TrimRight(m.window()[:n], "\r\n")); err != nil {
				return err
			}
		default:
			if err := m.do(); err != nil {
				return err
			}
		}
		m.use(n, 0)
	}
}

// command splits the command that the window begins with into args, which are
// none for a note. It returns its length, and 0 at the end of the input.
func (m *redisImport) command() (n int, err error) {
	for {
		w := m.window()
		fault := faultRESPShort
		m.args = m.args[:0]
		switch {
		case isNote(w):
			if n = bytes.IndexByte(w, '\n') + 1; n > 0 {
				return n, nil
			}
		case len(w) > 0:
			if m.args, n, fault = splitRESP(m.args, w); fault == "" {
				return n, nil
			}
		}
		if fault != faultRESPShort {
			return 0, m.failAt(n, fault)
		}
		if !m.eof {
			if err := m.more(); err != nil {
				return 0, m.withoutLine(err)
			}
			continue
		}
		if len(w) == 0 || m.err != nil {
			return 0, m.err
		}
		return 0, m.failAt(len(w), fault)
	}
}

// note takes a line that begins with #.
func (m *redisImport) note(line []byte) error {
	text, ok := bytes.CutPrefix(line, []byte(respTimestamp))
	if !ok {
		return nil
	}
	seconds, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || seconds < 0 || seconds > maxExpiryMillis/1000 {
		return m.failAt(0, "no time after "+respTimestamp)
	}
	m.nowMillis = seconds * 1000
	return nil
}
