package format

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A redisServer is a server of the test's own.
type redisServer struct {
	t           *testing.T
	dir, socket string
	process     *exec.Cmd
}

// needRedis skips a test without a server that writes append-only files of
// several parts.
func needRedis(t *testing.T, shows string) {
	t.Helper()
	needPrograms(t, shows, "redis-server", "redis-cli")
	version := run(t, nil, "redis-server", "--version") // Redis server v=7.0.15 sha=…
	_, after, _ := bytes.Cut(version, []byte("v="))
	major, _, _ := strings.Cut(string(after), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		t.Skipf("SKIP redis-server before 7 (%s): not shown that %s", bytes.TrimSpace(version), shows)
	}
}

// newRedis starts a server with more settings, on a directory that may hold
// files already.
func newRedis(t *testing.T, dir string, settings ...string) *redisServer {
	t.Helper()
	// The name of a socket is limited to 108 bytes, which t.TempDir passes.
	socketDir, err := os.MkdirTemp("", "kvsh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socketDir) })
	s := &redisServer{t: t, dir: dir, socket: filepath.Join(socketDir, "s")}
	args := append([]string{
		"--port", "0", "--unixsocket", s.socket, "--dir", dir, "--save", "", "--daemonize", "no",
		"--loglevel", "notice",
	}, settings...)
	s.process = exec.Command("redis-server", args...)
	out, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	// Its log tells when it listens, so that no test waits for a time.
	var log bytes.Buffer
	line := make([]byte, 4096)
	for !strings.Contains(log.String(), "now ready to accept connections") {
		n, err := out.Read(line)
		log.Write(line[:n])
		if err != nil {
			t.Fatalf("redis-server %q did not start: %v\n%s", args, err, log.String())
		}
	}
	go func() { _, _ = log.ReadFrom(out) }()
	return s
}

// stop ends the server, once.
func (s *redisServer) stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// cli runs a command and returns the answer.
func (s *redisServer) cli(args ...string) string {
	s.t.Helper()
	return string(run(s.t, nil, "redis-cli", append([]string{"-s", s.socket}, args...)...))
}

// pipe sends commands and checks that all went well.
func (s *redisServer) pipe(commands []byte) {
	s.t.Helper()
	if out := run(s.t, commands, "redis-cli", "-s", s.socket, "--pipe"); !bytes.Contains(out, []byte("errors: 0,")) {
		s.t.Fatalf("redis-cli --pipe: %s, want errors: 0", out)
	}
}

// appendOnlyFile is the whole of the server's append-only files, in order.
func (s *redisServer) appendOnlyFile() []byte {
	s.t.Helper()
	var all []byte
	for _, pattern := range []string{"*.base.*", "*.incr.*"} {
		names, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", pattern))
		if err != nil {
			s.t.Fatal(err)
		}
		slices.Sort(names)
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				s.t.Fatal(err)
			}
			all = append(all, b...)
		}
	}
	return all
}

// redisRecords are records with every encoding of strings, and expiries.
func redisRecords(rnd *rand.Rand) []Record {
	records := distinctRecords(rnd, 300, 100)
	for i, n := range []int64{0, -1, 127, -128, 128, 32767, -32769, 1 << 31, -1 << 31, 1<<31 - 1, 1 << 40} {
		text := []byte(strconv.FormatInt(n, 10))
		records = append(records, Record{Key: []byte(fmt.Sprint("number ", i)), Value: text}, Record{Key: text, Value: []byte("n")})
	}
	for i, size := range []int{0, 1, 63, 64, 16383, 16384, 1 << 20} {
		records = append(records,
			Record{Key: []byte(fmt.Sprint("same ", i)), Value: bytes.Repeat([]byte("x"), size)},
			Record{Key: []byte(fmt.Sprint("text ", i)), Value: bytes.Repeat([]byte("some words, "), size/12)})
	}
	for i := range records {
		if rnd.IntN(3) == 0 {
			records[i].Expires = time.UnixMilli(4e12 + rnd.Int64N(1e12)).UTC()
		}
	}
	records = lastRecords(records)
	return records
}

