// Package formatpage holds the test that man/kvsh-format.5 is enough to read a
// database: a decoder that knows the order of things from its prose, takes every
// offset and size from its tables, and uses nothing of the engine. It has no code
// to import.
package formatpage
