package eventsource_test

import (
	"testing"

	"github.com/paddock-run/paddock/internal/eventsource"
)

// The answers are those of AWS's page, and those that its service was seen to
// take either way.
func TestFailedIDs(t *testing.T) {
	known := func(id string) bool { return id == "a" || id == "b" }
	for _, answer := range []string{
		``, ` `, `null`, `""`, `[]`, `{}`, `{"batchItemFailures": []}`, `{"batchItemFailures": null}`, `{"statusCode": 200}`,
	} {
		if failed, err := eventsource.FailedIDs([]byte(answer), known); err != nil || len(failed) != 0 {
			t.Errorf("%q: %v, %v: the batch succeeded", answer, failed, err)
		}
	}
	for _, answer := range []string{
		`{`, `"done"`, `1`, `true`, `["a"]`,
		`{"batchItemFailures": "a"}`, `{"batchItemFailures": {}}`, `{"batchItemFailures": ["a"]}`, `{"batchItemFailures": [null]}`,
		`{"batchItemFailures": [{}]}`, `{"batchItemFailures": [{"itemIdentifier": ""}]}`, `{"batchItemFailures": [{"itemIdentifier": null}]}`,
		`{"batchItemFailures": [{"foo": "a"}]}`, `{"batchItemFailures": [{"foo": null}]}`, `{"batchItemFailures": [{"ItemIdentifier": "a"}]}`,
		`{"batchItemFailures": [{"itemIdentifier": "c"}]}`, `{"batchItemFailures": [{"itemIdentifier": 1}]}`,
		`{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": ""}]}`,
	} {
		if failed, err := eventsource.FailedIDs([]byte(answer), known); err == nil {
			t.Errorf("%q: %v: the whole batch failed", answer, failed)
		}
	}
	failed, err := eventsource.FailedIDs([]byte(` {"batchItemFailures": [{"itemIdentifier": "b", "more": 1}, {"itemIdentifier": "b"}], "more": 1}`), known)
	if err != nil || len(failed) != 1 || !failed["b"] {
		t.Errorf("failed %v, %v", failed, err)
	}
}
