package invoke

import (
	"strings"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/metrics"
)

// figures are what CloudWatch knows of a version's invocations. They are made
// once for each pool: an invocation only adds to them.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
type figures struct {
	recorder                                             metrics.Recorder
	v                                                    *function.Version
	invocations, errors, throttles, duration, concurrent []metrics.Series

	aliases sync.Map // the ARN that names one → *figures
}

func newFigures(recorder metrics.Recorder, v *function.Version) *figures {
	name := metrics.Dimension{Name: "FunctionName", Value: v.Name}
	resource := v.Name
	if v.Version != "$LATEST" {
		resource += ":" + v.Version
	}
	f := &figures{recorder: recorder, v: v}
	f.open(nil, []metrics.Dimension{name}, []metrics.Dimension{name, {Name: "Resource", Value: resource}})
	return f
}

// open makes the series with each of those dimensions.
func (f *figures) open(dimensions ...[]metrics.Dimension) {
	series := func(name, unit string) []metrics.Series {
		out := make([]metrics.Series, len(dimensions))
		for i, d := range dimensions {
			out[i] = f.recorder.Series(lambdaMetric(f.v.Account, f.v.Region, name, unit, d))
		}
		return out
	}
	f.invocations, f.errors, f.throttles = series("Invocations", "Count"), series("Errors", "Count"), series("Throttles", "Count")
	f.duration, f.concurrent = series("Duration", "Milliseconds"), series("ConcurrentExecutions", "Count")
}

func lambdaMetric(account, region, name, unit string, dimensions []metrics.Dimension) metrics.ID {
	return metrics.ID{Account: account, Region: region, Namespace: "AWS/Lambda", Name: name, Unit: unit, Dimensions: dimensions}
}

// alias returns the figures of the alias that an invocation names, nil where it
// names none.
func (f *figures) alias(invokedARN string) *figures {
	if invokedARN == "" || invokedARN == f.v.ARN {
		return nil
	}
	if found, ok := f.aliases.Load(invokedARN); ok {
		return found.(*figures)
	}
	var a *figures
	if _, resource, ok := strings.Cut(invokedARN, ":function:"); ok {
		if _, qualifier, _ := strings.Cut(resource, ":"); qualifier != "" && qualifier != f.v.Version {
			name, alias := metrics.Dimension{Name: "FunctionName", Value: f.v.Name}, metrics.Dimension{Name: "Resource", Value: resource}
			a = &figures{recorder: f.recorder, v: f.v}
			a.open([]metrics.Dimension{name, alias}, []metrics.Dimension{name, alias, {Name: "ExecutedVersion", Value: f.v.Version}})
		}
	}
	found, _ := f.aliases.LoadOrStore(invokedARN, a)
	return found.(*figures)
}

func add(to []metrics.Series, value float64) {
	for _, s := range to {
		s.Add(value)
	}
}

// admitted notes how much of the function's concurrency is in use.
func (f *figures) admitted(running int64) { add(f.concurrent, float64(running)) }

// throttled notes an invocation that no environment was had for.
func (f *figures) throttled(inv *function.Invocation) {
	add(f.throttles, 1)
	if a := f.alias(inv.InvokedARN); a != nil {
		add(a.throttles, 1)
	}
}

// ran notes an invocation that has ended, for good or bad.
func (f *figures) ran(inv *function.Invocation, took time.Duration, failed bool) {
	f.count(took, failed)
	if a := f.alias(inv.InvokedARN); a != nil {
		a.count(took, failed)
	}
}

func (f *figures) count(took time.Duration, failed bool) {
	add(f.invocations, 1)
	bad := 0.0
	if failed {
		bad = 1
	}
	add(f.errors, bad)
	add(f.throttles, 0)
	add(f.duration, float64(took)/float64(time.Millisecond))
}

// eventFigures are what CloudWatch knows of a function's asynchronous invocations.
type eventFigures struct {
	received, age, dropped, deadLetterErrors, deliveryFailures metrics.Series
}

// eventFigures returns those of a function.
func (i *Invoker) eventFigures(id function.ID) *eventFigures {
	if found, ok := i.eventSeries.Load(id); ok {
		return found.(*eventFigures)
	}
	series := func(name, unit string) metrics.Series {
		return i.opts.Metrics.Series(lambdaMetric(id.Account, id.Region, name, unit, []metrics.Dimension{{Name: "FunctionName", Value: id.Name}}))
	}
	f := &eventFigures{
		received: series("AsyncEventsReceived", "Count"), age: series("AsyncEventAge", "Milliseconds"),
		dropped: series("AsyncEventsDropped", "Count"), deadLetterErrors: series("DeadLetterErrors", "Count"),
		deliveryFailures: series("DestinationDeliveryFailures", "Count"),
	}
	found, _ := i.eventSeries.LoadOrStore(id, f)
	return found.(*eventFigures)
}
