//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/paddock-run/paddock/internal/sandbox/owner"
)

// tablePrefix begins the name of a driver's table in the host's nftables; the
// owner and the driver's number follow. The same text marks the rules that it
// had to add to other programs' tables.
const tablePrefix = "paddock-"

// tables counts those that this process has made.
var tables atomic.Int64

// switchedSet is the set in a driver's table of the interfaces that it has
// switched forwarding on for.
const switchedSet = "forwarding"

// probeAddress belongs to a network for documentation. The firewall drops what
// is sent to it once it has passed the other rules of the host.
var probeAddress = netip.MustParseAddr("198.51.100.1")

const (
	probePort = 9
	probeWait = 500 * time.Millisecond
)

// firewall is what the driver sets up in the host's network for its router.
type firewall struct {
	conn     *nftables.Conn
	table    *nftables.Table
	switched *nftables.Set
	probe    *nftables.Chain
	space    int // the router's
	uplink   string
	route    *forwarding
	admitted bool // there are rules of ours in other programs' tables
}

// newFirewall lets the router at an address behind the uplink reach other
// machines, and only these. It removes what dead daemons have left.
func newFirewall(space int, uplink string, router netip.Addr) (_ *firewall, err error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	f := &firewall{conn: conn, space: space, uplink: uplink}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	taken, err := f.sweep()
	if err != nil {
		return nil, err
	}
	if err := f.build(router); err != nil {
		return nil, fmt.Errorf("set up nftables on the host: %w", err)
	}
	if f.route, err = newForwarding(f, taken); err != nil {
		return nil, err
	}
	if err := f.check(router); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *firewall) build(router netip.Addr) error {
	f.table = f.conn.AddTable(&nftables.Table{
		Family: nftables.TableFamilyIPv4, Name: fmt.Sprintf("%s%s-%d", tablePrefix, owner.Self(), tables.Add(1)),
	})
	f.switched = &nftables.Set{Table: f.table, Name: switchedSet, KeyType: nftables.TypeIFName}
	if err := f.conn.AddSet(f.switched, nil); err != nil {
		return err
	}
	r := rules{conn: f.conn, table: f.table}
	fromUplink := interfaceIs(expr.MetaKeyIIFNAME, f.uplink)
	toUplink := interfaceIs(expr.MetaKeyOIFNAME, f.uplink)
	fromSwitched := interfaceIn(expr.MetaKeyIIFNAME, f.switched)
	fromRouter := address(offsetSource, netip.PrefixFrom(router, 32))
	accept, drop := verdict(expr.VerdictAccept), verdict(expr.VerdictDrop)

	// The host's own addresses, before a container engine's rules turn some of
	// their ports into addresses of containers; and once more behind them.
	early := r.chain("early", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, *nftables.ChainPriorityRaw, nftables.ChainPolicyAccept)
	r.refuse(early, fromUplink, toHost())
	r.refuse(early, fromUplink, address(offsetDestination, linkLocal))
	input := r.chain("input", nftables.ChainTypeFilter, nftables.ChainHookInput, *nftables.ChainPriorityFilter, nftables.ChainPolicyAccept)
	r.add(input, fromUplink, drop)

	forward := r.chain("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, *nftables.ChainPriorityFilter, nftables.ChainPolicyAccept)
	r.add(forward, toUplink, tracked(expr.CtKeySTATE, ctNew), drop)
	// Where forwarding was off before, the host does not become a router for its
	// neighbours because of Paddock. (Ports that a container engine publishes
	// later still work.)
	r.add(forward, fromSwitched, answers(), accept)
	r.add(forward, fromSwitched, tracked(expr.CtKeySTATUS, ctStatusDNAT), accept)
	r.add(forward, fromSwitched, drop)

	f.probe = r.chain("probe", nftables.ChainTypeFilter, nftables.ChainHookPostrouting, *nftables.ChainPriorityMangle, nftables.ChainPolicyAccept)
	r.add(f.probe, address(offsetDestination, netip.PrefixFrom(probeAddress, 32)), fromRouter, []expr.Any{&expr.Counter{}}, drop)

	nat := r.chain("nat", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource, nftables.ChainPolicyAccept)
	r.add(nat, fromRouter, []expr.Any{&expr.Masq{}})
	return f.conn.Flush()
}

// check sends a packet from the router as if to another machine and looks
// whether it would leave the host. Firewalls of others may be in the way
// (Docker and ufw drop what they do not know): then it adds exceptions to
// their rules, as container engines do.
func (f *firewall) check(router netip.Addr) error {
	if !f.route.reachable(probeAddress) {
		return nil // the host itself has no network now; it may get one
	}
	passes, err := f.passes(router)
	if passes || err != nil {
		return err
	}
	if err := f.admit(); err != nil {
		return fmt.Errorf("this host's firewall drops forwarded packets, and does not take an exception for %s: %w", f.uplink, err)
	}
	if passes, err = f.passes(router); passes || err != nil {
		return err
	}
	return fmt.Errorf("this host's firewall drops what is forwarded from %s: allow it, or use another network mode", f.uplink)
}

// passes reports whether a packet from the router gets as far as to the chain
// that counts it.
func (f *firewall) passes(router netip.Addr) (bool, error) {
	before, err := f.probed()
	if err != nil {
		return false, err
	}
	for deadline := time.Now().Add(probeWait); ; {
		if err := f.send(); err != nil {
			return false, fmt.Errorf("send a packet from %s: %w", router, err)
		}
		after, err := f.probed()
		if after > before || err != nil {
			return after > before, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		time.Sleep(5 * time.Millisecond) // the router's first packet waits for an address resolution
	}
}

// send sends an empty packet from the router to the probe's address.
func (f *firewall) send() error {
	return inSpace(f.space, func() error {
		conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: probeAddress.AsSlice(), Port: probePort})
		if err != nil {
			return err
		}
		_, err = conn.Write(nil)
		return errors.Join(err, conn.Close())
	})
}

