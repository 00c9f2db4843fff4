package sandboxtest

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ownNetwork is set in a test that InOwnNetwork has started.
const ownNetwork = "SANDBOXTEST_OWN_NETWORK"

// InOwnNetwork runs the calling test once more, in a process whose "host" is a
// network namespace of its own, so that it sees and changes nothing of the real
// one. It reports whether this is that process; in the other one the test is
// over. It needs root.
func InOwnNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownNetwork) != "" {
		return true
	}
	args := []string{"-test.run=^" + t.Name() + "$"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), ownNetwork+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("%s", out)
	return false
}

// The network that Outside makes: a machine behind the host's interface.
const (
	OutsideInterface = "out"
	HostAddress      = "198.18.0.1"
	NextAddress      = "198.18.0.2" // of the machine, in the host's own network
	// BeyondAddress is one of the machine's too, over the default route. There it
	// answers RemoteText on port 80, and packets with themselves.
	BeyondAddress = "203.0.113.9"
	// The others are reached as BeyondAddress is, by the host.
	LinkLocalAddress = "169.254.42.42"
	MetadataAddress  = "169.254.169.254"
	AzureAddress     = "168.63.129.16" // what it tells machines there
	// HostPort is a service of the host's on all its addresses.
	HostPort = "8080"
)

// Outside gives the host of a test InOwnNetwork a network: an interface, an
// address, a default route and another machine behind it.
func Outside(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(AddAddress("lo", "127.0.0.1/8"))
	var remote int
	must(Elsewhere(-1, func(space int) error { remote = space; return nil }))
	t.Cleanup(func() { _ = unix.Close(remote) })
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: OutsideInterface})
	veth.PeerName, veth.PeerNamespace = "in", netlink.NsFd(remote)
	must(netlink.LinkAdd(veth))
	must(AddAddress(OutsideInterface, HostAddress+"/24"))
	must(Elsewhere(remote, func(int) error {
		return errors.Join(AddAddress("in", NextAddress+"/24"), AddAddress("lo", BeyondAddress+"/32"),
			AddAddress("lo", LinkLocalAddress+"/32"), AddAddress("lo", MetadataAddress+"/32"), AddAddress("lo", AzureAddress+"/32"),
			listenAs("0.0.0.0:80", RemoteText), echoAt(BeyondAddress+":80"))
	}))
	must(netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(NextAddress)}))
	must(listenAs("0.0.0.0:"+HostPort, "the host"))
}

// Elsewhere runs f on a thread in a network namespace, a new one where space is
// negative. f owns the descriptor of a new one.
func Elsewhere(space int, f func(space int) error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- func() (err error) {
			if space >= 0 {
				if err := unix.Setns(space, unix.CLONE_NEWNET); err != nil {
					return err
				}
				return f(space)
			}
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			made, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			return f(made)
		}()
	}()
	return <-done
}

// AddAddress gives an interface of the thread's network namespace an address,
// unless it has it, and brings it up.
func AddAddress(name, address string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	parsed, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, parsed); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return netlink.LinkSetUp(link)
}

// listenAs answers every connection with a text, until the process ends.
func listenAs(address, text string) error {
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return nil
}

func echoAt(address string) error {
	conn, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buffer[:n], from)
		}
	}()
	return nil
}
