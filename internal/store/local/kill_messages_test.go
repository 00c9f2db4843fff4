package local

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

const (
	killGroups     = 8
	killVisibility = 50 * time.Millisecond
)

// passMessagesUntilKilled has a producer and a consumer for each group of an
// ordered queue, and two of each of an unordered one. It prints what was
// acknowledged, and before a deletion what will be deleted.
func passMessagesUntilKilled(dir string) {
	s, err := Open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for g := range killGroups {
		wg.Go(func() {
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d-%d-%08d", g, os.Getpid(), i)
				must(sendOne(s, "ordered", true, fmt.Sprint(g), body))
			}
		})
	}
	for g := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				must(sendOne(s, "any", false, "", fmt.Sprintf("any%d-%d-%08d", g, os.Getpid(), i)))
			}
		})
		wg.Go(func() { must(consume(s, "any", false)) })
	}
	for range killGroups / 2 {
		wg.Go(func() { must(consume(s, "ordered", true)) })
	}
	wg.Wait()
}

func sendOne(s *State, queue string, ordered bool, group, body string) error {
	_, err := s.Messages.Send(context.Background(), queue, ordered, []store.NewMessage{{Body: body, Group: group}})
	if err == nil {
		fmt.Println("sent", queue, body)
	}
	return err
}

func consume(s *State, queue string, ordered bool) error {
	ctx := context.Background()
	for {
		got, err := s.Messages.Lease(ctx, store.LeaseRequest{Queue: queue, Ordered: ordered, Max: 2, Visibility: killVisibility, Wait: time.Hour})
		if err != nil {
			return err
		}
		for _, m := range got {
			fmt.Println("deleting", queue, m.Body)
			errs, err := s.Messages.Delete(ctx, queue, ordered, []store.Receipt{m.Receipt})
			if err != nil {
				return err
			}
			if errs[0] == nil {
				fmt.Println("deleted", queue, m.Body)
			}
		}
	}
}

// killed is what a child printed, by body.
type killed struct{ sent, deleting, deleted map[string]bool }

func TestKillMessages(t *testing.T) {
	dir := t.TempDir()
	said := killed{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, lines := range []int{1, 100, 3000, 9000} {
		c := child(t, "messages", dir)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		scanner := bufio.NewScanner(out)
		for ; scanner.Scan(); n++ {
			if n == lines {
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			fields := strings.Fields(scanner.Text())
			if len(fields) != 3 || len(fields[2]) < 8 || fields[2][len(fields[2])-9] != '-' {
				continue // cut off
			}
			map[string]map[string]bool{"sent": said.sent, "deleting": said.deleting, "deleted": said.deleted}[fields[0]][fields[2]] = true
		}
		if err := scanner.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil || n <= lines {
			t.Fatalf("the child ended by itself after %d lines: %v, %s", n, err, stderr.String())
		}
		verifyMessages(t, dir, said)
	}
	t.Logf("%d messages were acknowledged as sent, %d as deleted, before kills", len(said.sent), len(said.deleted))
}

func verifyMessages(t *testing.T, dir string, said killed) {
	t.Helper()
	s := open(t, dir)
	there := map[string]bool{}
	for queue, ordered := range map[string]bool{"ordered": true, "any": false} {
		total, err := s.Messages.Count(t.Context(), queue, 0)
		if err != nil || total.Delayed != 0 {
			t.Fatalf("%s: %+v, %v", queue, total, err)
		}
		last := map[string]string{}
		n := int64(0)
		for {
			// The leases of the child end while this waits.
			got, err := s.Messages.Lease(t.Context(), store.LeaseRequest{
				Queue: queue, Ordered: ordered, Max: store.MaxLease, Visibility: time.Hour, Wait: 2 * killVisibility})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				break
			}
			receipts := make([]store.Receipt, len(got))
			for i, m := range got {
				there[m.Body], receipts[i] = true, m.Receipt
				if before := last[m.Group]; ordered && prefixOf(before) == prefixOf(m.Body) && before >= m.Body {
					t.Errorf("%s comes after %s", m.Body, before)
				}
				last[m.Group] = m.Body
			}
			n += int64(len(got))
			errs, err := s.Messages.Delete(t.Context(), queue, ordered, receipts)
			if err = errors.Join(append(errs, err)...); err != nil {
				t.Fatal(err)
			}
		}
		if n != total.Visible+total.InFlight {
			t.Errorf("%s has %d messages and counted %+v", queue, n, total)
		}
	}
	for body := range said.sent {
		if !there[body] && !said.deleting[body] {
			t.Errorf("%s was acknowledged as sent and is not there", body)
		}
	}
	for body := range said.deleted {
		if there[body] {
			t.Errorf("%s was acknowledged as deleted and is there", body)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for body := range there { // this has deleted them
		said.deleting[body], said.deleted[body] = true, true
	}
}

// prefixOf is the group and the process of a body, within which numbers rise.
func prefixOf(body string) string {
	i := strings.LastIndexByte(body, '-')
	return body[:i+1]
}
