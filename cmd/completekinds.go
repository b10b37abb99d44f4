package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kvsh/engine"
	"kvsh/engine/handler"
	"kvsh/format"
	"kvsh/repl"
)

// completionLimit is how many words Tab offers at most.
const completionLimit = 200

// revisionsShown is how many revisions Tab offers, the newest first, and
// revisionsRead how many it looks through for those that begin as the word.
const (
	revisionsShown = 10
	revisionsRead  = 1000
)

// settingValues are the values of settings that have but a few.
var settingValues = map[string][]string{"sync": {"always", "interval", "never"}}

// either is the candidates of both.
func either(a, b lookup) lookup {
	return func(ctx context.Context) (found repl.Completion) {
		for _, find := range []lookup{a, b} {
			if find != nil {
				found.Candidates = append(found.Candidates, find(ctx).Candidates...)
			}
		}
		return found
	}
}

// completeFiles completes the name of a file, a directory at a time. Only files
// with one of the suffixes are offered; every file has the empty one.
func (s *Session) completeFiles(word string, suffixes ...string) lookup {
	if s.set.Safe {
		return nil
	}
	dir, base := filepath.Split(word)
	return func(context.Context) repl.Completion {
		var found repl.Completion
		in := dir
		if in == "" {
			in = "."
		}
		entries, err := os.ReadDir(in)
		if err != nil {
			return found
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), base) || base == "" && strings.HasPrefix(e.Name(), ".") {
				continue
			}
			isDir := e.IsDir()
			if e.Type()&os.ModeSymlink != 0 {
				info, err := os.Stat(filepath.Join(in, e.Name()))
				isDir = err == nil && info.IsDir()
			}
			ends := func(suffix string) bool { return strings.HasSuffix(e.Name(), suffix) }
			if !isDir && !slices.ContainsFunc(suffixes, ends) {
				continue
			}
			c := repl.Candidate{Text: dir + e.Name(), Partial: isDir}
			if isDir {
				c.Text += "/"
			}
			if len(found.Candidates) == completionLimit {
				found.Greatest = c.Text // entries are sorted; the last of them stays
				continue
			}
			found.Candidates = append(found.Candidates, c)
		}
		return found
	}
}

// completeStore is the store to complete from, or nil. It is the newest state:
// what the open transaction queued is not there, but looking at it would make
// the commit depend on keys that nobody read.
func (s *Session) completeStore() engine.Store {
	store, err := s.open(context.Background(), toRead)
	if err != nil {
		return nil // Tab is no place for messages
	}
	return store
}

// fromStore completes from the newest state of the store. What cannot be read
// completes to nothing.
func (s *Session) fromStore(find func(context.Context, engine.Tx) ([]repl.Candidate, error), word string) lookup {
	store := s.completeStore()
	if store == nil {
		return nil
	}
	return func(ctx context.Context) (found repl.Completion) {
		_ = store.View(ctx, engine.Newest, func(tx engine.Tx) error {
			all, err := find(ctx, tx)
			found = fixed(word, all)(ctx)
			return err
		})
		return found
	}
}

// completeFamilies completes the name of a column family.
func (s *Session) completeFamilies(word string) lookup {
	return s.fromStore(func(ctx context.Context, tx engine.Tx) ([]repl.Candidate, error) {
		families, err := userFamilies(ctx, tx)
		return plainCandidates(families...), err
	}, word)
}

// completeHandlers completes the name of a handler.
func (s *Session) completeHandlers(word string) lookup {
	return s.fromStore(func(ctx context.Context, tx engine.Tx) (found []repl.Candidate, err error) {
		all, err := handler.List(ctx, tx)
		for i := range all {
			found = append(found, repl.Candidate{Text: all[i].Name, Note: format.Safe(all[i].About())})
		}
		return found, err
	}, word)
}

// completeSettings completes the name of a setting, with its value.
func (s *Session) completeSettings(word string) lookup {
	db, ok := s.completeStore().(configurer)
	if !ok {
		return nil
	}
	return func(ctx context.Context) repl.Completion {
		settings, err := db.Settings(ctx)
		if err != nil {
			return repl.Completion{}
		}
		var all []repl.Candidate
		for _, setting := range settings {
			all = append(all, repl.Candidate{Text: setting.Name, Note: setting.Value})
		}
		return fixed(word, all)(ctx)
	}
}

// completeQuarantine completes the name of bytes that were taken out of the way.
func (s *Session) completeQuarantine(word string) lookup {
	path := s.path()
	if isMemory(path) {
		return nil
	}
	return func(ctx context.Context) repl.Completion {
		files, err := engine.Quarantine(nil, path)
		if err != nil {
			return repl.Completion{}
		}
		var all []repl.Candidate
		for i := range files {
			f := &files[i]
			all = append(all, repl.Candidate{Text: f.Name, Note: format.HumanSize(f.Bytes) + ", " + format.Safe(f.Reason)})
		}
		return fixed(word, all)(ctx)
	}
}

// completeRevisions completes a revision: the last ones, the newest first, with
// their age and what they did.
func (s *Session) completeRevisions(word string) lookup {
	store, path := s.completeStore(), s.path()
	if store == nil || isMemory(path) {
		return nil
	}
	span := ""
	if i := strings.LastIndex(word, ".."); i >= 0 { // the end of REV..REV
		span, word = word[:i+2], word[i+2:]
	}
	find := func(ctx context.Context) (found repl.Completion) {
		var newest engine.Rev
		if store.View(ctx, engine.Newest, func(tx engine.Tx) error {
			newest = tx.Rev()
			return nil
		}) != nil || newest == 0 {
			return found
		}
		read := engine.Rev(revisionsShown)
		if word != "" {
			read = revisionsRead
		}
		from, now := engine.Rev(1), time.Now()
		if newest > read {
			from = newest - read + 1
		}
		// A bad place in the log is no revision to name.
		_ = engine.Records(ctx, nil, path, from, newest, func(r engine.RecordInfo) bool {
			text := strconv.FormatUint(uint64(r.Rev), 10)
			if r.Bad == "" && strings.HasPrefix(text, word) {
				found.Candidates = append(found.Candidates, repl.Candidate{Text: text, Note: revisionNote(&r, now)})
			}
			return ctx.Err() == nil
		})
		slices.Reverse(found.Candidates)
		found.Candidates = found.Candidates[:min(len(found.Candidates), revisionsShown)]
		return found
	}
	return behind(span, find)
}

// noteWidth is the terminal columns of a key in a note.
const noteWidth = 24

// revisionNote says when a transaction was, and what it did first.
func revisionNote(r *engine.RecordInfo, now time.Time) string {
	t := r.Stamp.Time()
	note := t.Local().Format(time.DateTime)
	if age := now.Sub(t); age < 24*time.Hour {
		note = t.Local().Format(time.TimeOnly)
		if age >= time.Second {
			note += ", " + format.HumanAge(now, t) + " ago"
		}
	}
	if len(r.Ops) > 0 {
		o := &r.Ops[0]
		note += ", " + o.Op.String()
		if o.Key != "" {
			key, _ := format.Brief(format.Column{Name: "key", Kind: format.Bytes}, []byte(o.Key), noteWidth)
			note += " " + key
		}
		if more := len(r.Ops) - 1; more > 0 {
			note += fmt.Sprintf(" and %d more", more)
		}
	}
	return note
}
