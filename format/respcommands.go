package format

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A respCommand is a command of Redis that an import carries out.
type respCommand struct {
	run   func(m *redisImport, name string) error
	least int // words, the name included
	most  int // words; 0: any number
}

// respCommandOf returns the command of a name in capital letters.
func respCommandOf(name string) (c respCommand, ok bool) {
	switch name {
	case "SET":
		c = respCommand{(*redisImport).set, 3, 0}
	case "SETEX", "PSETEX":
		c = respCommand{(*redisImport).setExpiring, 4, 4}
	case "SETNX":
		c = respCommand{(*redisImport).setNew, 3, 3}
	case "GETSET":
		c = respCommand{(*redisImport).setMany, 3, 3}
	case "MSETNX":
		c = respCommand{(*redisImport).setManyNew, 3, 0}
	case "MSET":
		c = respCommand{(*redisImport).setMany, 3, 0}
	case "DEL", "UNLINK":
		c = respCommand{(*redisImport).del, 2, 0}
	case "GETDEL":
		c = respCommand{(*redisImport).del, 2, 2}
	case "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT":
		c = respCommand{(*redisImport).expire, 3, 5}
	case "PERSIST":
		c = respCommand{(*redisImport).persist, 2, 2}
	case "APPEND":
		c = respCommand{(*redisImport).appendTo, 3, 3}
	case "SETRANGE":
		c = respCommand{(*redisImport).setRange, 4, 4}
	case "INCR", "DECR":
		c = respCommand{(*redisImport).add, 2, 2}
	case "INCRBY", "DECRBY":
		c = respCommand{(*redisImport).add, 3, 3}
	case "SELECT":
		c = respCommand{(*redisImport).selectDB, 2, 2}
	case "FLUSHDB", "FLUSHALL":
		c = respCommand{(*redisImport).flush, 1, 2}
	case "MULTI", "EXEC":
		c = respCommand{(*redisImport).transaction, 1, 1}
	}
	return c, c.run != nil
}

// isOtherType reports whether a command in capital letters writes data of
// another type than string. Of these only those that end in STORE can end a
// string: they replace their first key, whatever it is.
func isOtherType(name string) bool {
	switch name {
	case "HSET", "HMSET", "HSETNX", "HDEL", "HINCRBY", "HINCRBYFLOAT",
		"HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT", "HPERSIST", "HSETEX", "HGETDEL", "HGETEX",
		"LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LPOP", "RPOP", "LSET", "LREM", "LTRIM", "LINSERT",
		"LMOVE", "RPOPLPUSH", "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "LMPOP", "BLMPOP",
		"SADD", "SREM", "SPOP", "SMOVE", "SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE",
		"ZADD", "ZREM", "ZINCRBY", "ZREMRANGEBYSCORE", "ZREMRANGEBYRANK", "ZREMRANGEBYLEX",
		"ZPOPMIN", "ZPOPMAX", "BZPOPMIN", "BZPOPMAX", "ZMPOP", "BZMPOP",
		"ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE", "ZRANGESTORE", "GEOADD", "GEOSEARCHSTORE",
		"XADD", "XDEL", "XTRIM", "XSETID", "XGROUP", "XACK", "XCLAIM", "XAUTOCLAIM",
		"FUNCTION", "SCRIPT", "PUBLISH", "SPUBLISH":
		return true
	}
	return false
}

// name0 is the name of the command just read, for messages.
func (m *redisImport) name0() string {
	const longest = 24 // of the names that Redis has
	return Safe(strings.ToUpper(string(m.args[0][:min(len(m.args[0]), longest)])))
}

// do carries out the command just read.
func (m *redisImport) do() error {
	if len(m.args) == 3 && string(m.args[0]) == "SET" { // which most files are made of
		return m.put(m.args[1], m.args[2], time.Time{})
	}
	name := m.name0()
	c, ok := respCommandOf(name)
	switch {
	case ok && (len(m.args) < c.least || c.most > 0 && len(m.args) > c.most):
		return m.failAt(0, fmt.Sprintf("%s with %d arguments", name, len(m.args)-1))
	case ok:
		return c.run(m, name)
	case isOtherType(name):
		var key []byte
		if len(m.args) > 1 {
			key = m.args[1]
		}
		m.skip(name, key)
		if strings.HasSuffix(name, "STORE") {
			return m.remove(key) // which may have been a string
		}
		return nil
	}
	return m.failAt(0, name+" cannot be imported (a dump of the server can: SAVE writes dump.rdb)")
}

