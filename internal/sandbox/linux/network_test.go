//go:build linux && (amd64 || arm64)

package linux

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"github.com/paddock-run/paddock/internal/sandbox"
	"github.com/paddock-run/paddock/internal/sandbox/owner"
	"github.com/paddock-run/paddock/internal/sandbox/sandboxtest"
)

// inOwnNetwork is sandboxtest.InOwnNetwork for tests that need root.
func inOwnNetwork(t *testing.T) bool {
	t.Helper()
	needsRoot(t)
	return sandboxtest.InOwnNetwork(t)
}

func TestPrivate(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	h, _ := findHierarchy()
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	can := claims(h, NetworkPrivate)
	can.Remote = sandboxtest.BeyondAddress + ":80"
	can.Hidden = []string{sandboxtest.HostAddress + ":" + sandboxtest.HostPort, sandboxtest.LinkLocalAddress + ":80", sandboxtest.MetadataAddress + ":80", sandboxtest.AzureAddress + ":80"}
	t.Run("suite", func(t *testing.T) { drivers.Run(t, "private", can) }) // and clean up
	if got := hostState(t); strings.Contains(got, "paddock") || strings.Contains(got, "pdk-") || !strings.Contains(got, "forwarding 0") {
		t.Errorf("the drivers have left something:\n%s", got)
	}
}

// hostState is what a driver changes of the host's network.
func hostState(t *testing.T) string {
	t.Helper()
	var state strings.Builder
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		fmt.Fprintln(&state, "link", link.Attrs().Name)
	}
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		t.Fatal(err)
	}
	for _, chain := range chains {
		found, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&state, "chain", chain.Table.Name, chain.Name, len(found), "rules")
	}
	text, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + sandboxtest.OutsideInterface + "/forwarding")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&state, "forwarding %s", text)
	return state.String()
}

