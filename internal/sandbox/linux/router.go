//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Environments reach other machines over a router: a network namespace of the
// driver's own, in which the far ends of their connections are, and which has
// one connection to the host (the uplink). All that concerns single
// environments is in there, so that the host sees one interface however many
// there are, and after a kill -9 the kernel removes all of it with the router's
// last descriptor.
//
//	environment                     router                       host
//	eth0 169.254.64.N/32 ───── eN   169.254.64.1 (DNS)
//	                                uplink 169.254.96.x/31 ───── pdk-… /31 ── eth0
//	                                translates addresses         translates, routes
//
// The addresses are link-local, as they are inside of AWS Lambda: whatever the
// host's own networks are, no function wants to reach these. Router and host
// route IPv4 alone.

var (
	gatewayAddress = netip.MustParseAddr("169.254.64.1") // the router's, for environments
	// Environments have the addresses above the gateway's up to the next range.
	environmentRange = netip.MustParsePrefix("169.254.64.0/19")
	uplinkRange      = netip.MustParsePrefix("169.254.96.0/19")
	linkLocal        = netip.MustParsePrefix("169.254.0.0/16")
)

// metadata are the addresses at which clouds tell a machine its secrets: most at
// link-local ones, Azure and Alibaba at these too.
var metadata = []netip.Prefix{linkLocal, netip.MustParsePrefix("168.63.129.16/32"), netip.MustParsePrefix("100.100.100.200/32")}

// routerUplink is the name of the uplink inside of the router.
const routerUplink = "uplink"

// router is the network between environments and the host.
type router struct {
	space    int             // descriptor of the namespace
	links    *netlink.Handle // in the namespace
	uplink   string          // name of the host's end
	mtu      int
	last     atomic.Uint32 // number of the latest environment
	firewall *firewall
	relay    *relay
}

// newRouter makes a router and connects it to the host. The error says what the
// host lacks for it; then nothing of it is left.
func newRouter() (_ *router, err error) {
	r := &router{space: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if err := inNewSpace(r.settle); err != nil {
		return nil, fmt.Errorf("make the environments' router: %w", err)
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer host.Close()
	pair, err := freePair(host)
	if err != nil {
		return nil, err
	}
	if err := r.connectHost(host, pair); err != nil {
		return nil, fmt.Errorf("connect the environments' router to the host: %w", err)
	}
	if err := routerRules(r.space); err != nil {
		return nil, fmt.Errorf("set up nftables for environments: %w", err)
	}
	if r.firewall, err = newFirewall(r.space, r.uplink, pair.Masked().Addr().Next()); err != nil {
		return nil, err
	}
	return r, nil
}

// settle prepares the namespace from a thread in it.
func (r *router) settle(space int) (err error) {
	for name, value := range map[string]string{
		"ipv4/ip_forward":                       "1",
		"ipv4/conf/all/rp_filter":               "1", // environments send from their own addresses alone
		"ipv4/conf/all/accept_redirects":        "0",
		"ipv4/conf/all/send_redirects":          "0",
		"ipv6/conf/all/disable_ipv6":            "1",
		"ipv6/conf/default/disable_ipv6":        "1",
		"ipv4/conf/default/rp_filter":           "1",
		"ipv4/conf/default/accept_source_route": "0",
	} {
		if err := setNet(name, value); err != nil {
			return err
		}
	}
	if r.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	lo, err := r.links.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := r.links.AddrAdd(lo, single(gatewayAddress)); err != nil {
		return fmt.Errorf("add the gateway's address: %w", err)
	}
	if r.relay, err = newRelay(netip.AddrPortFrom(gatewayAddress, 53), nameservers); err != nil {
		return err
	}
	r.space = space
	return nil
}

// connectHost makes the uplink: the host has the first address of the pair, the
// router the second.
func (r *router) connectHost(host *netlink.Handle, pair netip.Prefix) error {
	r.mtu = hostMTU(host)
	for number := 1; ; number++ {
		r.uplink = fmt.Sprintf("pdk-%d-%d", os.Getpid(), number)
		veth := netlink.NewVeth(netlink.NewLinkAttrs())
		veth.Name, veth.MTU = r.uplink, r.mtu
		veth.PeerName, veth.PeerMTU, veth.PeerNamespace = routerUplink, uint32(r.mtu), netlink.NsFd(r.space)
		err := host.LinkAdd(veth)
		// Another router of this process, or one of a daemon with the same process
		// ID in another PID namespace.
		if errors.Is(err, unix.EEXIST) && number < 1000 {
			continue
		}
		if err != nil {
			return fmt.Errorf("make a pair of veth interfaces: %w", err)
		}
		break
	}
	if err := setNet("ipv6/conf/"+r.uplink+"/disable_ipv6", "1"); err != nil {
		return err
	}
	hostEnd, routerEnd := pair.Masked().Addr(), pair.Masked().Addr().Next()
	for _, end := range []struct {
		handle  *netlink.Handle
		name    string
		address netip.Addr
	}{{host, r.uplink, hostEnd}, {r.links, routerUplink, routerEnd}} {
		link, err := end.handle.LinkByName(end.name)
		if err != nil {
			return err
		}
		address := &netlink.Addr{IPNet: &net.IPNet{IP: end.address.AsSlice(), Mask: net.CIDRMask(31, 32)}}
		if err := end.handle.AddrAdd(link, address); err != nil {
			return fmt.Errorf("give %s the address %s: %w", end.name, end.address, err)
		}
		if err := end.handle.LinkSetUp(link); err != nil {
			return fmt.Errorf("bring up %s: %w", end.name, err)
		}
	}
	if err := r.links.RouteAdd(&netlink.Route{Gw: hostEnd.AsSlice()}); err != nil {
		return fmt.Errorf("add the router's default route: %w", err)
	}
	return nil
}

// connect connects a namespace, which the calling thread is in.
func (r *router) connect(space int) error {
	if err := setNet("ipv6/conf/default/disable_ipv6", "1"); err != nil { // all but the loopback interface
		return err
	}
	var index int
	var address netip.Addr
	for tries := 0; ; tries++ {
		index, address = r.nextEnd()
		veth := netlink.NewVeth(netlink.NewLinkAttrs())
		veth.Name, veth.Index, veth.MTU, veth.Flags = fmt.Sprintf("e%d", index), index, r.mtu, net.FlagUp
		veth.PeerName, veth.PeerMTU, veth.PeerNamespace = "eth0", uint32(r.mtu), netlink.NsFd(space)
		err := r.links.LinkAdd(veth)
		if (errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY)) && tries < 10_000 { // numbers come round, and some live long
			continue
		}
		if err != nil {
			return fmt.Errorf("make a pair of veth interfaces: %w", err)
		}
		break
	}
	if err := r.links.RouteAdd(&netlink.Route{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: single(address).IPNet}); err != nil {
		return fmt.Errorf("route to %s: %w", address, err)
	}

	inside, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer inside.Close()
	eth0, err := inside.LinkByName("eth0")
	if err != nil {
		return err
	}
	if err := inside.AddrAdd(eth0, single(address)); err != nil {
		return fmt.Errorf("give eth0 the address %s: %w", address, err)
	}
	if err := inside.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("bring up eth0: %w", err)
	}
	for _, route := range []*netlink.Route{
		{LinkIndex: eth0.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: single(gatewayAddress).IPNet},
		{LinkIndex: eth0.Attrs().Index, Gw: gatewayAddress.AsSlice()},
		// Here so that a program hears of it at once; the router refuses it too.
		{Type: unix.RTN_UNREACHABLE, Dst: ipNet(linkLocal)},
	} {
		if err := inside.RouteAdd(route); err != nil {
			return fmt.Errorf("add a route: %w", err)
		}
	}
	return nil
}