// probed is how many packets the probe's rule has counted.
func (f *firewall) probed() (uint64, error) {
	found, err := f.conn.GetRules(f.table, f.probe)
	if err != nil {
		return 0, fmt.Errorf("read a counter of nftables: %w", err)
	}
	for _, rule := range found {
		for _, e := range rule.Exprs {
			if counter, ok := e.(*expr.Counter); ok {
				return counter.Packets, nil
			}
		}
	}
	return 0, errors.New("nftables has lost the probe's counter")
}

// foreignChains are the chains of other programs that see forwarded packets.
func (f *firewall) foreignChains() ([]*nftables.Chain, error) {
	var found []*nftables.Chain
	for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyINet} {
		chains, err := f.conn.ListChainsOfTableFamily(family)
		if err != nil {
			return nil, err
		}
		for _, chain := range chains {
			if chain.Hooknum != nil && *chain.Hooknum == *nftables.ChainHookForward && chain.Type == nftables.ChainTypeFilter &&
				!strings.HasPrefix(chain.Table.Name, tablePrefix) {
				found = append(found, chain)
			}
		}
	}
	return found, nil
}

// admit puts exceptions for the uplink in front of other programs' rules, in the
// form that iptables can list too.
func (f *firewall) admit() error {
	chains, err := f.foreignChains()
	if err != nil {
		return err
	}
	if len(chains) == 0 {
		return errors.New("its rules are not those of nftables")
	}
	f.admitted = true
	for _, chain := range chains {
		for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
			f.conn.InsertRule(&nftables.Rule{
				Table: chain.Table, Chain: chain,
				Exprs:    rule(interfaceIs(key, f.uplink), []expr.Any{&expr.Counter{}}, verdict(expr.VerdictAccept)),
				UserData: userdata.AppendString(nil, userdata.TypeComment, f.table.Name),
			})
		}
	}
	return f.conn.Flush()
}

// withdraw removes exceptions whose mark is to go.
func (f *firewall) withdraw(goes func(mark string) bool) error {
	chains, err := f.foreignChains()
	if err != nil {
		return err
	}
	for _, chain := range chains {
		found, err := f.conn.GetRules(chain.Table, chain)
		if err != nil {
			return err
		}
		for _, rule := range found {
			mark, ok := userdata.GetString(rule.UserData, userdata.TypeComment)
			if ok && strings.HasPrefix(mark, tablePrefix) && goes(mark) {
				if err := f.conn.DelRule(rule); err != nil {
					return err
				}
			}
		}
	}
	return f.conn.Flush()
}

// dead reports whether a table's or rule's owner has ended.
func dead(mark string) bool {
	name, _, found := strings.Cut(strings.TrimPrefix(mark, tablePrefix), "-")
	return found && !owner.Alive(name)
}

// sweep removes what dead daemons left. Their interfaces have gone with them. It
// returns the interfaces that a daemon, dead or alive, has switched forwarding
// on for.
func (f *firewall) sweep() (switched []string, err error) {
	all, err := f.conn.ListTablesOfFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return nil, fmt.Errorf("list the host's nftables: %w", err)
	}
	anyDead := false
	for _, table := range all {
		if !strings.HasPrefix(table.Name, tablePrefix) {
			continue
		}
		names, err := f.switchedBy(table)
		if err != nil {
			return nil, err
		}
		switched = append(switched, names...)
		if dead(table.Name) {
			anyDead = true
			f.conn.DelTable(table)
		}
	}
	if !anyDead {
		return switched, nil
	}
	if err := f.conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) { // another daemon was faster
		return nil, fmt.Errorf("remove a dead daemon's nftables: %w", err)
	}
	if err := f.withdraw(dead); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("remove a dead daemon's firewall exceptions: %w", err)
	}
	return switched, nil
}

// switchedBy lists the interfaces in a driver's table.
func (f *firewall) switchedBy(table *nftables.Table) ([]string, error) {
	elements, err := f.conn.GetSetElements(&nftables.Set{Table: table, Name: switchedSet, KeyType: nftables.TypeIFName})
	if errors.Is(err, unix.ENOENT) {
		return nil, nil // the table has just gone
	}
	if err != nil {
		return nil, fmt.Errorf("read nftables of another daemon: %w", err)
	}
	var names []string
	for _, element := range elements {
		names = append(names, strings.TrimRight(string(element.Key), "\x00"))
	}
	return names, nil
}

// others reports whether another driver's table is there.
func (f *firewall) others() (bool, error) {
	all, err := f.conn.ListTablesOfFamily(nftables.TableFamilyIPv4)
	for _, table := range all {
		if strings.HasPrefix(table.Name, tablePrefix) && table.Name != f.table.Name && !dead(table.Name) {
			return true, err
		}
	}
	return false, err
}

// remember puts an interface into the table's set.
func (f *firewall) remember(name string) error {
	if err := f.conn.SetAddElements(f.switched, []nftables.SetElement{{Key: interfaceName(name)}}); err != nil {
		return err
	}
	return f.conn.Flush()
}

// close removes the table, and switches off what it had switched on.
func (f *firewall) close() error {
	var errs []error
	if f.route != nil {
		errs = append(errs, f.route.close())
	}
	if f.admitted {
		errs = append(errs, f.withdraw(func(mark string) bool { return mark == f.table.Name }))
	}
	if f.table != nil {
		f.conn.DelTable(f.table)
		errs = append(errs, f.conn.Flush())
	}
	errs = append(errs, f.conn.CloseLasting())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the environments' firewall: %w", err)
	}
	return nil
}
