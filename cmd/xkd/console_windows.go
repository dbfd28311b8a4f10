package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// redraws has a terminal obey the control sequences by which a line is drawn anew; false where it cannot.
func redraws(f *os.File) bool {
	var mode uint32
	h := windows.Handle(f.Fd())
	return windows.GetConsoleMode(h, &mode) == nil && windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
