package app

import (
	"os"
	"testing"
	"testing/fstest"
)

func TestMachineMemory(t *testing.T) {
	const mb = 1 << 20
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	meminfo := file("MemFree: 12 kB\nMemTotal:       1048576 kB\n")
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  uint64
	}{
		"no cgroups":    {fstest.MapFS{}, 1024 * mb},
		"v2, none":      {fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("max\n")}, 1024 * mb},
		"v2":            {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("536870912\n")}, 512 * mb},
		"v2, above":     {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("268435456\n")}, 256 * mb},
		"container":     {fstest.MapFS{"proc/self/cgroup": file("0::/../x\n"), "sys/fs/cgroup/memory.max": file("268435456\n")}, 256 * mb},
		"v1":            {fstest.MapFS{"proc/self/cgroup": file("3:cpu:/c\n7:hugetlb,memory:/a\n"), "sys/fs/cgroup/memory/a/memory.limit_in_bytes": file("536870912\n")}, 512 * mb},
		"more than all": {fstest.MapFS{"proc/self/cgroup": file("7:memory:/a\n"), "sys/fs/cgroup/memory/a/memory.limit_in_bytes": file("9223372036854771712\n")}, 1024 * mb},
	} {
		c.files["proc/meminfo"] = meminfo
		if got, err := machineMemory(c.files); err != nil || got != c.want {
			t.Errorf("%s: %d MB, %v", name, got/mb, err)
		}
	}
	if got, err := machineMemory(os.DirFS("/")); err != nil || got < 64*mb {
		t.Errorf("this machine has %d bytes, %v", got, err)
	}
	if _, err := machineMemory(fstest.MapFS{}); err == nil {
		t.Error("no meminfo")
	}
}
