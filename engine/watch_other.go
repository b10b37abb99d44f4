//go:build !linux

package engine

import "errors"

// listen is not known here: a watch polls.
func listen(_ string) (*notices, error) { return nil, errors.ErrUnsupported }
