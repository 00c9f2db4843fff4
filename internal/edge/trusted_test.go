package edge_test

import (
	"net/http"
	"testing"

	"github.com/paddock-run/paddock/internal/edge"
	"github.com/paddock-run/paddock/internal/identity"
)

// What Paddock itself sends needs no signature, finds its service by its host, and
// is on behalf of whom it says; what looks the same from outside is refused.
func TestRequestsOfPaddocksOwn(t *testing.T) {
	h := enforcing(t)
	id := &identity.Identity{Account: "111122223333", Region: "eu-west-1", Partition: "aws", RequestID: "r1", BaseURL: "http://localhost:4566"}
	outside := func() *http.Request {
		return req("POST", "http://sqs.eu-west-1.amazonaws.com/111122223333/q", "Action=SendMessage&MessageBody=x", "Content-Type", "application/x-www-form-urlencoded", "Origin", "http://evil.example")
	}
	r := outside()
	h.do(r.WithContext(edge.WithIdentity(r.Context(), id)))
	if h.got == nil || h.got.target != "sqs" || h.got.id.Account != "111122223333" || h.got.id.Region != "eu-west-1" || h.got.id.RequestID != "r1" ||
		h.got.query != "QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F111122223333%2Fq" {
		t.Errorf("got %+v", h.got)
	}
	if w := h.do(outside()); h.got != nil || w.Code != http.StatusForbidden {
		t.Errorf("from outside: %d, %+v", w.Code, h.got)
	}
}
