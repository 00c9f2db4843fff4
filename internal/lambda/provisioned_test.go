package lambda

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/function"
)

func (w *world) provision(name, qualifier string, n int32) error {
	out, err := w.PutProvisionedConcurrencyConfig(ctx(), &api.PutProvisionedConcurrencyConfigRequest{
		FunctionName: new(name), Qualifier: new(qualifier), ProvisionedConcurrentExecutions: new(n),
	})
	if err != nil {
		return err
	}
	want := fmt.Sprintf(`{"AllocatedProvisionedConcurrentExecutions":0,"AvailableProvisionedConcurrentExecutions":0,"LastModified":"2026-11-22T16:38:45+0000","RequestedProvisionedConcurrentExecutions":%d,"Status":"IN_PROGRESS"}`, n)
	if got := asJSON(w.t, out); got != want {
		w.t.Errorf("%s, want %s", got, want)
	}
	return nil
}

// allocated is a configuration's allocation, status and reason.
func (w *world) allocated(name, qualifier string) string {
	w.t.Helper()
	out, err := w.GetProvisionedConcurrencyConfig(ctx(), &api.GetProvisionedConcurrencyConfigRequest{FunctionName: new(name), Qualifier: new(qualifier)})
	if err != nil {
		return describe(err)
	}
	return fmt.Sprintf("%d/%d %s %s", *out.AllocatedProvisionedConcurrentExecutions, *out.RequestedProvisionedConcurrentExecutions, *out.Status, deref(out.StatusReason))
}

func (w *world) awaitTold(want string) {
	w.t.Helper()
	waitFor(w.t, want+" rather than "+w.invoker.told(), func() bool { return w.invoker.told() == want })
}

// versions makes a function with n versions.
func (w *world) versions(name string, n int) {
	w.t.Helper()
	w.create(name)
	for i := range n {
		w.update(name, fmt.Sprint(name, i))
		w.settled(name)
		w.publish(name)
	}
}

func (w *world) alias(function, name, number string, weights map[string]float64) error {
	_, err := w.CreateAlias(ctx(), &api.CreateAliasRequest{
		FunctionName: new(function), Name: new(name), FunctionVersion: new(number),
		RoutingConfig: &api.AliasRoutingConfiguration{AdditionalVersionWeights: weights},
	})
	return err
}

func (w *world) realias(function, name, number string, weights map[string]float64) error {
	_, err := w.UpdateAlias(ctx(), &api.UpdateAliasRequest{
		FunctionName: new(function), Name: new(name), FunctionVersion: new(number),
		RoutingConfig: &api.AliasRoutingConfiguration{AdditionalVersionWeights: weights},
	})
	return err
}

func TestProvisionedConcurrency(t *testing.T) {
	w := newWorld(t)
	w.versions("f", 2)
	one := arnBase + "f:1"
	wantErr(t, w.provision("f", "1", 3), "")
	w.awaitTold("map[" + one + ":3]")
	if got := w.allocated("f", "1"); got != "0/3 IN_PROGRESS " {
		t.Error(got)
	}
	w.invoker.provides(one, function.Provisioned{Wanted: 3, Initialized: 1})
	if got := w.allocated("f", "1"); got != "1/3 IN_PROGRESS " {
		t.Error(got)
	}
	w.invoker.provides(one, function.Provisioned{Wanted: 3, Initialized: 2, Reason: "FUNCTION_ERROR_INIT_FAILURE"})
	if got := w.allocated("f", "1"); got != "2/3 FAILED FUNCTION_ERROR_INIT_FAILURE" {
		t.Error(got)
	}
	w.invoker.provides(one, function.Provisioned{Wanted: 3, Initialized: 3, Complete: true})
	if got := w.allocated("f", "1"); got != "3/3 READY " {
		t.Error(got)
	}
	list, err := w.ListProvisionedConcurrencyConfigs(ctx(), &api.ListProvisionedConcurrencyConfigsRequest{FunctionName: new("f")})
	if want := `{"ProvisionedConcurrencyConfigs":[{"AllocatedProvisionedConcurrentExecutions":3,"AvailableProvisionedConcurrentExecutions":3,"FunctionArn":"` + one + `","LastModified":"2026-11-22T16:38:45+0000","RequestedProvisionedConcurrentExecutions":3,"Status":"READY","StatusReason":null}]}`; err != nil || asJSON(t, list) != want {
		t.Errorf("%s %v", asJSON(t, list), err)
	}
	if got := w.unreserved(); got != 997 {
		t.Errorf("%d unreserved", got)
	}
	_, err = w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f:1")})
	wantErr(t, err, "ResourceConflictException: Unable to delete version because…")

	// It is there again after a restart.
	w.invoker.aside = nil
	w.restart()
	w.awaitTold("map[" + one + ":3]")

	// Put again, it is told again, though the number is the same.
	w.invoker.tell(one, "forgotten")
	wantErr(t, w.provision("f", "1", 3), "")
	w.awaitTold("map[" + one + ":3]")

	for range 2 { // the second time there is none
		if _, err := w.DeleteProvisionedConcurrencyConfig(ctx(), &api.DeleteProvisionedConcurrencyConfigRequest{FunctionName: new("f"), Qualifier: new("1")}); err != nil {
			t.Error(err)
		}
	}
	w.awaitTold("map[]")
	if got := w.allocated("f", "1"); got != "ProvisionedConcurrencyConfigNotFoundException: No Provisioned Concurrency Config found for this function" {
		t.Error(got)
	}
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f:1")}); err != nil {
		t.Error(err)
	}
	wantErr(t, w.provision("f", "2", 3), "")
	w.awaitTold("map[" + arnBase + "f:2:3]")
	if _, err := w.DeleteFunction(ctx(), &api.DeleteFunctionRequest{FunctionName: new("f")}); err != nil {
		t.Error(err)
	}
	w.awaitTold("map[]")
	if w.docCount() != 0 || w.unreserved() != 1000 {
		t.Errorf("%d documents, %d unreserved", w.docCount(), w.unreserved())
	}
}

