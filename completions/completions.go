// Package completions makes Tab work in bash, zsh and fish: it has a script for
// each of them, and knows how they split a line into words and quote one. It
// knows no command and no database.
//
// The scripts are short. Each hands the line up to the cursor to the program,
// as it was typed, and puts in what comes back. Nothing of the line is ever
// evaluated, and a key reaches the program as the bytes it has.
package completions

import _ "embed"

//go:embed kvsh.bash
var bash string

//go:embed kvsh.zsh
var zsh string

//go:embed kvsh.fish
var fish string

// Script is the script for a shell: bash, zsh or fish.
func Script(shell string) (text string, ok bool) {
	switch shell {
	case "bash":
		return bash, true
	case "zsh":
		return zsh, true
	case "fish":
		return fish, true
	}
	return "", false
}