// Ensure that Redis takes an export, and that what it writes in an append-only
// file or a dump comes back.
func TestRedisRoundTrip(t *testing.T) {
	needRedis(t, "Redis takes an export and gives it back")
	rnd := newRand(t)
	want := redisRecords(rnd)
	file := exported(t, FormatRESP, want)
	if d := diffRecords(mustImport(t, FormatRESP, file), want); d != "" {
		t.Fatalf("own file: %s", d)
	}
	for _, preamble := range []string{"no", "yes"} {
		s := newRedis(t, t.TempDir(), "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", preamble,
			"--aof-timestamp-enabled", "yes")
		s.pipe(file)
		if d := diffRecords(lastRecords(mustImport(t, FormatRESP, s.appendOnlyFile())), want); d != "" {
			t.Errorf("AOF: %s", d)
		}
		s.cli("SAVE")
		dump, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		if d := diffRecords(lastRecords(mustImport(t, FormatRDB, dump)), want); d != "" {
			t.Errorf("RDB: %s", d)
		}
		s.stop()
		// A server that starts on a base writes what follows into increments.
		s = newRedis(t, s.dir, "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", preamble)
		s.cli("APPEND", "number 2", "0")
		s.cli("INCR", "number 2")
		s.cli("SETRANGE", "gap", "3", "x")
		s.cli("-n", "2", "SET", "other", "1", "EX", "1000000000")
		s.cli("-n", "2", "INCRBY", "other", "41")
		s.cli("-n", "2", "MSET", "a", "1", "b", "2", "c", "3")
		s.cli("-n", "2", "DEL", "a")
		s.cli("-n", "2", "SET", "b", "new", "XX", "GET")
		s.cli("-n", "2", "SET", "d", "new", "NX")
		s.cli("-n", "2", "GETEX", "d", "EXAT", "4000000000")
		s.cli("-n", "2", "SET", "d", "newer", "KEEPTTL")
		s.cli("-n", "2", "GETDEL", "c")
		s.cli("-n", "3", "SET", "gone", "1")
		s.cli("-n", "3", "FLUSHDB")
		got := lastRecords(mustImport(t, FormatRESP, s.appendOnlyFile()))
		s.checkAgainst(got)
		if n := len(got) - len(want); n != 4 {
			t.Errorf("%d more records, want 4 (gap, other, b, d)", n)
		}
		s.stop()
	}
}

// checkAgainst compares records with a dump of the server.
func (s *redisServer) checkAgainst(got []Record) {
	s.t.Helper()
	s.cli("SAVE")
	dump, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
	if err != nil {
		s.t.Fatal(err)
	}
	if d := diffRecords(got, lastRecords(mustImport(s.t, FormatRDB, dump))); d != "" {
		s.t.Errorf("AOF against RDB: %s", d)
	}
}

// Ensure that random commands come to what Redis makes of them.
func TestRedisCommands(t *testing.T) {
	needRedis(t, "commands mean what Redis makes of them")
	rnd := newRand(t)
	var commands []byte
	for range 3000 {
		words := randomCommand(rnd)
		commands = append(commands, fmt.Sprintf("*%d\r\n", len(words))...)
		for _, w := range words {
			commands = appendRESPString(commands, []byte(w))
		}
	}
	s := newRedis(t, t.TempDir(), "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no")
	// Some are errors, such as INCR of a text; what counts is the file.
	run(t, commands, "sh", "-c", `redis-cli -s "$1" --pipe >/dev/null 2>&1; :`, "sh", s.socket)
	s.checkAgainst(lastRecords(mustImport(t, FormatRESP, s.appendOnlyFile())))
}