func TestProvisionedAlias(t *testing.T) {
	w := newWorld(t)
	w.versions("f", 3)
	arn := func(n int) string { return fmt.Sprint(arnBase, "f:", n) }
	wantErr(t, w.alias("f", "live", "1", nil), "")
	wantErr(t, w.alias("f", "blue", "1", nil), "")
	wantErr(t, w.provision("f", "live", 10), "")
	w.awaitTold("map[" + arn(1) + ":10]")
	// Two aliases of one version have their environments side by side.
	wantErr(t, w.provision("f:blue", "blue", 4), "")
	w.awaitTold("map[" + arn(1) + ":14]")
	w.invoker.provides(arn(1), function.Provisioned{Wanted: 14, Initialized: 6})
	if got := w.allocated("f", "blue") + w.allocated("f", "live"); got != "4/4 IN_PROGRESS 2/10 IN_PROGRESS " {
		t.Error(got)
	}
	list, err := w.ListProvisionedConcurrencyConfigs(ctx(), &api.ListProvisionedConcurrencyConfigsRequest{FunctionName: new("f"), MaxItems: new(int32(1))})
	if err != nil || len(list.ProvisionedConcurrencyConfigs) != 1 || *list.ProvisionedConcurrencyConfigs[0].FunctionArn != arnBase+"f:blue" {
		t.Fatalf("%s %v", asJSON(t, list), err)
	}
	list, err = w.ListProvisionedConcurrencyConfigs(ctx(), &api.ListProvisionedConcurrencyConfigsRequest{FunctionName: new("f"), MaxItems: new(int32(1)), Marker: list.NextMarker})
	if err != nil || len(list.ProvisionedConcurrencyConfigs) != 1 || *list.ProvisionedConcurrencyConfigs[0].FunctionArn != arnBase+"f:live" || list.NextMarker != nil {
		t.Fatalf("%s %v", asJSON(t, list), err)
	}
	// What is kept for an alias goes with it.
	if _, err := w.DeleteAlias(ctx(), &api.DeleteAliasRequest{FunctionName: new("f"), Name: new("blue")}); err != nil {
		t.Error(err)
	}
	w.awaitTold("map[" + arn(1) + ":10]")

	// Weights split it, and it follows where the alias points.
	wantErr(t, w.realias("f", "live", "1", map[string]float64{"2": 0.25}), "")
	w.awaitTold("map[" + arn(1) + ":7 " + arn(2) + ":3]")
	w.invoker.provides(arn(1), function.Provisioned{Wanted: 7, Initialized: 7, Complete: true})
	w.invoker.provides(arn(2), function.Provisioned{Wanted: 3, Initialized: 1})
	if got := w.allocated("f", "live"); got != "8/10 IN_PROGRESS " {
		t.Error(got)
	}
	wantErr(t, w.realias("f", "live", "2", nil), "")
	w.awaitTold("map[" + arn(2) + ":10]")
	if got := w.allocated("f", "live"); got != "1/10 IN_PROGRESS " { // 3 are what was told of before
		t.Error(got)
	}

	const pointed = "ResourceConflictException: Version is pointed by a Provisioned Concurrency alias"
	const already = "ResourceConflictException: Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
	const unpublished = "InvalidParameterValueException: Provisioned Concurrency Configs cannot be applied to unpublished function versions."
	wantErr(t, w.provision("f", "2", 1), pointed)
	wantErr(t, w.provision("f", "3", 1), "")
	wantErr(t, w.realias("f", "live", "3", nil), already)
	wantErr(t, w.realias("f", "live", "2", map[string]float64{"3": 0.5}), already)
	wantErr(t, w.realias("f", "live", "$LATEST", nil), unpublished)
	wantErr(t, w.alias("f", "third", "3", nil), "")
	wantErr(t, w.provision("f", "third", 1), already)
	wantErr(t, w.alias("f", "newest", "$LATEST", nil), "")
	wantErr(t, w.provision("f", "newest", 1), unpublished)
	wantErr(t, w.alias("f", "both", "1", map[string]float64{"2": 0.5}), "")
	wantErr(t, w.provision("f", "both", 1), "InvalidParameterValueException: Alias with weights can not be used with Provisioned Concurrency")
}

