//go:build !linux

package gpu

// systemMemory is the machine's memory in bytes, or 0 where it is not known.
func systemMemory() int64 { return 0 }
