package archive

import (
	"context"
	"io"
)

// Len is the number of files, links and folders that Unpack makes.
func (a *Archive) Len() int { return len(a.entries) }

// Verify reads every entry and checks its size and checksum, as Unpack does,
// without writing anything. Its errors are those of Unpack.
func (a *Archive) Verify(ctx context.Context) error {
	u := &unpacker{ctx: ctx, in: a.in}
	for _, name := range a.order {
		e := a.entries[name]
		if e.file == nil || e.mode.IsDir() {
			continue
		}
		in, err := e.file.Open()
		if err != nil {
			return a.in.or(&Error{Kind: Corrupt, Entry: e.path, Detail: "cannot be read", Err: err})
		}
		err = u.copy(io.Discard, in, e)
		if cerr := in.Close(); err == nil && cerr != nil {
			err = a.in.or(&Error{Kind: Corrupt, Entry: e.path, Detail: "cannot be read", Err: cerr})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
