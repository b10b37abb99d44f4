// Package cmd is the commands of kvsh and the doors through which they come:
// one command as the arguments of the process, the lines of a script, the
// interactive shell. A command is declared once, by a constructor that takes
// the Session, and means the same at every door.
//
// Results go to the output, everything else to the error stream. Commands
// return errors; what an error means to the user, as message, hint and exit
// code, is decided in cmd.go alone. Nothing here calls os.Exit.
package cmd