// absent is for a command that Redis writes only for a key that is there, when
// the input has not set the key: it is of another type, or the input does not
// begin where its keys do.
func (m *redisImport) absent(name string, key []byte) error {
	if len(m.skipped) > 0 {
		m.skip(name, key)
		return nil
	}
	return m.failAt(0, fmt.Sprintf("%s of %s, which nothing before has set (does an increment come without its base?)", name, quoteStart(key)))
}

// set is SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL].
func (m *redisImport) set(name string) error {
	key, value := m.args[1], m.args[2]
	var at time.Time
	var ifNew, ifThere, keeps bool
	for i := 3; i < len(m.args); i++ {
		switch option := strings.ToUpper(string(m.args[i][:min(len(m.args[i]), 8)])); option {
		case "NX":
			ifNew = true
		case "XX":
			ifThere = true
		case "KEEPTTL":
			keeps = true
		case "GET": // is an answer, and changes nothing
		case "EX", "PX", "EXAT", "PXAT":
			if i++; i == len(m.args) {
				return m.failAt(0, "SET with "+option+" and no time")
			}
			var err error
			if at, err = m.moment(m.args[i], option[0] == 'E', !strings.HasSuffix(option, "AT")); err != nil {
				return err
			}
		default:
			return m.failAt(0, "SET with an unknown option "+quoteStart(m.args[i]))
		}
	}
	if ifNew && ifThere || keeps && !at.IsZero() {
		return m.failAt(0, "SET with options that exclude each other")
	}
	if ifNew || ifThere || keeps {
		old, err := m.find(key)
		switch {
		case err != nil:
			return err
		case ifNew && old.isThere:
			return nil
		case ifThere && !old.isThere:
			return m.absent("SET XX", key)
		case keeps:
			at = old.expires
		}
	}
	return m.putUntil(key, value, at)
}

// putUntil is put, or remove if the moment is before 1970.
func (m *redisImport) putUntil(key, value []byte, at time.Time) error {
	if !at.IsZero() && at.UnixMilli() < 0 {
		return m.remove(key)
	}
	return m.put(key, value, at)
}

// maxExpiryMillis is the last millisecond of the year 9999, after which no
// record can expire.
const maxExpiryMillis = 253402300799999

// moment reads a number of seconds or milliseconds, from now or from 1970.
func (m *redisImport) moment(text []byte, isSeconds, isRelative bool) (time.Time, error) {
	n, ok := redisInteger(text)
	most := int64(maxExpiryMillis)
	if isSeconds {
		most /= 1000
	}
	if !ok || n > most || n < -most {
		return time.Time{}, m.failAt(0, fmt.Sprintf("%s with the time %s: want a number up to the year 9999", m.name0(), quoteStart(text)))
	}
	if isSeconds {
		n *= 1000
	}
	if isRelative {
		n += m.nowMillis
	}
	return time.UnixMilli(n).UTC(), nil
}

// setExpiring is SETEX key s value and PSETEX key ms value.
func (m *redisImport) setExpiring(name string) error {
	at, err := m.moment(m.args[2], name == "SETEX", true)
	if err != nil {
		return err
	}
	return m.putUntil(m.args[1], m.args[3], at)
}

func (m *redisImport) setNew(string) error {
	old, err := m.find(m.args[1])
	if err != nil || old.isThere {
		return err
	}
	return m.put(m.args[1], m.args[2], time.Time{})
}

