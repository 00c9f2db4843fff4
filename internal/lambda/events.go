package lambda

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/store"
)

// eventsItem is the key of a qualifier's settings.
func eventsItem(qualifier string) string {
	if qualifier == "" {
		return latest
	}
	return qualifier
}

func (e *eventsDoc) configuration(r ref, qualifier string) *api.FunctionEventInvokeConfig {
	out := &api.FunctionEventInvokeConfig{
		LastModified: new(e.LastModified), FunctionArn: new(qualify(r.arn(), qualifier)),
		MaximumRetryAttempts: e.Retries, MaximumEventAgeInSeconds: e.MaxAge,
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{}, OnFailure: &api.OnFailure{}},
	}
	if e.OnSuccess != "" {
		out.DestinationConfig.OnSuccess.Destination = new(e.OnSuccess)
	}
	if e.OnFailure != "" {
		out.DestinationConfig.OnFailure.Destination = new(e.OnFailure)
	}
	return out
}

// eventPolicy is how an event for r is retried: what is set for the very
// qualifier that it names. nil: nothing is.
func (s *Service) eventPolicy(ctx context.Context, r ref) (*function.EventPolicy, error) {
	snap, err := s.find(ctx, r)
	if err != nil || snap == nil {
		return nil, err
	}
	set := snap.events[eventsItem(r.qualifier)]
	if set == nil {
		return nil, nil
	}
	p := function.DefaultEventPolicy
	if set.doc.Retries != nil {
		p.Retries = int(*set.doc.Retries)
	}
	if set.doc.MaxAge != nil {
		p.MaxAge = time.Duration(*set.doc.MaxAge) * time.Second
	}
	p.OnSuccess, p.OnFailure = set.doc.OnSuccess, set.doc.OnFailure
	return &p, nil
}

// Deliver hands the record of an asynchronous invocation to its destination: a
// function, which is invoked asynchronously by it.
func (s *Service) Deliver(ctx context.Context, destination string, record []byte) error {
	if len(record) > maxEventPayload {
		return errors.New("the record is larger than an event may be")
	}
	r, err := parseName(destination)
	if err != nil {
		return err
	}
	fn, invoked, err := s.resolve(ctx, r)
	if err != nil {
		return err
	}
	inv := &function.Invocation{Version: fn, RequestID: newRevisionID(), InvokedARN: invoked, Payload: record}
	if inv.Event, err = s.eventPolicy(ctx, r); err != nil {
		return err
	}
	return s.opts.Invoker.InvokeEvent(ctx, inv)
}

// setEvents writes the settings that are present into e.
func (s *Service) setEvents(ctx context.Context, r ref, e *eventsDoc, retries, maxAge *int32, to *api.DestinationConfig) error {
	if retries != nil {
		e.Retries = retries
	}
	if maxAge != nil {
		e.MaxAge = maxAge
	}
	if to == nil {
		return nil
	}
	e.OnSuccess, e.OnFailure = deref(deref(to.OnSuccess).Destination), deref(deref(to.OnFailure).Destination)
	for _, destination := range []string{e.OnSuccess, e.OnFailure} {
		if destination == "" {
			continue
		}
		if err := s.checkDestination(ctx, r, destination, e); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkDestination(ctx context.Context, r ref, destination string, e *eventsDoc) error {
	named, err := arn.Parse(destination)
	if err != nil {
		return invalidDestinations(e)
	}
	switch named.Service {
	case "lambda":
	case "sqs":
		if !s.isQueue(named) {
			return invalidParameter("The destination ARN %s is invalid.", destination)
		}
		return nil
	case "sns", "events", "s3":
		return unsupported("the destination " + destination)
	default:
		return invalidDestinations(e)
	}
	to, err := parseName(destination)
	if err != nil || to.region == "" || to.account == "" {
		return invalidDestinations(e)
	}
	if to.region != r.region || to.account != r.account {
		return unsupported("the destination " + destination + " of another account or region")
	}
	if to.name == r.name {
		return invalidParameter("You can't specify the function as a destination for itself.")
	}
	snap, err := s.find(ctx, to)
	if err != nil {
		return err
	}
	if snap == nil || snap.resolve(to.qualifier) == nil {
		return invalidParameter("The destination ARN %s is invalid.", destination)
	}
	return nil
}

// isQueue says whether events can go to a queue: it is there, and a standard one.
func (s *Service) isQueue(queue arn.ARN) bool {
	if s.opts.Sources == nil || strings.HasSuffix(queue.Resource, ".fifo") {
		return false
	}
	_, ok := s.opts.Sources.QueueVisibility(queue.String())
	return ok
}

// checkDeadLetter checks who is to get the events that a function's
// asynchronous invocations give up.
func (s *Service) checkDeadLetter(c *api.DeadLetterConfig) error {
	if c == nil || deref(c.TargetArn) == "" {
		return nil
	}
	target, err := arn.Parse(*c.TargetArn)
	switch {
	case err != nil:
		return invalidParameter("Invalid dead letter ARN: %s", *c.TargetArn)
	case target.Service == "sns":
		return unsupported("the dead-letter target " + *c.TargetArn)
	case target.Service != "sqs":
		return invalidParameter("Invalid dead letter ARN: %s is neither a standard SQS queue nor a standard SNS topic.", *c.TargetArn)
	case strings.HasSuffix(target.Resource, ".fifo"):
		return invalidParameter("Invalid dead letter ARN: %s is a FIFO queue.", *c.TargetArn)
	case !s.isQueue(target):
		return invalidParameter("The provided dead letter target %s does not exist.", *c.TargetArn)
	}
	return nil
}

func invalidDestinations(e *eventsDoc) error {
	show := func(name, arn string) string {
		if arn == "" {
			return "null"
		}
		return name + "(destination=" + arn + ")"
	}
	return invalidParameter("The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.",
		show("OnSuccess", e.OnSuccess), show("OnFailure", e.OnFailure))
}

func noEvents(r ref) error {
	return notFound("The function %s doesn't have an EventInvokeConfig", qualify(r.arn(), eventsItem(r.qualifier)))
}

// changeEvents writes a qualifier's settings as change makes them out of those
// before (nil: there are none).
func (s *Service) changeEvents(ctx context.Context, action string, name, qualifier *string, change func(ref, *kept[eventsDoc]) (*eventsDoc, error)) (*api.FunctionEventInvokeConfig, error) {
	r, err := locate(ctx, action, name, qualifier)
	if err != nil {
		return nil, err
	}
	var next *eventsDoc
	k := r.key(kindEvents, eventsItem(r.qualifier))
	err = s.retry(ctx, r.key(kindFunction, ""), func() error {
		snap, err := s.find(ctx, r)
		if err != nil {
			return err
		}
		if snap == nil || snap.resolve(r.qualifier) == nil {
			return notFound("The function doesn't exist.")
		}
		before := snap.events[k.item]
		if next, err = change(r, before); err != nil {
			return err
		}
		next.LastModified = s.opts.Now()
		cond := store.Absent
		if before != nil {
			cond = store.AtRevision(before.revision)
		}
		err = s.writeWith(ctx, r, snap, put(k, next, cond))
		if changedMeanwhile(err) {
			if rerr := s.refresh(ctx, k); rerr != nil {
				return rerr
			}
		}
		return err
	})
	if changedMeanwhile(err) {
		return nil, updateInProgress(r.arn())
	}
	if err != nil {
		return nil, err
	}
	return next.configuration(r, k.item), nil
}
