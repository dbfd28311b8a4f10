//go:build !(linux || darwin || freebsd || windows)

package xkd

// freeSpace is what a user may still write to a folder's disk, in bytes; false where that is not known.
func freeSpace(string) (int64, bool) { return 0, false }
