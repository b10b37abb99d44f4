package cmd

import (
	"os/exec"
	"runtime"
	"syscall"
)

// runTied runs a program that the kernel kills when kvsh ends, however it ends.
// childrenDie says that runTied keeps its promise.
const childrenDie = true

func runTied(p *exec.Cmd) error {
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// The signal is sent when the thread that started the program ends, so that
	// thread must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return p.Run()
}
