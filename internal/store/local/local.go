// Package local is the state of one machine in one data folder:
//
//	DIR/lock         held while a process has the folder open; its PID inside
//	DIR/state.db     documents and small blobs (SQLite)
//	DIR/logs.db      log events and metrics (SQLite)
//	DIR/messages/    queues (a journal)
//	DIR/blobs/       large blobs
//
// Documents and small blobs are in one database so that creating a function
// shares commits with others; log events, of which there are many more and
// which nobody waits for, have their own, so that no batch of them stands
// before a write of a document. Messages, of which each is written several times,
// have a journal. See docs/decisions/0001-sqlite-and-files.md.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/paddock-run/paddock/internal/store"
	"github.com/paddock-run/paddock/internal/store/blobfile"
	"github.com/paddock-run/paddock/internal/store/journal"
	"github.com/paddock-run/paddock/internal/store/sqlite"
)

// State is the state in a data folder. Its methods and those of its shapes are
// safe for concurrent use.
type State struct {
	Documents store.Documents
	Blobs     store.Blobs
	Logs      store.Logs
	Messages  store.Messages
	Series    store.Series

	lock        *lock
	state, logs *sqlite.DB
	messages    *journal.Journal
	// In the order of Reset.
	resets []func(context.Context) error

	close    sync.Once
	closeErr error
}

// Open opens the state in a folder, which it makes where there is none. A folder
// that is new or empty gets permissions 0700: values hold functions'
// environments. Where another process has it open, the error is a *LockedError.
func Open(dir string) (_ *State, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &State{}
	if s.lock, err = acquire(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()

	// All at once: each waits for the disk a few times.
	var logs *sqlite.Logs
	var series *sqlite.Series
	var logsErr, seriesErr, messagesErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		s.messages, messagesErr = journal.Open(filepath.Join(dir, "messages"), journal.Options{})
	})
	wg.Go(func() {
		if s.logs, logsErr = sqlite.Open(filepath.Join(dir, "logs.db")); logsErr == nil {
			logs, logsErr = sqlite.NewLogs(s.logs)
			series, seriesErr = sqlite.NewSeries(s.logs)
		}
	})
	documents, blobs, err := s.openState(dir)
	wg.Wait()
	if err := errors.Join(err, logsErr, seriesErr, messagesErr); err != nil {
		return nil, err
	}
	s.Documents, s.Blobs, s.Logs, s.Messages = documents, blobs, logs, s.messages
	s.Series = series
	s.resets = []func(context.Context) error{documents.Reset, s.messages.Reset, logs.Reset, series.Reset}
	return s, nil
}

// makeFolder makes a folder that is for its owner only. One that somebody made
// for the purpose, which is empty yet, becomes that too: besides the state, which
// has permissions of its own, it gets functions' code.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		return nil // not ours to change; what it lacks shows next
	}
	if err := os.Chmod(dir, 0o700); err != nil && !errors.Is(err, fs.ErrPermission) { // another user's, with room for us
		return err
	}
	return nil
}

func (s *State) openState(dir string) (_ *sqlite.Documents, _ *blobfile.Blobs, err error) {
	if s.state, err = sqlite.Open(filepath.Join(dir, "state.db")); err != nil {
		return nil, nil, err
	}
	documents, err := sqlite.NewDocuments(s.state)
	if err != nil {
		return nil, nil, err
	}
	contents, err := sqlite.NewContents(s.state)
	if err != nil {
		return nil, nil, err
	}
	blobs, err := blobfile.Open(filepath.Join(dir, "blobs"), contents)
	if err != nil {
		return nil, nil, err
	}
	return documents, blobs, nil
}

// Reset deletes every document, message, log event and metric, in this order, while the state
// stays open. Watches see the documents' deletions; revisions and log event IDs
// go on rising. What others write meanwhile may stay. After an error some of it
// may be left: it can be called again.
//
// Blobs are not touched: whoever keeps them there deletes what no document
// refers to any more. Here nobody knows which of them a document needs that is
// being written at this moment.
func (s *State) Reset(ctx context.Context) error {
	for _, reset := range s.resets {
		if err := reset(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close waits for the writes under way, ends watches with store.ErrClosed,
// closes everything and gives the folder free. A second call does nothing.
func (s *State) Close() error {
	s.close.Do(func() {
		var errs []error
		if s.messages != nil {
			errs = append(errs, s.messages.Close())
		}
		for _, db := range []*sqlite.DB{s.state, s.logs} {
			if db != nil {
				errs = append(errs, db.Close())
			}
		}
		errs = append(errs, s.lock.release())
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}
