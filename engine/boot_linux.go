package engine

import (
	"encoding/hex"
	"os"
	"strings"
)

// currentBoot returns what the kernel draws at every start of the machine.
func currentBoot() (id bootID) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	if err != nil || len(b) != len(id) {
		return id
	}
	return bootID(b)
}
