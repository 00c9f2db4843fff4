package app

import (
	"context"
	"fmt"
	"strconv"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/invoke"
	"github.com/paddock-run/paddock/internal/sqs"
)

// deliver takes the record of an asynchronous invocation to its destination.
func (d *daemon) deliver(ctx context.Context, destination string, record []byte) error {
	to, err := arn.Parse(destination)
	if err != nil {
		return err
	}
	switch to.Service {
	case "lambda":
		return d.lambda.Deliver(ctx, destination, record)
	case "sqs":
		return d.sqs.Consumer().Deliver(ctx, destination, string(record))
	}
	return fmt.Errorf("%s is neither a function nor a queue", destination)
}

// deadLetter takes an event that is given up to its function's dead-letter queue.
func (d *daemon) deadLetter(ctx context.Context, target string, letter invoke.DeadLetter) error {
	return d.sqs.Consumer().DeliverWith(ctx, target, letter.Body, map[string]sqs.Attribute{
		"RequestID":    {DataType: "String", Value: letter.RequestID},
		"ErrorCode":    {DataType: "Number", Value: strconv.Itoa(letter.ErrorCode)},
		"ErrorMessage": {DataType: "String", Value: letter.Message},
	})
}
