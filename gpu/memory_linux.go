package gpu

import "syscall"

// systemMemory is the machine's memory in bytes, or 0 where it is not known.
func systemMemory() int64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
