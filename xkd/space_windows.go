package xkd

import (
	"math"

	"golang.org/x/sys/windows"
)

// freeSpace is what a user may still write to a folder's disk, in bytes; false where that is not known.
func freeSpace(dir string) (int64, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if windows.GetDiskFreeSpaceEx(name, &free, nil, nil) != nil {
		return 0, false
	}
	return int64(min(free, math.MaxInt64)), true
}
