//go:build race

package handler

// underRace: the race detector takes memory of its own, and ends the process in
// its own way.
const underRace = true