// firstIndex is the index of the first environment's interface in the router:
// chosen, so that it need not be asked for.
const firstIndex = 100

// nextEnd is the index of an interface and the address for the next environment.
func (r *router) nextEnd() (index int, address netip.Addr) {
	first := gatewayAddress.As4()
	room := uint32(1)<<(32-environmentRange.Bits()) - 3 // neither network, gateway nor broadcast
	number := r.last.Add(1) % room
	at := uint32(first[2])<<8 + uint32(first[3]) + 1 + number
	return firstIndex + int(number), netip.AddrFrom4([4]byte{first[0], first[1], byte(at >> 8), byte(at)})
}

// close disconnects the host. What is in the namespace ends with it.
func (r *router) close() error {
	var errs []error
	if r.firewall != nil {
		errs = append(errs, r.firewall.close())
	}
	if r.relay != nil {
		errs = append(errs, r.relay.close())
	}
	if r.links != nil {
		// At once, and not when the last environment's namespace is gone.
		if link, err := r.links.LinkByName(routerUplink); err == nil {
			errs = append(errs, r.links.LinkDel(link))
		}
		r.links.Close()
	}
	if r.space >= 0 {
		closeFD(r.space)
	}
	return errors.Join(errs...)
}

// freePair finds two addresses for an uplink that the host does not use.
func freePair(host *netlink.Handle) (netip.Prefix, error) {
	routes, err := host.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("list the host's routes: %w", err)
	}
	base := uplinkRange.Addr().As4()
	pairs := 1 << (31 - uplinkRange.Bits())
	for range 100 {
		at := int(base[2])<<8 + 2*rand.IntN(pairs)
		pair := netip.PrefixFrom(netip.AddrFrom4([4]byte{base[0], base[1], byte(at >> 8), byte(at)}), 31)
		if !collides(pair, routes) {
			return pair, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("all addresses of %s that were tried are in use on this host", uplinkRange)
}

// collides tells whether the host routes the addresses of pair by itself. A
// network as wide as all link-local addresses gives way to a narrower one.
func collides(pair netip.Prefix, routes []netlink.Route) bool {
	for _, route := range routes {
		if route.Dst == nil {
			continue
		}
		ip, ok := netip.AddrFromSlice(route.Dst.IP.To4())
		bits, _ := route.Dst.Mask.Size()
		if ok && bits > linkLocal.Bits() && netip.PrefixFrom(ip, bits).Overlaps(pair) {
			return true
		}
	}
	return false
}

// hostMTU is the packet size of the interface that the default route leads to.
func hostMTU(host *netlink.Handle) int {
	const usual = 1500
	routes, err := host.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return usual
	}
	for _, route := range routes {
		if route.Dst != nil && !route.Dst.IP.IsUnspecified() {
			continue
		}
		if link, err := host.LinkByIndex(route.LinkIndex); err == nil && link.Attrs().MTU > 0 {
			return min(link.Attrs().MTU, usual)
		}
	}
	return usual
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// single is an address without a network around it.
func single(address netip.Addr) *netlink.Addr {
	return &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(address, address.BitLen()))}
}
