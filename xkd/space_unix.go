//go:build linux || darwin || freebsd

package xkd

import "syscall"

// freeSpace is what a user may still write to a folder's disk, in bytes; false where that is not known.
func freeSpace(dir string) (int64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Bsize <= 0 || s.Blocks == 0 {
		return 0, false
	}
	return int64(min(max(s.Bavail, 0), 1<<40)) * int64(s.Bsize), true
}
