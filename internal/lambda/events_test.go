package lambda

import (
	"errors"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
)

// event invokes a function asynchronously and returns how it is to be retried.
func (w *world) event(name string) *function.EventPolicy {
	w.t.Helper()
	if _, err := w.Invoke(ctx(), &api.InvocationRequest{FunctionName: new(name), InvocationType: new(api.InvocationTypeEvent)}); err != nil {
		w.t.Fatal(err)
	}
	return w.invoker.last().Event
}

func to(success, failure string) *api.DestinationConfig {
	return &api.DestinationConfig{OnSuccess: &api.OnSuccess{Destination: new(success)}, OnFailure: &api.OnFailure{Destination: new(failure)}}
}

func TestEventInvokeConfig(t *testing.T) {
	w := newWorld(t)
	w.versions("f", 1)
	w.create("after")
	if err := w.alias("f", "live", "1", nil); err != nil {
		t.Fatal(err)
	}
	if got := w.event("f"); got != nil {
		t.Errorf("%+v", got)
	}
	out, err := w.PutFunctionEventInvokeConfig(ctx(), &api.PutFunctionEventInvokeConfigRequest{
		FunctionName: new("f"), MaximumRetryAttempts: new(int32(0)), DestinationConfig: to(arnBase+"after", ""),
	})
	const first = `{"DestinationConfig":{"OnFailure":{},"OnSuccess":{"Destination":"` + arnBase + `after"}},"FunctionArn":"` + arnBase + `f:$LATEST","LastModified":"2026-11-22T16:38:45.123Z","MaximumRetryAttempts":0}`
	if err != nil || asJSON(t, out) != first {
		t.Errorf("%s %v", asJSON(t, out), err)
	}
	if out, err = w.GetFunctionEventInvokeConfig(ctx(), &api.GetFunctionEventInvokeConfigRequest{FunctionName: new("f:$LATEST")}); err != nil || asJSON(t, out) != first {
		t.Errorf("%s %v", asJSON(t, out), err)
	}
	if got := w.event("f"); got == nil || *got != (function.EventPolicy{MaxAge: 6 * time.Hour, OnSuccess: arnBase + "after"}) {
		t.Errorf("%+v", got)
	}
	// It is of the very qualifier.
	if got := w.event("f:live"); got != nil {
		t.Errorf("%+v", got)
	}
	update := func(in *api.UpdateFunctionEventInvokeConfigRequest) error {
		_, err := w.UpdateFunctionEventInvokeConfig(ctx(), in)
		return err
	}
	const none = "ResourceNotFoundException: The function " + arnBase + "f:live doesn't have an EventInvokeConfig"
	wantErr(t, update(&api.UpdateFunctionEventInvokeConfigRequest{FunctionName: new("f"), Qualifier: new("live"), MaximumRetryAttempts: new(int32(1))}), none)
	wantErr(t, update(&api.UpdateFunctionEventInvokeConfigRequest{FunctionName: new("f"), MaximumEventAgeInSeconds: new(int32(60))}), "")
	w.restart()
	if got := w.event("f"); got == nil || *got != (function.EventPolicy{MaxAge: time.Minute, OnSuccess: arnBase + "after"}) {
		t.Errorf("%+v", got)
	}
	// Put again replaces all.
	for _, name := range []string{"f", "f:live", "f:1"} {
		if _, err := w.PutFunctionEventInvokeConfig(ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: new(name), MaximumRetryAttempts: new(int32(1))}); err != nil {
			t.Error(err)
		}
		if got := w.event(name); got == nil || *got != (function.EventPolicy{Retries: 1, MaxAge: 6 * time.Hour}) {
			t.Errorf("%+v", got)
		}
	}
	var listed []string
	for marker := (*string)(nil); ; {
		list, err := w.ListFunctionEventInvokeConfigs(ctx(), &api.ListFunctionEventInvokeConfigsRequest{FunctionName: new("f"), MaxItems: new(int32(2)), Marker: marker})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list.FunctionEventInvokeConfigs {
			listed = append(listed, *c.FunctionArn)
		}
		if marker = list.NextMarker; marker == nil {
			break
		}
	}
	if len(listed) != 3 || listed[0] != arnBase+"f:$LATEST" || listed[1] != arnBase+"f:1" || listed[2] != arnBase+"f:live" {
		t.Error(listed)
	}
	// It goes with what it is of.
	if _, err := w.DeleteAlias(ctx(), &api.DeleteAliasRequest{FunctionName: new("f"), Name: new("live")}); err != nil {
		t.Error(err)
	}
	_, err = w.GetFunctionEventInvokeConfig(ctx(), &api.GetFunctionEventInvokeConfigRequest{FunctionName: new("f:live")})
	wantErr(t, err, none)
	if _, err := w.DeleteFunctionEventInvokeConfig(ctx(), &api.DeleteFunctionEventInvokeConfigRequest{FunctionName: new("f")}); err != nil {
		t.Error(err)
	}
	_, err = w.DeleteFunctionEventInvokeConfig(ctx(), &api.DeleteFunctionEventInvokeConfigRequest{FunctionName: new("f")})
	wantErr(t, err, "ResourceNotFoundException: The function "+arnBase+"f:$LATEST doesn't have an EventInvokeConfig")
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f:1")}); err != nil {
		t.Error(err)
	}
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")}); err != nil {
		t.Error(err)
	}
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("after")}); err != nil {
		t.Error(err)
	}
	if n := w.docCount(); n != 0 {
		t.Errorf("%d documents are left", n)
	}
}

