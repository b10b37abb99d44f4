//go:build !unix

package cmd

import (
	"errors"
	"os"
)

// lockFlags has no meaning where no database opens, see engine.OS.
const lockFlags = 0

func flock(*os.File, bool) error { return errors.ErrUnsupported }