func openDriver(t *testing.T) *Driver {
	t.Helper()
	driver, err := newDriver(Options{Spare: 4}, func() (hierarchy, error) { return noHierarchy{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	if driver.noEgress != nil {
		t.Errorf("no egress: %v", driver.noEgress)
	}
	return driver
}

// inside runs a shell command in an environment of its own.
func inside(t *testing.T, driver *Driver, command string) string {
	t.Helper()
	s, err := driver.New(t.Context(), &sandbox.Spec{ID: "shell"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Destroy(); err != nil {
			t.Error(err)
		}
	}()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	_, err = s.Start(t.Context(), &sandbox.Command{
		Path: "/bin/bash", Args: []string{"bash", "-c", command}, Env: []string{"PATH=/usr/bin"}, Dir: "/tmp", Stdout: write, Stderr: write,
	})
	if err := errors.Join(err, write.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// talk is a command that prints what a TCP service says.
func talk(address string) string {
	return "exec 3<>/dev/tcp/" + address + "/80 && cat <&3"
}

// TestFirewallOfOthers has rules on the host that drop all forwarded packets, as
// Docker's and ufw's do.
func TestFirewallOfOthers(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	r := rules{conn: conn, table: conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "filter"})}
	r.chain("FORWARD", nftables.ChainTypeFilter, nftables.ChainHookForward, *nftables.ChainPriorityFilter, nftables.ChainPolicyDrop)
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	before := hostState(t)
	first := openDriver(t)
	if got := inside(t, first, talk(sandboxtest.BeyondAddress)); got != sandboxtest.RemoteText {
		t.Errorf("an environment reaches %q", got)
	}
	if !strings.Contains(first.Isolation(), "exceptions made in this host's firewall") {
		t.Errorf("not said: %s", first.Isolation())
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if got := hostState(t); got != before {
		t.Errorf("after Close:\n%s\nwant\n%s", got, before)
	}

	// Rules that cannot be come by: those of a chain of ours that looks foreign
	// only to check would do as well as those of iptables' older kind.
	r.add(r.chain("late", nftables.ChainTypeFilter, nftables.ChainHookPostrouting, *nftables.ChainPriorityFirst, nftables.ChainPolicyDrop))
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	blocked, err := newDriver(Options{Spare: 4}, func() (hierarchy, error) { return noHierarchy{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := blocked.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !strings.Contains(blocked.Isolation(), "firewall drops what is forwarded") {
		t.Errorf("what is in the way is not said: %s", blocked.Isolation())
	}
	if got := inside(t, blocked, "cat /etc/resolv.conf; "+talk(sandboxtest.BeyondAddress)); !strings.Contains(got, "Network is unreachable") {
		t.Errorf("an environment without egress gets %q", got)
	}
}

// TestDeadDaemonsNetwork leaves a table behind as a killed daemon does.
func TestDeadDaemonsNetwork(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	space, _, _ := strings.Cut(owner.Self(), ".")
	name := fmt.Sprintf("%s%s.%d.%d-1", tablePrefix, space, gone.Process.Pid, 1)
	alive := tablePrefix + owner.Self() + "-999"
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{name, alive} {
		table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: name})
		set := &nftables.Set{Table: table, Name: switchedSet, KeyType: nftables.TypeIFName}
		if err := conn.AddSet(set, []nftables.SetElement{{Key: interfaceName(sandboxtest.OutsideInterface)}}); err != nil {
			t.Fatal(err)
		}
		(rules{conn: conn, table: table}).chain("forward", nftables.ChainTypeFilter, nftables.ChainHookForward,
			*nftables.ChainPriorityFilter, nftables.ChainPolicyAccept)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := setNet("ipv4/conf/"+sandboxtest.OutsideInterface+"/forwarding", "1"); err != nil { // by the dead one
		t.Fatal(err)
	}
	first := openDriver(t)
	if got := hostState(t); strings.Contains(got, name) || !strings.Contains(got, alive) {
		t.Errorf("only the dead daemon's table should be gone:\n%s", got)
	}
	if !strings.Contains(first.Isolation(), "forwarding switched on for "+sandboxtest.OutsideInterface) {
		t.Errorf("what is switched on is not said: %s", first.Isolation())
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if got := hostState(t); !strings.Contains(got, "forwarding 1") {
		t.Errorf("forwarding is off, though another driver needs it:\n%s", got)
	}
	conn.DelTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: alive})
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	// Nobody has left word of it any more: it is the host's own wish.
	second := openDriver(t)
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if got := hostState(t); !strings.Contains(got, "forwarding 1") {
		t.Errorf("a driver has switched off what it had not switched on:\n%s", got)
	}
}

// TestTwoDaemons has two drivers on one host, one of which ends.
func TestTwoDaemons(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	first, second := openDriver(t), openDriver(t)
	for _, driver := range []*Driver{first, second} {
		if got := inside(t, driver, talk(sandboxtest.BeyondAddress)); got != sandboxtest.RemoteText {
			t.Errorf("beside another driver an environment reaches %q", got)
		}
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if got := inside(t, second, talk(sandboxtest.BeyondAddress)); got != sandboxtest.RemoteText {
		t.Errorf("after the other driver has ended an environment reaches %q", got)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if got := hostState(t); !strings.Contains(got, "forwarding 0") {
		t.Errorf("the last driver has left forwarding on:\n%s", got)
	}
}

// TestNetworkThatComesLater has a host without a route, as a laptop on a train.
func TestNetworkThatComesLater(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	if err := loopbackUp(); err != nil {
		t.Fatal(err)
	}
	driver := openDriver(t)
	sandboxtest.Outside(t)
	for {
		// The router takes the host's word for which machines there are, and the
		// driver hears of the route in the background.
		got := inside(t, driver, "timeout 2 bash -c '"+talk(sandboxtest.BeyondAddress)+"'")
		if got == sandboxtest.RemoteText {
			break
		}
		if t.Context().Err() != nil {
			t.Fatalf("an environment reaches %q", got)
		}
	}
}

// TestHostIsNoRouter sends a packet through the host from another machine.
func TestHostIsNoRouter(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	neighbour := -1
	if err := sandboxtest.Elsewhere(-1, func(space int) error { neighbour = space; return nil }); err != nil {
		t.Fatal(err)
	}
	defer closeFD(neighbour)
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: "side"})
	veth.PeerName, veth.PeerNamespace = "in", netlink.NsFd(neighbour)
	if err := errors.Join(netlink.LinkAdd(veth), sandboxtest.AddAddress("side", "198.18.1.1/24"), inSpace(neighbour, func() error {
		return errors.Join(sandboxtest.AddAddress("in", "198.18.1.2/24"), netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP("198.18.1.1")}))
	})); err != nil {
		t.Fatal(err)
	}
	driver := openDriver(t)
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	r := rules{conn: conn, table: conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "watch"})}
	chain := r.chain("leaving", nftables.ChainTypeFilter, nftables.ChainHookPostrouting, *nftables.ChainPriorityLast, nftables.ChainPolicyAccept)
	r.add(chain, address(offsetSource, netip.MustParsePrefix("198.18.1.2/32")), []expr.Any{&expr.Counter{}})
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	send := func() {
		t.Helper()
		err := inSpace(neighbour, func() error {
			conn, err := net.Dial("udp4", sandboxtest.BeyondAddress+":80")
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte("x"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	left := func() uint64 {
		t.Helper()
		found, err := conn.GetRules(r.table, chain)
		if err != nil || len(found) != 1 {
			t.Fatalf("%d rules, %v", len(found), err)
		}
		return found[0].Exprs[len(found[0].Exprs)-1].(*expr.Counter).Packets
	}
	send()
	if !strings.Contains(driver.Isolation(), "side") {
		t.Fatalf("forwarding is not on for the neighbour's interface: %s", driver.Isolation())
	}
	if got := left(); got != 0 {
		t.Errorf("the host has forwarded %d packets of a neighbour", got)
	}
	// With the guard gone, and forwarding on, it would.
	if err := driver.Close(); err != nil {
		t.Fatal(err)
	}
	if err := setNet("ipv4/ip_forward", "1"); err != nil {
		t.Fatal(err)
	}
	for left() == 0 {
		send()
		if t.Context().Err() != nil {
			t.Fatal("the test's own packets do not pass in any case")
		}
	}
}

func TestUplinksAvoidTheHostsNetworks(t *testing.T) {
	pair := netip.MustParsePrefix("169.254.100.6/31")
	for dst, want := range map[string]bool{
		"0.0.0.0/0": false, "169.254.0.0/16": false, "10.0.0.0/8": false, "169.254.100.8/31": false,
		"169.254.100.0/24": true, "169.254.100.7/32": true, "169.254.100.6/31": true, "169.254.96.0/19": true,
	} {
		route := netlink.Route{Dst: ipNet(netip.MustParsePrefix(dst))}
		if got := collides(pair, []netlink.Route{{}, route}); got != want {
			t.Errorf("%s: %v, want %v", dst, got, want)
		}
	}
}

// fakeDNS answers queries for any name with a rewritten copy, over UDP and TCP.
func fakeDNS(t *testing.T, answer func(query []byte) []byte) string {
	t.Helper()
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp4", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = packets.Close(), streams.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(answer(buffer[:n]), from)
		}
	}()
	go func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			query := make([]byte, 512)
			n, _ := conn.Read(query)
			_, _ = conn.Write(answer(query[:n]))
			_ = conn.Close()
		}
	}()
	return packets.LocalAddr().String()
}

// query asks for the address of "a.test".
var query = append([]byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, "\x01a\x04test\x00\x00\x01\x00\x01"...)

// addressAnswer answers with 192.0.2.77.
func addressAnswer(query []byte) []byte {
	end := dnsHeader
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	answer := bytes.Clone(query[:end+5])
	answer[2], answer[3] = 0x81, 0x80
	copy(answer[6:dnsHeader], make([]byte, 6))
	if query[end+2] == 1 { // an IPv4 address is asked for
		answer[7] = 1
		answer = append(answer, 0xc0, dnsHeader, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77)
	}
	return answer
}

func TestRelay(t *testing.T) {
	good := fakeDNS(t, addressAnswer)
	silent, err := net.Listen("tcp4", "127.0.0.1:0") // nothing listens there for packets
	if err != nil {
		t.Fatal(err)
	}
	dead := silent.Addr().String()
	if err := silent.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		servers []string
		want    []byte
	}{
		{"answer", []string{good}, addressAnswer(query)},
		{"second server", []string{dead, good}, addressAnswer(query)},
		{"none", []string{dead}, append([]byte{0x12, 0x34, 0x81, 0x82}, query[4:]...)},
	} {
		relay, err := newRelay(netip.MustParseAddrPort("127.0.0.1:0"), func() ([]string, error) { return c.servers, nil })
		if err != nil {
			t.Fatal(err)
		}
		for network, address := range map[string]string{"udp4": relay.packets.LocalAddr().String(), "tcp4": relay.streams.Addr().String()} {
			want := c.want
			if network == "tcp4" && c.name == "none" {
				want = nil // the connection ends
			}
			conn, err := net.Dial(network, address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(query); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 512)
			n, err := conn.Read(answer)
			if err != nil && want != nil || !bytes.Equal(answer[:n], want) {
				t.Errorf("%s over %s: % x, %v; want % x", c.name, network, answer[:n], err, want)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := relay.close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzServerFailure(f *testing.F) {
	f.Add(query)
	f.Fuzz(func(t *testing.T, query []byte) {
		if len(query) < dnsHeader {
			return
		}
		answer := serverFailure(bytes.Clone(query))
		switch {
		case query[2]&0x80 != 0:
			if answer != nil {
				t.Error("an answer was answered")
			}
		case len(answer) < dnsHeader || len(answer) > len(query) || !bytes.Equal(answer[:2], query[:2]) || answer[3]&15 != 2:
			t.Errorf("% x", answer)
		}
	})
}

// TestNamesInside looks a name up from inside of an environment.
func TestNamesInside(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	sandboxtest.Outside(t)
	driver := openDriver(t)
	server := fakeDNS(t, addressAnswer) // on the host's loopback, as systemd-resolved is
	if err := driver.router.relay.close(); err != nil {
		t.Fatal(err)
	}
	if err := inSpace(driver.router.space, func() (err error) {
		driver.router.relay, err = newRelay(netip.AddrPortFrom(gatewayAddress, 53), func() ([]string, error) { return []string{server}, nil })
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := inside(t, driver, "getent ahostsv4 some.name.test"); !strings.Contains(got, "192.0.2.77") {
		t.Errorf("the name is looked up as %q", got)
	}
	if got := inside(t, driver, "exec 3<>/dev/tcp/"+gatewayAddress.String()+"/22"); !strings.Contains(got, "refused") {
		t.Errorf("another port of the router: %q", got)
	}
}

func TestResolvConf(t *testing.T) {
	const host = "# by a program\nnameserver 127.0.0.53\nsearch a.example b.example\noptions edns0 trust-ad\nnameserver 10.0.0.1"
	if got, want := string(viaRelay([]byte(host))), "nameserver 169.254.64.1\nsearch a.example b.example\noptions edns0 trust-ad\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	servers, err := nameservers()
	if err != nil && !errors.Is(err, os.ErrNotExist) || len(servers) == 0 || filepath.Base(resolvConf) != "resolv.conf" {
		t.Errorf("%v, %v", servers, err)
	}
}

// BenchmarkSpace measures the making of a network namespace, which the stock
// keeps off the way of a start.
func BenchmarkSpace(b *testing.B) {
	needsRoot(b)
	for _, network := range []Network{NetworkNone, NetworkPrivate} {
		b.Run(string(network), func(b *testing.B) {
			made, err := drivers[string(network)]()
			if err != nil {
				b.Fatal(err)
			}
			driver := made.(*Driver)
			driver.Settle()
			for b.Loop() {
				fd, err := driver.spaces.make()
				if err != nil {
					b.Fatal(err)
				}
				closeFD(fd)
			}
			if err := driver.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
