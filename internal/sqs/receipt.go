package sqs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/store"
)

// A receipt handle is a receipt under its queue's secret: version, sequence,
// lease, and the first bytes of an HMAC.
const (
	handleVersion = "\x01\x01\x01"
	handleMAC     = 16
	handleSize    = len(handleVersion) + 8 + 8 + handleMAC
)

func (q *queue) handle(r store.Receipt) string {
	b := make([]byte, 0, handleSize+sha256.Size)
	b = append(b, handleVersion...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Sequence))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Lease))
	mac := hmac.New(sha256.New, q.Secret)
	_, _ = mac.Write(b) // a hash's Write never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(b)[:handleSize])
}

// receipt reads a handle: ReceiptHandleIsInvalid where this queue has not made it.
func (q *queue) receipt(handle string) (store.Receipt, error) {
	b, err := base64.StdEncoding.DecodeString(handle)
	if err == nil && len(b) == handleSize {
		r := store.Receipt{
			Sequence: int64(binary.BigEndian.Uint64(b[len(handleVersion):])),
			Lease:    int64(binary.BigEndian.Uint64(b[len(handleVersion)+8:])),
		}
		if hmac.Equal([]byte(q.handle(r)), []byte(handle)) {
			return r, nil
		}
	}
	return store.Receipt{}, &api.ReceiptHandleIsInvalid{Message: new(fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", handle))}
}
