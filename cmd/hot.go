package cmd

import (
	"context"
	"strings"
)

// Building the tree of commands takes longer than many a command, and a script
// may have a hundred thousand lines. So the commands of such scripts have a way
// around the tree, for lines on which it has nothing to decide: no flags, and a
// number of words that fits. Both ways end in the same method of the session.

// runHot runs a line without the tree if it can.
func (s *Session) runHot(ctx context.Context, words []string) (handled bool, err error) {
	args := words[1:]
	switch words[0] {
	case "get":
		if len(args) > 0 && noFlags(args) {
			return true, s.get(ctx, args, getOptions{})
		}
	case "exists":
		if len(args) > 0 && noFlags(args) {
			return true, s.exists(ctx, args, moment{})
		}
	case "del":
		if len(args) > 0 && noFlags(args) {
			return true, s.del(ctx, args, false)
		}
	case "set": // behind the key a dash is no flag
		if len(args) == 2 && noFlags(args[:1]) {
			return true, s.setKey(ctx, args[0], []byte(args[1]), setOptions{})
		}
	case "append":
		if len(args) == 2 && noFlags(args[:1]) {
			return true, s.append(ctx, args[0], []byte(args[1]))
		}
	case "mset":
		if len(args) >= 2 && len(args)%2 == 0 && noFlags(args[:1]) {
			return true, s.mset(ctx, args, false)
		}
	case "incr":
		if len(args) == 1 && noFlags(args) {
			return true, s.incr(ctx, args[0], 1)
		}
	}
	return false, nil
}

func noFlags(words []string) bool {
	for _, w := range words {
		if strings.HasPrefix(w, "-") {
			return false
		}
	}
	return true
}