func TestEventInvokeConfigRefuses(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	put := func(name string, to *api.DestinationConfig) error {
		_, err := w.PutFunctionEventInvokeConfig(ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: new(name), DestinationConfig: to})
		return err
	}
	const nothing = "InvalidParameterValueException: You must specify at least one of error handling or destination setting."
	wantErr(t, put("f", nil), nothing)
	_, err := w.UpdateFunctionEventInvokeConfig(ctx(), &api.UpdateFunctionEventInvokeConfigRequest{FunctionName: new("f")})
	wantErr(t, err, nothing)
	wantErr(t, put("g", to("", "")), "ResourceNotFoundException: The function doesn't exist.")
	wantErr(t, put("f:1", to("", "")), "ResourceNotFoundException: The function doesn't exist.")
	_, err = w.ListFunctionEventInvokeConfigs(ctx(), &api.ListFunctionEventInvokeConfigsRequest{FunctionName: new("g")})
	wantErr(t, err, "ResourceNotFoundException: The function doesn't exist.")
	for destination, want := range map[string]string{
		arnBase + "f":                                      "InvalidParameterValueException: You can't specify the function as a destination for itself.",
		arnBase + "missing":                                "InvalidParameterValueException: The destination ARN " + arnBase + "missing is invalid.",
		"arn:aws:sns:us-east-1:111111111111:t":             "InvalidParameterValueException: Paddock does not support the destination…",
		"arn:aws:sqs:us-east-1:111111111111:missing":       "InvalidParameterValueException: The destination ARN arn:aws:sqs:us-east-1:111111111111:missing is invalid.",
		queueARN + ".fifo":                                 "InvalidParameterValueException: The destination ARN " + queueARN + ".fifo is invalid.",
		"arn:aws:lambda:eu-west-1:111111111111:function:x": "InvalidParameterValueException: Paddock does not support the destination…",
		"arn:aws:iam::111111111111:role/r":                 "InvalidParameterValueException: The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=arn:aws:iam::111111111111:role/r)) is invalid.",
		"kafka://topic":                                    "InvalidParameterValueException: The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=kafka://topic)) is invalid.",
	} {
		wantErr(t, put("f", to("", destination)), want)
	}
	if got := w.event("f"); got != nil {
		t.Errorf("a refused setting is in force: %+v", got)
	}
}

// A record is an event of its destination, with that one's own settings.
func TestDeliver(t *testing.T) {
	w := newWorld(t)
	w.versions("after", 1)
	if _, err := w.PutFunctionEventInvokeConfig(ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: new("after:1"), MaximumRetryAttempts: new(int32(1))}); err != nil {
		t.Fatal(err)
	}
	if err := w.Deliver(t.Context(), arnBase+"after:1", []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	inv := w.invoker.last()
	if inv.Version.Version != "1" || inv.InvokedARN != arnBase+"after:1" || string(inv.Payload) != `{"a":1}` || inv.Event.Retries != 1 || len(inv.RequestID) != 36 {
		t.Errorf("%+v", inv)
	}
	wantErr(t, w.Deliver(t.Context(), arnBase+"missing", []byte("1")), "ResourceNotFoundException: Function not found: "+arnBase+"missing:$LATEST")
	if err := w.Deliver(t.Context(), arnBase+"after", make([]byte, maxEventPayload+1)); err == nil {
		t.Error("a record that is too large")
	}
}

