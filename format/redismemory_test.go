package format

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Ensure that the memory of Redis keys says of a key what was said last, or that
// it does not know, whatever was found and written back between, and that it
// knows the keys of the last half of its size.
func TestRedisMemory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	type said struct {
		v  redisValue
		at int // bytes said before
	}
	model := map[redisKey]said{}
	var m redisMemory
	total := 0
	remember := func(k redisKey, v redisValue) {
		m.remember(k.family, []byte(k.key), v)
		v.value = bytes.Clone(v.value)
		model[k] = said{v, total}
		total += redisEntrySize + len(k.family) + len(k.key) + len(v.value)
	}
	text := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	for range 2000 {
		k := redisKey{[]string{"", "db1", "db2"}[r.IntN(3)], fmt.Sprint(r.IntN(300))}
		switch r.IntN(4) {
		case 0:
			remember(k, redisValue{})
		case 1:
			v, ok := m.find(k.family, []byte(k.key))
			want, isSet := model[k]
			if !ok {
				if total-want.at < redisMemorySize/2 || isSet && !m.hasForgotten {
					t.Fatalf("seed %d: %v is not known, which was said %d bytes ago", seed, k, total-want.at)
				}
				continue
			}
			if v.isThere != want.v.isThere || !v.expires.Equal(want.v.expires) || !bytes.Equal(v.value, want.v.value) {
				t.Fatalf("seed %d: %v is %v with %d bytes until %v, want %v with %d until %v",
					seed, k, v.isThere, len(v.value), v.expires, want.v.isThere, len(want.v.value), want.v.expires)
			}
			remember(k, v) // as PERSIST and EXPIRE do
		default:
			from := r.IntN(len(text) / 2)
			v := redisValue{value: text[from : from+r.IntN(len(text)/2)], isThere: true}
			if r.IntN(2) == 0 {
				v.expires = time.UnixMilli(r.Int64N(maxExpiryMillis)).UTC()
			}
			remember(k, v)
		}
	}
	if !m.hasForgotten {
		t.Errorf("seed %d: nothing was forgotten of %d bytes", seed, total)
	}
	if _, ok := m.all(); ok {
		t.Errorf("seed %d: all keys are said to be known", seed)
	}
}
