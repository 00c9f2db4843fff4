package local

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paddock-run/paddock/internal/store"
)

// child is a process of this test binary in a mode of TestMain.
func child(t *testing.T, mode, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe)
	c.Env = append(os.Environ(), childMode+"="+mode, "PADDOCK_STORE_TEST_DIR="+dir)
	return c
}

// killContent is a small blob or a large one.
func killContent(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	size := 1000
	if sum[0] < 32 {
		size = 200_000
	}
	return bytes.Repeat(sum[:], size/len(sum))
}

// writeUntilKilled writes with several goroutines and prints what was
// acknowledged, once it was, a line each: what, ID, revision.
func writeUntilKilled(dir string) {
	s, err := Open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				id := fmt.Sprintf("%d-%d", os.Getpid(), next.Add(1))
				if err := writeOne(s, id); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		})
	}
	wg.Wait()
}

func writeOne(s *State, id string) error {
	ctx := context.Background()
	r, err := s.Documents.Write(ctx,
		store.Write{Key: "a/" + id, Value: []byte(id), If: store.Absent},
		store.Write{Key: "b/" + id, Value: []byte(id), If: store.Absent})
	if err != nil {
		return err
	}
	fmt.Println("document", id, r)
	if _, err := s.Blobs.Put(ctx, bytes.NewReader(killContent(id))); err != nil {
		return err
	}
	fmt.Println("blob", id, 0)
	events := []store.LogEvent{{Time: time.UnixMilli(1), Message: id}, {Time: time.UnixMilli(2), Message: id}}
	if err := s.Logs.Append(ctx, "g", id, events); err != nil {
		return err
	}
	fmt.Println("log", id, 0)
	return nil
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string][]string{} // IDs by what
	lastRevision := int64(0)
	// Before the first checkpoint, around it, and after some.
	for _, lines := range []int{1, 300, 3000, 6000} {
		c := child(t, "write", dir)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(out)
		n := 0
		for ; scanner.Scan(); n++ {
			if n == lines {
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			// What is still in the pipe counts: it was acknowledged. A line that
			// the kill cut off was too, but does not say what.
			var what, id string
			var revision int64
			if _, err := fmt.Sscan(scanner.Text(), &what, &id, &revision); err != nil {
				continue
			}
			acknowledged[what] = append(acknowledged[what], id)
			lastRevision = max(lastRevision, revision)
		}
		if err := scanner.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil || n <= lines {
			t.Fatalf("the child ended by itself after %d lines: %v, %s", n, err, stderr.String())
		}
		verifyKilled(t, dir, acknowledged, &lastRevision)
	}
	t.Logf("%d documents, %d blobs, %d log batches were acknowledged before kills",
		len(acknowledged["document"]), len(acknowledged["blob"]), len(acknowledged["log"]))
}

func verifyKilled(t *testing.T, dir string, acknowledged map[string][]string, lastRevision *int64) {
	t.Helper()
	s := open(t, dir)
	ctx := t.Context()
	for _, id := range acknowledged["document"] {
		for _, kind := range []string{"a/", "b/"} {
			if doc, err := s.Documents.Get(ctx, kind+id); err != nil || string(doc.Value) != id {
				t.Errorf("an acknowledged document: %v, %v", doc, err)
			}
		}
	}
	// Nothing is half there, acknowledged or not.
	a, errA := s.Documents.List(ctx, "a/", "", 0)
	b, errB := s.Documents.List(ctx, "b/", "", 0)
	if errA != nil || errB != nil || len(a) != len(b) {
		t.Fatalf("%d and %d documents (%v, %v)", len(a), len(b), errA, errB)
	}
	for i := range a {
		if strings.TrimPrefix(a[i].Key, "a/") != strings.TrimPrefix(b[i].Key, "b/") {
			t.Errorf("%s without %s", a[i].Key, b[i].Key)
		}
	}
	for _, id := range acknowledged["blob"] {
		sum := sha256.Sum256(killContent(id))
		if got, err := readBlob(ctx, s, fmt.Sprintf("%x", sum)); err != nil || sha256.Sum256(got) != sum {
			t.Errorf("an acknowledged blob: %d bytes, %v", len(got), err)
		}
	}
	events, err := s.Logs.Read(ctx, store.LogQuery{Group: "g", Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range events {
		count[e.Stream]++
	}
	for _, id := range acknowledged["log"] {
		if count[id] == 0 {
			t.Errorf("the acknowledged events of %s are not there", id)
		}
	}
	for id, n := range count {
		if n != 2 {
			t.Errorf("%d of the 2 events of %s are there", n, id)
		}
	}
	if r := put(t, s, "after", "x"); r <= *lastRevision {
		t.Errorf("revision %d after %d", r, *lastRevision)
	} else {
		*lastRevision = r
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
