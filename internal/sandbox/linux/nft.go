//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The words of nftables rules that the driver uses. Each is the expressions that
// "nft" makes of it.

const (
	ctEstablished = 1 << 1
	ctRelated     = 1 << 2
	ctNew         = 1 << 3
	ctStatusDNAT  = 1 << 5
)

func rule(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

// interfaceIs matches packets by the name of the interface they came in by
// (expr.MetaKeyIIFNAME) or leave by (expr.MetaKeyOIFNAME).
func interfaceIs(key expr.MetaKey, name string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: interfaceName(name)}}
}

func interfaceIn(key expr.MetaKey, set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}
}

// interfaceName is a name as the kernel compares it.
func interfaceName(name string) []byte {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return padded
}

// tracked matches packets of which connection tracking knows one of these bits.
func tracked(key expr.CtKey, bits byte) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{bits, 0, 0, 0}, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

func answers() []expr.Any { return tracked(expr.CtKeySTATE, ctEstablished|ctRelated) }

const (
	offsetSource      = 12 // in the IPv4 header
	offsetDestination = 16
)

func address(offset uint32, p netip.Prefix) []expr.Any {
	mask := ipNet(p).Mask
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()},
	}
}

func protocol(number byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}},
	}
}

func destinationPort(number uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(number >> 8), byte(number)}},
	}
}

// toHost matches packets to any of the host's own addresses.
func toHost() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.RTN_LOCAL, 0, 0, 0}},
	}
}

// rules adds rules to a chain.
type rules struct {
	conn  *nftables.Conn
	table *nftables.Table
}

// chain makes a base chain.
func (r rules) chain(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority nftables.ChainPriority, policy nftables.ChainPolicy) *nftables.Chain {
	return r.conn.AddChain(&nftables.Chain{
		Name: name, Table: r.table, Type: kind, Hooknum: hook, Priority: &priority, Policy: &policy,
	})
}

func (r rules) add(chain *nftables.Chain, expressions ...[]expr.Any) {
	r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: chain, Exprs: rule(expressions...)})
}

// refuse answers what matches, so that programs need not wait for a timeout.
func (r rules) refuse(chain *nftables.Chain, matches ...[]expr.Any) {
	match := rule(matches...)
	r.add(chain, match, protocol(unix.IPPROTO_TCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	const prohibited = 13 // ICMP: communication administratively prohibited
	r.add(chain, match, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: prohibited}})
}

// routerRules are the firewall inside of the router: environments reach the DNS
// relay and what is behind the uplink; nothing reaches them.
func routerRules(space int) error {
	conn, err := nftables.New(nftables.WithNetNSFd(space))
	if err != nil {
		return err
	}
	r := rules{conn: conn, table: conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "environments"})}
	fromUplink := interfaceIs(expr.MetaKeyIIFNAME, routerUplink)
	toUplink := interfaceIs(expr.MetaKeyOIFNAME, routerUplink)
	accept := verdict(expr.VerdictAccept)
	drop := verdict(expr.VerdictDrop)

	input := r.chain("input", nftables.ChainTypeFilter, nftables.ChainHookInput, *nftables.ChainPriorityFilter, nftables.ChainPolicyDrop)
	r.add(input, fromUplink, drop)
	toGateway := address(offsetDestination, netip.PrefixFrom(gatewayAddress, 32))
	for _, number := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		r.add(input, toGateway, protocol(number), destinationPort(53), accept)
	}
	r.refuse(input)

	forward := r.chain("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, *nftables.ChainPriorityFilter, nftables.ChainPolicyDrop)
	r.add(forward, fromUplink, answers(), accept)
	r.add(forward, fromUplink, drop)
	for _, hidden := range metadata {
		r.refuse(forward, address(offsetDestination, hidden))
	}
	r.add(forward, toUplink, accept)
	r.refuse(forward) // from one environment to another

	nat := r.chain("nat", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource, nftables.ChainPolicyAccept)
	r.add(nat, toUplink, []expr.Any{&expr.Masq{}})
	return errors.Join(conn.Flush(), conn.CloseLasting())
}
