package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/format"
)

// synonym is what a word is called here that names a command in redis-cli,
// etcdctl, sqlite3 or a shell; empty if it names none. Those who come from
// there mean that, and not the command whose letters are like it.
func synonym(word string) string {
	switch strings.ToLower(word) {
	case "put", "add", "store", "write", "insert", "update":
		return "set"
	case "setnx", "create":
		return "set --if-absent"
	case "setex", "psetex":
		return "set --ttl"
	case "cas", "replace":
		return "set --if-value"
	case "getset":
		return "set --old"
	case "mget", "cat", "read", "fetch", "print":
		return "get"
	case "msetnx":
		return "mset --if-absent"
	case "delete", "remove", "unlink", "erase", "drop":
		return "del"
	case "keys", "scan", "select", "dir":
		return "list"
	case "head":
		return "list --limit"
	case "find", "search":
		return "grep"
	case "dbsize", "size", "len", "wc":
		return "count"
	case "has", "contains":
		return "exists"
	case "type", "object", "strlen", "describe", "stat":
		return "show"
	case "expire", "expireat", "pexpire", "pexpireat", "pttl", "persist", "lease", "touch":
		return "ttl"
	case "decr", "incrby", "decrby", "increment", "inc":
		return "incr"
	case "rename", "renamenx", "move":
		return "mv"
	case "copy":
		return "cp"
	case "flushdb", "flushall", "truncate", "wipe":
		return "clear"
	case "multi", "txn", "transaction":
		return "begin"
	case "end", "apply":
		return "commit"
	case "discard", "abort":
		return "rollback"
	case "eval", "evalsha", "run":
		return "call"
	case "function", "script", "procedure", "trigger":
		return "handler"
	case "subscribe", "psubscribe", "listen", "monitor", "tail":
		return "watch"
	case "follow":
		return "log follow"
	case "dump", "unload":
		return "export"
	case "load":
		return "import"
	case "save", "bgsave", "backup":
		return "snapshot save"
	case "lastsave", "snapshots", "backups":
		return "snapshot ls"
	case "changes":
		return "log show"
	case "versions", "revisions", "blame":
		return "history"
	case "revert", "redo":
		return "undo"
	case "stats", "status", "endpoint", "ping", "databases":
		return "info"
	case "fsck", "verify", "integrity_check":
		return "check"
	case "recover", "fix":
		return "repair"
	case "vacuum", "defrag", "compaction", "bgrewriteaof", "gc":
		return "compact"
	case "settings", "pragma":
		return "config"
	case "tables", "families", "namespaces":
		return "cf ls"
	case "benchmark":
		return "bench"
	case "checksum", "digest":
		return "hash"
	case "?", "commands", `\?`, `\h`:
		return "help"
	case "quit", "exit", "bye", "logout", "close", `\q`:
		return ".quit"
	case "cls":
		return ".shell clear"
	case "open", "connect":
		return ".open"
	}
	return ""
}

// dotSynonym is synonym for the dot-commands of sqlite3 whose names are not
// those of the shell.
func dotSynonym(name string) string {
	switch strings.ToLower(strings.TrimPrefix(name, ".")) {
	case "tables":
		return "cf ls"
	case "schema", "databases", "dbinfo":
		return "info"
	case "dump":
		return "export --format kvsh"
	case "backup", "save":
		return "snapshot save"
	case "clone", "restore":
		return "snapshot restore"
	case "recover":
		return "salvage"
	case "headers", "separator", "width", "nullvalue", "explain":
		return ".mode"
	case "system":
		return ".shell"
	case "timeout":
		return "--wait"
	case "use", "connect":
		return ".open"
	case "q", "bye":
		return ".quit"
	}
	return ""
}

// childSynonym is synonym for the commands below another.
func childSynonym(c *cobra.Command, word string) string {
	for _, same := range [][]string{
		{"ls", "list", "all", "status"},
		{"rm", "del", "delete", "remove", "drop"},
		{"show", "get", "cat", "print", "view"},
		{"save", "create", "make", "new", "take"},
		{"add", "create", "set", "put", "new", "load"},
		{"verify", "check"},
		{"follow", "tail", "watch"},
		{"grep", "find", "search"},
		{"stat", "stats"},
		{"restore", "load"},
	} {
		if slices.Contains(same[1:], strings.ToLower(word)) && slices.Contains(childNames(c), same[0]) {
			return same[0]
		}
	}
	return ""
}

// meantAsDatabase is the hint about an unknown command that names a directory:
// perhaps a database, whose name lacks what tells it from a command. Empty if
// there is no such directory, or, with sure set, no database in it.
func meantAsDatabase(word string, sure bool) string {
	info, err := os.Stat(word)
	if err != nil || !info.IsDir() {
		return ""
	}
	_, err = os.Stat(filepath.Join(word, "FORMAT"))
	switch name := format.Word([]byte(word)); {
	case err == nil:
		return fmt.Sprintf(`%s is a database, and is named by "kvsh -d %s" or by a / behind it: %s/`, name, name, name)
	case sure:
		return ""
	default:
		return fmt.Sprintf(`%s is a directory; "kvsh -d %s" names one as the database`, name, name)
	}
}
