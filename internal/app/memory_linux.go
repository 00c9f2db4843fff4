package app

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// machineMemory is how much memory this process may use: the machine's, or what
// a cgroup that it is in leaves of it. root is "/" of the file system.
func machineMemory(root fs.FS) (bytes uint64, err error) {
	info, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(info)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
			kb, err := strconv.ParseUint(fields[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/meminfo: %w", err)
			}
			bytes = kb << 10
		}
	}
	if bytes == 0 {
		return 0, errors.New("/proc/meminfo has no MemTotal")
	}
	groups, err := root.Open("proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) { // a kernel without
		return bytes, nil
	}
	if err != nil {
		return 0, err
	}
	defer groups.Close()
	lines := bufio.NewScanner(groups)
	for lines.Scan() {
		// "0::/path" in cgroup v2, "7:memory:/path" in v1
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
		}
		// The limits of all groups above count, as far as they can be seen: in a
		// container the mount's root is the own group.
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			text, err := fs.ReadFile(root, path.Join(mount, group, file))
			if err == nil {
				if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil { // else "max"
					bytes = min(bytes, limit)
				}
			}
			if group == "/" {
				break
			}
		}
	}
	return bytes, lines.Err()
}
