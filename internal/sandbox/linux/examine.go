//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Examine looks at what this driver needs of the host. It makes a driver for a
// moment, and so changes what New changes. usable reports whether New works.
func Examine(opts Options) (findings []Finding, usable bool) {
	findings = append(findings, examineKernel(), examineUser(), examineNamespaces(), examineSeccomp())
	driver, err := newDriver(opts, findHierarchy)
	if err != nil {
		h, why := findHierarchy()
		findings = append(findings, examineCgroups(h, errors.Join(why, h.close())), Finding{
			Name: "sandbox", Lacking: true,
			Found:  "functions cannot be isolated: " + oneLine(err),
			Remedy: "mend what is lacking above; until then functions run as this user, with --sandbox process or auto",
		})
		return findings, false
	}
	findings = append(findings, examineCgroups(driver.cgroups, driver.why),
		Finding{Name: "sandbox", Found: "a program has run in an environment of its own"}, driver.examineDisks(), driver.examineNetwork())
	if err := driver.Close(); err != nil {
		findings = append(findings, Finding{
			Name: "cleaning up", Found: oneLine(err), Lacking: true,
			Remedy: "report this: what an environment leaves on the host should always be removable",
		})
	}
	return findings, true
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func examineKernel() Finding {
	f := Finding{Name: "kernel"}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		f.Found, f.Lacking = err.Error(), true
		return f
	}
	release := unix.ByteSliceToString(name.Release[:])
	f.Found = fmt.Sprintf("Linux %s on %s", release, unix.ByteSliceToString(name.Machine[:]))
	var major, minor int
	// A release that cannot be read is judged by whether a program runs.
	if n, err := fmt.Sscanf(release, "%d.%d", &major, &minor); n == 2 && err == nil && (major < 5 || major == 5 && minor < 12) {
		f.Lacking, f.Remedy = true, "Linux 5.12 or later is needed to isolate functions"
	}
	return f
}

func examineUser() Finding {
	switch {
	case rootless():
		return Finding{
			Name: "user", Found: "an ordinary one, in a user namespace: functions have this user's rights, no limits but by cgroups that are delegated, and no way to other machines", Lacking: true,
			Remedy: "run Paddock as root: it gives up nothing of that to functions",
		}
	case privileged():
		return Finding{Name: "user", Found: "root"}
	}
	return Finding{
		Name: "user", Found: fmt.Sprintf("user %d, who may not make namespaces", os.Geteuid()), Lacking: true,
		Remedy: "run Paddock as root, which gives up nothing of that to functions, or allow users to make user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)",
	}
}

func examineNamespaces() Finding {
	kinds := map[string]string{"mnt": "mounts", "pid": "processes", "net": "network", "ipc": "IPC", "uts": "host name"}
	var has, lacks []string
	for kind, name := range kinds {
		if _, err := os.Stat("/proc/self/ns/" + kind); err != nil {
			lacks = append(lacks, name)
		} else {
			has = append(has, name)
		}
	}
	slices.Sort(has)
	slices.Sort(lacks)
	if len(lacks) > 0 {
		return Finding{
			Name: "namespaces", Found: "this kernel has none for " + strings.Join(lacks, ", "), Lacking: true,
			Remedy: "use a kernel that is built with namespaces, as those of all distributions are",
		}
	}
	return Finding{Name: "namespaces", Found: strings.Join(has, ", ")}
}

func examineSeccomp() Finding {
	text, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail")
	actions := strings.Fields(string(text))
	if err != nil || !slices.Contains(actions, "errno") || !slices.Contains(actions, "kill_process") {
		return Finding{
			Name: "seccomp", Found: "this kernel does not filter system calls", Lacking: true,
			Remedy: "use a kernel that is built with CONFIG_SECCOMP_FILTER",
		}
	}
	return Finding{Name: "seccomp", Found: "system calls are filtered"}
}

// examineCgroups says what is limited; why is what keeps the rest from being.
func examineCgroups(h hierarchy, why error) Finding {
	has := []string{}
	names := map[string]string{memoryController: "memory", pidsController: "processes", cpuController: "processors"}
	var lacks []string
	for _, controller := range []string{memoryController, pidsController, cpuController} {
		if h.has(controller) {
			has = append(has, names[controller])
		} else {
			lacks = append(lacks, names[controller])
		}
	}
	f := Finding{Name: "cgroups", Found: h.name()}
	if len(has) > 0 {
		f.Found += ": " + strings.Join(has, ", ") + " limited"
	}
	if len(lacks) > 0 {
		f.Lacking = true
		f.Found += "; NOT limited: " + strings.Join(lacks, ", ")
		if why != nil {
			f.Found += " (" + oneLine(why) + ")"
		}
		f.Remedy = "run Paddock as root and, with systemd, as a service with Delegate=yes; in a container, give it a writable /sys/fs/cgroup"
	}
	return f
}

func (d *Driver) examineDisks() Finding {
	if d.noDisks != nil && d.rootless {
		return Finding{
			Name: "/tmp", Found: "what functions write there is in memory: only root can make disks", Lacking: true,
			Remedy: "run Paddock as root",
		}
	}
	if d.noDisks != nil {
		return Finding{
			Name: "/tmp", Found: "what functions write there counts as their memory: " + oneLine(d.noDisks), Lacking: true,
			Remedy: "install e2fsprogs (mkfs.ext4); give Paddock /dev/loop-control and loop devices",
		}
	}
	return Finding{Name: "/tmp", Found: "a disk of its own for each environment"}
}

func (d *Driver) examineNetwork() Finding {
	f := Finding{Name: "network", Found: string(d.network) + ": " + d.describeNetwork()}
	switch {
	case d.network == NetworkHost:
		f.Lacking, f.Remedy = true, "functions reach this host's own services: use --network private"
	case d.noEgress != nil && d.rootless:
		f.Lacking = true
		f.Remedy = "run Paddock as root (it does not use pasta or slirp4netns, whether they are installed or not); or choose --network host"
	case d.noEgress != nil:
		f.Lacking = true
		f.Remedy = "a kernel with veth and nftables (nft_masq, nft_fib, nft_reject), a writable /proc/sys/net, and a firewall that lets interfaces named pdk-* through; or choose --network host or none"
	}
	return f
}