// randomCommand is a command on one of few keys.
func randomCommand(rnd *rand.Rand) []string {
	key := fmt.Sprint("k", rnd.IntN(12))
	other := fmt.Sprint("k", rnd.IntN(12))
	number := strconv.Itoa(rnd.IntN(50))
	seconds := strconv.Itoa(1e8 + rnd.IntN(1e8))
	at := strconv.Itoa(4e9 + rnd.IntN(1e9))
	list := [][]string{
		{"SET", key, number},
		{"set", key, "text", "KEEPTTL"},
		{"SET", key, number, "NX"},
		{"SET", key, number, "XX", "GET"},
		{"SET", key, number, "EX", seconds},
		{"SET", key, number, "PX", seconds + "000", "NX"},
		{"SET", key, number, "EXAT", at},
		{"SET", key, number, "PXAT", at + "123"},
		{"SETEX", key, seconds, number},
		{"PSETEX", key, seconds + "001", number},
		{"SETNX", key, number},
		{"GETSET", key, number},
		{"MSET", key, number, other, number},
		{"DEL", key, other},
		{"UNLINK", key},
		{"GETDEL", key},
		{"EXPIRE", key, seconds},
		{"PEXPIRE", key, seconds, "NX"},
		{"EXPIREAT", key, at, "XX", "GT"},
		{"EXPIREAT", key, at, "LT"},
		{"EXPIREAT", key, at},
		{"PEXPIREAT", key, at + "999"},
		{"EXPIREAT", key, "1"},
		{"PERSIST", key},
		{"APPEND", key, number},
		{"INCR", key},
		{"DECR", key},
		{"INCRBY", key, number},
		{"DECRBY", key, number},
		{"SETRANGE", key, number, "x"},
		{"SELECT", strconv.Itoa(rnd.IntN(3))},
	}
	if rnd.IntN(200) == 0 {
		return [][]string{{"FLUSHDB"}, {"FLUSHALL"}}[rnd.IntN(2)]
	}
	return list[rnd.IntN(len(list))]
}

// Ensure that types other than strings are counted and refused by name, in every
// encoding, or left out when asked to, with the strings beside them kept.
func TestRedisOtherTypes(t *testing.T) {
	needRedis(t, "other types of Redis are passed over")
	for _, small := range []string{"0", "128"} {
		s := newRedis(t, t.TempDir(), "--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no",
			"--hash-max-listpack-entries", small, "--zset-max-listpack-entries", small, "--set-max-intset-entries", small,
			"--list-max-listpack-size", "2")
		s.cli("SET", "before", "1")
		s.cli("HSET", "h", "f", "v", "g", strings.Repeat("long", 100))
		s.cli("EXPIRE", "h", "100000")
		s.cli("RPUSH", "l", "a", "b", "c", strings.Repeat("x", 10000), "12")
		s.cli("SADD", "s", "1", "2", "300000")
		s.cli("SADD", "s2", "a", "b")
		s.cli("ZADD", "z", "1", "a", "2.5", "b", "-inf", "c")
		s.cli("XADD", "x", "1-1", "f", "v")
		s.cli("XADD", "x", "2-1", "f", "v")
		s.cli("XGROUP", "CREATE", "x", "g", "0")
		s.cli("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "x", ">")
		s.cli("SET", "zz after", "2", "EX", "1000000")
		s.cli("SAVE")
		dump, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			f       Format
			file    []byte
			refused string // a part of the message
			skipped string
		}{
			{FormatRDB, dump, "in all hash (1), list (1), set (2), stream (1), zset (1)", "[{hash 1} {list 1} {set 2} {stream 1} {zset 1}]"},
			{FormatRESP, s.appendOnlyFile(), "HSET of key \"h\", and only strings can be imported; in all HSET (1), PEXPIREAT (1), RPUSH (1), SADD (2), X", ""},
		} {
			if _, err := imported(t, test.f, bytes.NewReader(test.file)); err == nil || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%s: import = %v, want %s", test.f, err, test.refused)
			}
			m := NewImporter(bytes.NewReader(test.file), test.f, ImportOptions{SkipUnsupported: true})
			var got []Record
			for r, err := range m.Records() {
				if err != nil {
					t.Fatalf("%s: import that skips = %v", test.f, err)
				}
				got = append(got, Record{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)})
			}
			sortRecords(got)
			if text := show(got); text != "before=1 zz after=2" {
				t.Errorf("%s: import that skips = %q", test.f, text)
			}
			if text := fmt.Sprint(m.Skipped()); test.skipped != "" && text != test.skipped {
				t.Errorf("%s: Skipped() = %s, want %s", test.f, text, test.skipped)
			}
		}
		s.stop()
	}
}
