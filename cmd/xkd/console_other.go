//go:build !windows

package main

import "os"

// redraws tells whether a terminal obeys the control sequences by which a line is drawn anew.
func redraws(*os.File) bool { return os.Getenv("TERM") != "dumb" }
