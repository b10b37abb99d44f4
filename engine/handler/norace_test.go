//go:build !race

package handler

const underRace = false