func TestProvisionedConcurrencyRefuses(t *testing.T) {
	w := newWorld(t)
	w.versions("f", 2)
	w.versions("g", 1)
	const notLatest = "InvalidParameterValueException: The function resource provided must be an alias or a published version."
	wantErr(t, w.provision("f", "$LATEST", 1), "InvalidParameterValueException: Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	wantErr(t, w.provision("f", "9", 1), "ResourceNotFoundException: Function not found: "+arnBase+"f:9")
	wantErr(t, w.provision("f", "nine", 1), "ResourceNotFoundException: Cannot find alias arn: "+arnBase+"f:nine")
	wantErr(t, w.provision("missing", "1", 1), "ResourceNotFoundException: Function not found: "+arnBase+"missing:1")
	if got := w.allocated("f", "$LATEST"); got != notLatest {
		t.Error(got)
	}
	if got := w.allocated("f", "9"); got != "ResourceNotFoundException: Function not found: "+arnBase+"f:9" {
		t.Error(got)
	}
	_, err := w.DeleteProvisionedConcurrencyConfig(ctx(), &api.DeleteProvisionedConcurrencyConfigRequest{FunctionName: new("f"), Qualifier: new("$LATEST")})
	wantErr(t, err, notLatest)

	// Within what is reserved, and that not below it.
	wantErr(t, w.reserve("f", 5), "")
	wantErr(t, w.provision("f", "1", 3), "")
	const tooMany = "InvalidParameterValueException: Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
	wantErr(t, w.provision("f", "2", 3), tooMany)
	wantErr(t, w.provision("f", "1", 6), tooMany)
	wantErr(t, w.provision("f", "2", 2), "")
	wantErr(t, w.reserve("f", 4), "InvalidParameterValueException: ReservedConcurrentExecutions…")
	if got := w.unreserved(); got != 995 {
		t.Errorf("%d unreserved", got)
	}
	// Without a reservation, within what the account can spare.
	wantErr(t, w.provision("g", "1", 996), "InvalidParameterValueException: Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [995].")
	wantErr(t, w.provision("g", "1", 896), "InvalidParameterValueException: Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
	wantErr(t, w.provision("g", "1", 895), "")
	wantErr(t, w.reserve("f", 6), "InvalidParameterValueException: Specified ReservedConcurrentExecutions…")
	if got := w.unreserved(); got != 100 {
		t.Errorf("%d unreserved", got)
	}
}

// lostCode has none of what it should until it is found.
type lostCode struct {
	Code
	found *atomic.Bool
}

func (c lostCode) Ensure(ctx context.Context, sha string) (string, error) {
	if c.found.Load() {
		return c.Code.Ensure(ctx, sha)
	}
	return "", errors.New("gone")
}

// Code that cannot be made ready is a failure with a reason, and asked for again.
func TestProvisionedWithoutCode(t *testing.T) {
	w := newWorld(t)
	w.versions("f", 1)
	opts := w.opts
	var found atomic.Bool
	theirs := &invoker{}
	opts.Code, opts.Capacity = lostCode{opts.Code, &found}, theirs
	other, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.capacity.mu.Lock()
	other.capacity.pause = time.Millisecond
	other.capacity.mu.Unlock()
	wantErr(t, w.provision("f", "1", 1), "")
	waitFor(t, "the failure", func() bool {
		out, err := other.GetProvisionedConcurrencyConfig(ctx(), &api.GetProvisionedConcurrencyConfigRequest{FunctionName: new("f"), Qualifier: new("1")})
		return err == nil && *out.Status == api.ProvisionedConcurrencyStatusEnumFailed && *out.StatusReason == "The function's code is not ready."
	})
	found.Store(true)
	waitFor(t, "the environments", func() bool { return theirs.told() == "map["+arnBase+"f:1:1]" })
}

// What is still being unpacked is waited for.
func TestProvisionedWhileCreating(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	w.code.close()
	if _, err := w.UpdateFunctionCode(ctx(), &api.UpdateFunctionCodeRequest{FunctionName: new("f"), ZipFile: zipOf(t, "new"), Publish: new(true)}); err != nil {
		t.Fatal(err)
	}
	wantErr(t, w.provision("f", "1", 1), "")
	if got := w.allocated("f", "1"); got != "0/1 IN_PROGRESS " {
		t.Error(got)
	}
	w.code.open()
	w.awaitTold("map[" + arnBase + "f:1:1]")
}
