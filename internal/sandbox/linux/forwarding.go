//go:build linux && (amd64 || arm64)

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// forwarding keeps the kernel routing between the uplink and the interfaces that
// lead to other machines, also those that come later (a laptop's next network).
// Where the host routes anyway it changes nothing; else it switches forwarding on
// for these interfaces alone, and the firewall refuses what is not ours. The
// kernel decides by the interface a packet comes in by, so that answers need it
// on the one to the outside.
type forwarding struct {
	firewall *firewall
	taken    []string // what other drivers have switched, dead ones included
	done     chan struct{}
	ended    chan struct{}

	mu       sync.Mutex
	switched []string
}

// newForwarding returns when the interfaces that lead to other machines now
// forward.
func newForwarding(f *firewall, taken []string) (*forwarding, error) {
	w := &forwarding{firewall: f, taken: taken, done: make(chan struct{}), ended: make(chan struct{})}
	if err := setNet("ipv4/conf/"+f.uplink+"/forwarding", "1"); err != nil {
		return nil, fmt.Errorf("switch on forwarding for %s: %w", f.uplink, err)
	}
	updates := make(chan netlink.RouteUpdate, 64)
	stop := make(chan struct{})
	err := netlink.RouteSubscribeWithOptions(updates, stop, netlink.RouteSubscribeOptions{
		ErrorCallback: func(err error) {
			select {
			case <-w.done: // the end of the subscription
			default:
				slog.Warn("the host's routes cannot be watched: functions may lose their network when these change", "error", err)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch the host's routes: %w", err)
	}
	go w.watch(updates, stop)
	if err := w.switchAll(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *forwarding) watch(updates <-chan netlink.RouteUpdate, stop chan struct{}) {
	defer close(w.ended)
	defer func() {
		close(stop)
		for range updates { // until the subscription has ended
		}
	}()
	for {
		select {
		case <-w.done:
			return
		case update, ok := <-updates:
			if !ok {
				return
			}
			if update.Type != unix.RTM_NEWROUTE || update.Family != unix.AF_INET || update.Table != unix.RT_TABLE_MAIN {
				continue
			}
			if err := w.switchAll(); err != nil {
				slog.Warn("functions may not reach a network that the host has just got", "error", err)
			}
		}
	}
}

// switchAll switches forwarding on where it is needed.
func (w *forwarding) switchAll() error {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list the host's routes: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[int]bool{}
	for _, route := range routes {
		indices := []int{route.LinkIndex}
		for _, hop := range route.MultiPath {
			indices = append(indices, hop.LinkIndex)
		}
		for _, index := range indices {
			if index == 0 || seen[index] {
				continue
			}
			seen[index] = true
			link, err := netlink.LinkByIndex(index)
			if errors.As(err, &netlink.LinkNotFoundError{}) {
				continue // it has just gone
			}
			if err != nil {
				return fmt.Errorf("look at the host's interfaces: %w", err)
			}
			if err := w.switchOn(link.Attrs().Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *forwarding) switchOn(name string) error {
	if name == "lo" || strings.HasPrefix(name, "pdk-") || slices.Contains(w.switched, name) {
		return nil
	}
	setting := "ipv4/conf/" + name + "/forwarding"
	now, err := os.ReadFile("/proc/sys/net/" + setting)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has just gone
	}
	if err != nil {
		return err
	}
	on := strings.TrimSpace(string(now)) == "1"
	if on && !slices.Contains(w.taken, name) {
		return nil // by somebody who wants the host to route
	}
	// In this order: what is in the set is guarded, and found after a kill -9.
	if err := w.firewall.remember(name); err != nil {
		return fmt.Errorf("guard the interface %s: %w", name, err)
	}
	w.switched = append(w.switched, name)
	if on {
		return nil
	}
	if err := setNet(setting, "1"); err != nil {
		return fmt.Errorf("switch on forwarding for %s: %w", name, err)
	}
	return nil
}

// names lists the interfaces that were switched on.
func (w *forwarding) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.switched)
}

// reachable reports whether the host has a route to an address.
func (*forwarding) reachable(address netip.Addr) bool {
	routes, err := netlink.RouteGet(address.AsSlice())
	return err == nil && len(routes) > 0
}

// close stops watching. It switches off what was switched on, unless another
// driver needs it or the host has been made a router by somebody meanwhile.
func (w *forwarding) close() error {
	close(w.done)
	<-w.ended
	others, err := w.firewall.others()
	if others || err != nil {
		return err
	}
	all, err := os.ReadFile("/proc/sys/net/ipv4/conf/all/forwarding")
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(all)) == "1" {
		return nil
	}
	var errs []error
	for _, name := range w.switched {
		if err := setNet("ipv4/conf/"+name+"/forwarding", "0"); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
