package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A segment is a file of batches. A batch is what one write made durable:
//
//	magic uint32, length uint32, number uint64, checksum uint32, records
//
// little-endian, where the checksum (CRC-32C) is over the number and the
// records. Zeros stand behind the last. Numbers go up by one, over all segments:
// what an interrupted or failed write left behind the last batch is therefore
// never taken for one.
const (
	batchMagic  = 0x6a6b6450 // "Pdkj"
	batchHeader = 20
	suffix      = ".journal"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one file of the journal.
type segment struct {
	number int64
	file   *os.File
	size   int64 // bytes that are durable
	// allocated is how long the file is, at most: zeros follow what is written.
	allocated int64

	// Guarded by the journal's lock:
	live    int   // messages whose payload is here
	until   int64 // when all is over that tells duplicates of what was sent here
	readers int   // of payloads
	gone    bool  // deleted; the last reader closes it
	// rewritten: what was alive in it has been recorded anew.
	rewritten bool
}

func segmentPath(dir string, number int64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", number, suffix))
}

// listSegments returns the numbers of a folder's segments, in order.
func listSegments(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a segment of the journal", e.Name())
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// appendHeader makes room for a batch's header, which sealBatch fills.
func appendHeader(buf []byte) []byte { return append(buf, make([]byte, batchHeader)...) }

// sealBatch completes a batch, which begins with an empty header.
func sealBatch(batch []byte, number uint64) {
	binary.LittleEndian.PutUint32(batch, batchMagic)
	binary.LittleEndian.PutUint32(batch[4:], uint32(len(batch)-batchHeader))
	binary.LittleEndian.PutUint64(batch[8:], number)
	binary.LittleEndian.PutUint32(batch[16:], checksum(batch))
}

func checksum(batch []byte) uint32 {
	return crc32.Update(crc32.Checksum(batch[8:16], castagnoli), castagnoli, batch[batchHeader:])
}

// errTorn says that what follows is not a batch.
var errTorn = errors.New("not a batch")

// readBatch reads the batch at an offset of a file of that size, header
// included, into buf or a larger buffer. io.EOF is the end of the file.
func readBatch(r io.ReaderAt, at, size int64, buf []byte) ([]byte, uint64, error) {
	var header [batchHeader]byte
	switch n, err := r.ReadAt(header[:], at); {
	case n == 0 && errors.Is(err, io.EOF):
		return buf, 0, io.EOF
	case errors.Is(err, io.EOF):
		return buf, 0, errTorn
	case err != nil:
		return buf, 0, err
	}
	length := int(binary.LittleEndian.Uint32(header[4:]))
	if binary.LittleEndian.Uint32(header[:]) != batchMagic || int64(length) > size-at-batchHeader {
		return buf, 0, errTorn
	}
	buf = slices.Grow(buf[:0], batchHeader+length)[:batchHeader+length]
	switch n, err := r.ReadAt(buf, at); {
	case n < len(buf) && errors.Is(err, io.EOF):
		return buf, 0, errTorn
	case err != nil && n < len(buf):
		return buf, 0, err
	}
	if binary.LittleEndian.Uint32(buf[16:]) != checksum(buf) {
		return buf, 0, errTorn
	}
	return buf, binary.LittleEndian.Uint64(buf[8:]), nil
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