// setMany is MSET key value … and GETSET key value.
func (m *redisImport) setMany(name string) error {
	pairs := m.args[1:]
	if len(pairs)%2 != 0 {
		return m.failAt(0, name+" with a key and no value")
	}
	for ; len(pairs) > 0; pairs = pairs[2:] {
		if err := m.put(pairs[0], pairs[1], time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// setManyNew is MSETNX, which sets all keys or, if one is there, none.
func (m *redisImport) setManyNew(name string) error {
	for i := 1; i < len(m.args); i += 2 {
		if old, err := m.find(m.args[i]); err != nil || old.isThere {
			return err
		}
	}
	return m.setMany(name)
}

func (m *redisImport) del(string) error {
	for _, key := range m.args[1:] {
		if err := m.remove(key); err != nil {
			return err
		}
	}
	return nil
}

// expire is EXPIRE key s [NX|XX] [GT|LT] and its like.
func (m *redisImport) expire(name string) error {
	key := m.args[1]
	at, err := m.moment(m.args[2], !strings.HasPrefix(name, "P"), !strings.HasSuffix(name, "AT"))
	if err != nil {
		return err
	}
	old, err := m.find(key)
	if err != nil {
		return err
	}
	if !old.isThere {
		return m.absent(name, key)
	}
	for _, option := range m.args[3:] {
		holds := false
		switch strings.ToUpper(string(option)) {
		case "NX":
			holds = old.expires.IsZero()
		case "XX":
			holds = !old.expires.IsZero()
		case "GT": // than never, nothing is
			holds = !old.expires.IsZero() && at.After(old.expires)
		case "LT":
			holds = old.expires.IsZero() || at.Before(old.expires)
		default:
			return m.failAt(0, name+" with an unknown option "+quoteStart(option))
		}
		if !holds {
			return nil
		}
	}
	return m.putUntil(key, old.value, at)
}

func (m *redisImport) persist(name string) error {
	old, err := m.find(m.args[1])
	if err != nil {
		return err
	}
	if !old.isThere {
		return m.absent(name, m.args[1])
	}
	return m.put(m.args[1], old.value, time.Time{})
}

func (m *redisImport) appendTo(string) error {
	old, err := m.find(m.args[1])
	if err != nil {
		return err
	}
	return m.put(m.args[1], slices.Concat(old.value, m.args[2]), old.expires)
}

// setRange is SETRANGE key offset value, which fills a gap with zeros.
func (m *redisImport) setRange(name string) error {
	key, part := m.args[1], m.args[3]
	at, ok := redisInteger(m.args[2])
	if !ok || at < 0 || at > MaxValueSize || at+int64(len(part)) > MaxValueSize {
		return m.failAt(0, fmt.Sprintf("%s at %s, and a value has at most %d bytes", name, quoteStart(m.args[2]), MaxValueSize))
	}
	old, err := m.find(key)
	if err != nil || len(part) == 0 {
		return err
	}
	value := make([]byte, max(len(old.value), int(at)+len(part)))
	copy(value, old.value)
	copy(value[at:], part)
	return m.put(key, value, old.expires)
}

// add is INCR, DECR, INCRBY and DECRBY.
func (m *redisImport) add(name string) error {
	key, by := m.args[1], int64(1)
	if len(m.args) > 2 {
		var ok bool
		if by, ok = redisInteger(m.args[2]); !ok || by == math.MinInt64 {
			return m.failAt(0, name+" by "+quoteStart(m.args[2])+", which is no number that fits")
		}
	}
	if strings.HasPrefix(name, "DECR") {
		by = -by
	}
	old, err := m.find(key)
	if err != nil {
		return err
	}
	var n int64
	if old.isThere {
		var ok bool
		if n, ok = redisInteger(old.value); !ok {
			return m.failAt(0, fmt.Sprintf("%s of %s, which is no number", name, quoteStart(key)))
		}
	}
	if by > 0 && n > math.MaxInt64-by || by < 0 && n < math.MinInt64-by {
		return m.failAt(0, fmt.Sprintf("%s of %s passes 64 bits", name, quoteStart(key)))
	}
	return m.put(key, strconv.AppendInt(nil, n+by, 10), old.expires)
}

// redisInteger reads a number of 64 bits in the one way that Redis writes it.
func redisInteger(text []byte) (n int64, ok bool) {
	if len(text) > len("-9223372036854775808") {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == string(text)
}

func (m *redisImport) selectDB(string) error {
	n, ok := redisInteger(m.args[1])
	if !ok || n < 0 || n > math.MaxInt32 {
		return m.failAt(0, "SELECT of "+quoteStart(m.args[1])+", which is no number of a database")
	}
	m.chooseDB(uint64(n))
	return nil
}

// chooseDB makes the records that follow those of a database.
func (m *redisImport) chooseDB(n uint64) {
	if n == 0 {
		m.db = m.family
		return
	}
	m.db = "db" + strconv.FormatUint(n, 10)
}

// flush is FLUSHDB and FLUSHALL, with or without ASYNC or SYNC.
func (m *redisImport) flush(name string) error {
	return m.removeAll(name == "FLUSHALL")
}

// transaction is MULTI and EXEC. What is between them counts at once: a file
// that ends there is refused whole.
func (m *redisImport) transaction(name string) error {
	if m.isInMulti == (name == "MULTI") {
		return m.failAt(0, name+" in the wrong place")
	}
	m.isInMulti = !m.isInMulti
	return nil
}
