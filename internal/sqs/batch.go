package sqs

import (
	"errors"
	"fmt"
	"regexp"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// maxBatch is how many entries a batch may have.
const maxBatch = 10

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch checks what concerns a batch as a whole.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
func checkBatch[E any](what string, entries []E, id func(E) *string) error {
	if len(entries) == 0 {
		return &api.EmptyBatchRequest{Message: new("There should be at least one " + what + " in the request.")}
	}
	if n := len(entries); n > maxBatch {
		return &api.TooManyEntriesInBatchRequest{Message: new(fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", maxBatch, n))}
	}
	seen := map[string]bool{}
	for _, e := range entries {
		name := *id(e)
		if !batchID.MatchString(name) {
			return &api.InvalidBatchEntryId{Message: new("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")}
		}
		if seen[name] {
			return &api.BatchEntryIdsNotDistinct{Message: new("Id " + name + " repeated.")}
		}
		seen[name] = true
	}
	return nil
}

// wholeBatch is the error of a batch for one of its entries: SQS says
// InvalidParameterValue there where it says MissingParameter of a single message.
func wholeBatch(err error) error {
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return invalid("%s", e.Message)
	}
	return err
}

// failedEntry is the answer about an entry that has an error, or that error
// where it is no answer: a fault.
func failedEntry(id *string, err error) (*api.BatchResultErrorEntry, error) {
	entry := &api.BatchResultErrorEntry{Id: id, SenderFault: new(true)}
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		entry.Code, entry.Message = &e.Code, &e.Message
		return entry, nil
	}
	modeled, ok := errors.AsType[schema.ModeledError](err)
	if !ok {
		return nil, err
	}
	shape := api.Service.Shape(modeled.ErrorShape())
	entry.Code = &shape.Name
	if shape.Error != nil && shape.Error.Code != "" {
		entry.Code = &shape.Error.Code
	}
	if m, ok := modeled.(interface{ ErrorMessage() string }); ok {
		entry.Message = new(m.ErrorMessage())
	}
	return entry, nil
}
