package repl

import "slices"

// kill cuts the text from..to, one end of which is the cursor. What successive
// keys cut is one piece.
func (b *buffer) kill(from, to int) {
	if from == to {
		b.settle()
		return
	}
	b.cut(b.text[from:to], from < b.cursor)
	b.remove(from, to)
	b.killing = true
}

// cut remembers a piece: with the one before, in front of that or behind it, if
// the last key cut too.
func (b *buffer) cut(piece string, inFront bool) {
	switch {
	case !b.killing || len(b.kills) == 0:
		b.kills = append(b.kills, piece)
		if len(b.kills) > maxKills {
			b.kills = slices.Delete(b.kills, 0, 1)
		}
	case inFront:
		b.kills[len(b.kills)-1] = piece + b.kills[len(b.kills)-1]
	default:
		b.kills[len(b.kills)-1] += piece
	}
}

// remove deletes the text from..to.
func (b *buffer) remove(from, to int) {
	b.replace(from, to, "")
	b.settle()
}

// killLine cuts up to the end of the line, or the newline if nothing is before it.
func (b *buffer) killLine() {
	end := b.lineEnd(b.cursor)
	if end == b.cursor {
		end = b.next(end)
	}
	b.kill(b.cursor, end)
}

// yank inserts what was cut last.
func (b *buffer) yank() bool {
	if len(b.kills) == 0 {
		return false
	}
	b.turn = len(b.kills) - 1
	b.putYanked(b.cursor)
	return true
}

// yankBefore replaces what yank has just inserted by what was cut before that.
func (b *buffer) yankBefore() bool {
	if b.yanked == 0 || b.yanked > b.cursor {
		return false
	}
	b.turn = (b.turn + len(b.kills) - 1) % len(b.kills)
	b.putYanked(b.cursor - b.yanked)
	return true
}

func (b *buffer) putYanked(from int) {
	b.replace(from, b.cursor, b.kills[b.turn])
	b.settle()
	b.yanked = b.cursor - from
}

// transpose swaps the clusters around the cursor, or the last two of a line.
func (b *buffer) transpose() bool {
	start, mid := b.lineStart(b.cursor), b.cursor
	if mid == b.lineEnd(b.cursor) && mid > start {
		mid = b.prev(mid)
	}
	if mid == start {
		return false
	}
	from, to := b.prev(mid), b.next(mid)
	b.replace(from, to, b.text[mid:to]+b.text[from:mid])
	b.settle()
	return true
}
