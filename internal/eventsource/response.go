package eventsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// BatchItemFailures reads the answer of a function that reports the records that
// failed: the itemIdentifier of each, as it stands in the JSON. None and no
// error: the whole batch succeeded, which an empty or null answer says too. An
// error: the whole batch counts as failed. Whether an identifier is one of the
// batch's is for the caller to check; if not, all of it failed.
//
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
func BatchItemFailures(payload []byte) ([]json.RawMessage, error) {
	payload = bytes.TrimSpace(payload)
	switch string(payload) {
	case "", "null", `""`, "[]":
		return nil, nil
	}
	// Keys are taken as they are written: encoding/json would fold their case.
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(payload, &answer); err != nil {
		return nil, fmt.Errorf("the function's answer is no JSON object: %w", err)
	}
	list, ok := answer["batchItemFailures"]
	if !ok {
		return nil, nil
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, fmt.Errorf("batchItemFailures is no list of objects: %w", err)
	}
	out := make([]json.RawMessage, len(items))
	for i, item := range items {
		id, ok := item["itemIdentifier"]
		switch {
		case !ok:
			return nil, fmt.Errorf("entry %d of batchItemFailures has no itemIdentifier", i)
		case string(id) == "null" || string(id) == `""`:
			return nil, fmt.Errorf("the itemIdentifier of entry %d of batchItemFailures is empty", i)
		}
		out[i] = id
	}
	return out, nil
}

// errUnknownItem is for an itemIdentifier that is none of the batch's.
var errUnknownItem = errors.New("itemIdentifier is none of the batch's")

// FailedIDs is BatchItemFailures for sources whose records are told apart by a
// string. An identifier that known does not know is an error.
func FailedIDs(payload []byte, known func(id string) bool) (map[string]bool, error) {
	items, err := BatchItemFailures(payload)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	failed := make(map[string]bool, len(items))
	for _, item := range items {
		var id string
		if err := json.Unmarshal(item, &id); err != nil {
			return nil, fmt.Errorf("the itemIdentifier %s is no string: %w", item, err)
		}
		if !known(id) {
			return nil, fmt.Errorf("%w: %q", errUnknownItem, id)
		}
		failed[id] = true
	}
	return failed, nil
}