// An event that waits runs the code that its function has by then.
func TestEventOutlivesItsCode(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.publish("f")
	if _, err := w.CreateAlias(ctx(), &api.CreateAliasRequest{FunctionName: new("f"), Name: new("a"), FunctionVersion: new("1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Invoke(ctx(), &api.InvocationRequest{FunctionName: new("f:a"), InvocationType: new(api.InvocationTypeEvent)}); err != nil {
		t.Fatal(err)
	}
	byAlias := w.invoker.last()
	if err := w.Deliver(t.Context(), arnBase+"f", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	byName := w.invoker.last()
	if v, err := w.Current(t.Context(), byName.InvokedARN); err != nil || v != byName.Version {
		t.Errorf("nothing has changed: %+v, %v", v, err)
	}
	w.update("f", "new")
	w.settled("f")
	if v, err := w.Current(t.Context(), byName.InvokedARN); err != nil || codeFile(t, v) != "new" {
		t.Errorf("after an update: %+v, %v", v, err)
	}
	if v, err := w.Current(t.Context(), byAlias.InvokedARN); err != nil || v.Version != "1" || codeFile(t, v) != "f" {
		t.Errorf("by its alias: %+v, %v", v, err)
	}
	w.code.fail(errors.New("no space left on device"))
	w.update("f", "newer")
	w.settled("f")
	if _, err := w.Current(t.Context(), byName.InvokedARN); err == nil || errors.Is(err, function.ErrGone) {
		t.Errorf("during a fault: %v", err)
	}
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")}); err != nil {
		t.Fatal(err)
	}
	for _, inv := range []*function.Invocation{byAlias, byName} {
		if _, err := w.Current(t.Context(), inv.InvokedARN); !errors.Is(err, function.ErrGone) {
			t.Errorf("after the deletion: %v", err)
		}
	}
}

// Who gets the events that are given up is a setting of the version, and what is
// given up later goes to whom is set by then.
func TestDeadLetterConfig(t *testing.T) {
	w := newWorld(t)
	made := w.create("f", func(in *api.CreateFunctionRequest) {
		in.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: new(queueARN)}
	})
	if got := deref(made.DeadLetterConfig); deref(got.TargetArn) != queueARN {
		t.Errorf("%+v", made.DeadLetterConfig)
	}
	target := func() string {
		t.Helper()
		v, err := w.Current(t.Context(), arnBase+"f")
		if err != nil {
			t.Fatal(err)
		}
		return v.DeadLetter
	}
	if got := target(); got != queueARN {
		t.Error(got)
	}
	before, err := w.Current(t.Context(), arnBase+"f")
	if err != nil {
		t.Fatal(err)
	}
	set := func(arn string) error {
		_, err := w.UpdateFunctionConfiguration(ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: new("f"), DeadLetterConfig: &api.DeadLetterConfig{TargetArn: new(arn)}})
		return err
	}
	for arn, want := range map[string]string{
		"arn:aws:sns:us-east-1:111111111111:t":       "InvalidParameterValueException: Paddock does not support the dead-letter target…",
		"arn:aws:sqs:us-east-1:111111111111:missing": "InvalidParameterValueException: The provided dead letter target arn:aws:sqs:us-east-1:111111111111:missing does not exist.",
		queueARN + ".fifo":                           "InvalidParameterValueException: Invalid dead letter ARN: " + queueARN + ".fifo is a FIFO queue.",
		arnBase + "f":                                "InvalidParameterValueException: Invalid dead letter ARN: " + arnBase + "f is neither…",
	} {
		wantErr(t, set(arn), want)
	}
	if err := set(queueARN + "2"); err != nil {
		t.Fatal(err)
	}
	if got := target(); got != queueARN+"2" || deref(w.get("f").DeadLetterConfig.TargetArn) != got {
		t.Error(got)
	}
	// It is of no concern to environments.
	if after, err := w.Current(t.Context(), arnBase+"f"); err != nil || after.RevisionID != before.RevisionID {
		t.Errorf("%+v, %v", after, err)
	}
	w.restart()
	if got := target(); got != queueARN+"2" {
		t.Error(got)
	}
	if err := set(""); err != nil {
		t.Fatal(err)
	}
	if got := target(); got != "" || w.get("f").DeadLetterConfig != nil {
		t.Error(got)
	}
}
