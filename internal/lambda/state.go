package lambda

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/archive"
	"github.com/paddock-run/paddock/internal/function"
)

// phase is where a version stands on its way to being invocable. It lives in
// memory only, so that creating a function is one durable write.
type phase uint8

const (
	// phaseKnown: its code is unpacked when it is first needed. So are all
	// versions after a start, and new ones with a small archive. It is Active.
	phaseKnown phase = iota
	phaseCreating
	phaseUpdating // the state before it goes on serving
	phaseReady
	phaseFailed
	phaseUpdateFailed
)

// version is one state of a function's version: what is stored of it, and
// whether it can run.
type version struct {
	doc   *versionDoc
	proto function.Version // all but CodeDir, LayerDirs and Image

	// serving is what invocations run: nil until there is something to run. While
	// an update is under way, it is the state before.
	serving atomic.Pointer[function.Version]
	status  atomic.Pointer[status]
	settled chan struct{} // closed when phaseCreating or phaseUpdating ended; nil otherwise
}

type status struct {
	phase  phase
	code   string // StateReasonCode or LastUpdateStatusReasonCode of a failure
	reason string
}

// newVersion returns the state of a version whose code is known to be right.
func newVersion(scope scopeKey, name string, doc *versionDoc) *version {
	arn := functionARN(partitionOf(scope.region), scope.region, scope.account, name)
	if doc.Version != latest {
		arn = qualify(arn, doc.Version)
	}
	v := &version{doc: doc, proto: function.Version{
		Account: scope.account, Region: scope.region,
		Name: name, Version: doc.Version, ARN: arn, RevisionID: doc.RevisionID,
		Runtime: doc.Runtime, Handler: doc.Handler, Architecture: doc.Architecture,
		Environment: doc.Environment,
		Timeout:     time.Duration(doc.Timeout) * time.Second,
		MemoryMB:    int(doc.MemorySize), EphemeralMB: int(doc.Ephemeral),
		Tracing: doc.Tracing, LogGroup: doc.Logging.Group, LogFormat: doc.Logging.Format,
		ApplicationLogLevel: doc.Logging.Application, SystemLogLevel: doc.Logging.System,
		Role: doc.Role, DeadLetter: doc.DeadLetter,
	}}
	v.status.Store(&status{phase: phaseKnown})
	return v
}

// partitionOf is the partition that a region belongs to.
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// creating returns the first state of a new version.
func creating(scope scopeKey, name string, doc *versionDoc) *version {
	v := newVersion(scope, name, doc)
	v.status.Store(&status{phase: phaseCreating})
	v.settled = make(chan struct{})
	return v
}

// updating returns the state that follows old with new code.
func updating(scope scopeKey, name string, doc *versionDoc, old *version) *version {
	if old.status.Load().phase == phaseFailed {
		return creating(scope, name, doc)
	}
	v := newVersion(scope, name, doc)
	v.status.Store(&status{phase: phaseUpdating})
	v.settled = make(chan struct{})
	v.serving.Store(old.serving.Load())
	return v
}

// succeeding returns the state that follows old, which is not changing, with the
// same code and layers: it can run at once where old could. Where nothing that matters to an environment has
// changed, environments of old go on.
func succeeding(scope scopeKey, name string, doc *versionDoc, old *version) *version {
	v := newVersion(scope, name, doc)
	was := old.serving.Load()
	if was == nil { // not unpacked yet, or that failed
		v.status.Store(old.status.Load())
		return v
	}
	if doc.Image != nil && !(sameEnvironment(&v.proto, was) && sameImage(doc.Image, old.doc.Image)) {
		return v // the image is there, and is asked for with the new settings
	}
	if sameEnvironment(&v.proto, was) {
		if was.DeadLetter != doc.DeadLetter { // of no concern to environments
			now := *was
			now.DeadLetter, was = doc.DeadLetter, &now
		}
		v.serving.Store(was)
	} else {
		v.serve(folders{code: was.CodeDir, layers: was.LayerDirs})
	}
	v.status.Store(&status{phase: phaseReady})
	return v
}

func (v *version) serve(at folders) {
	f := v.proto
	f.CodeDir, f.LayerDirs, f.Image = at.code, at.layers, at.image
	v.serving.Store(&f)
}

// sameEnvironment reports whether an environment made for a serves b as well:
// they differ in nothing but RevisionID, CodeDir, LayerDirs and Image.
func sameEnvironment(a, b *function.Version) bool {
	x, y := *a, *b
	x.Environment, y.Environment = nil, nil
	return x.Account == y.Account && x.Region == y.Region && x.Name == y.Name && x.Version == y.Version &&
		x.ARN == y.ARN && x.Runtime == y.Runtime && x.Handler == y.Handler && x.Architecture == y.Architecture &&
		x.Timeout == y.Timeout && x.MemoryMB == y.MemoryMB && x.EphemeralMB == y.EphemeralMB &&
		x.Tracing == y.Tracing && x.LogGroup == y.LogGroup && x.LogFormat == y.LogFormat && x.Role == y.Role &&
		x.ApplicationLogLevel == y.ApplicationLogLevel && x.SystemLogLevel == y.SystemLogLevel &&
		maps.Equal(a.Environment, b.Environment)
}

// activate unpacks the code of versions that an operation made, in the
// background, and settles their state. They share one archive, and their layers.
func (s *Service) activate(versions ...*version) {
	s.background.Go(func() {
		at, err := s.unpack(s.ctx, versions[0].doc)
		for _, v := range versions {
			v.settle(at, err)
		}
		if err != nil && s.ctx.Err() == nil {
			s.log.Warn("a function's code cannot be unpacked", "function", versions[0].proto.ARN, "error", err)
		}
	})
}

func (v *version) settle(at folders, err error) {
	before := v.status.Load().phase
	if err == nil {
		v.serve(at)
		v.status.Store(&status{phase: phaseReady})
	} else {
		st := failure(err)
		if before == phaseUpdating {
			st.phase = phaseUpdateFailed
		}
		// The code before is let go of already. As after a restart, the next
		// invocation tries what is stored.
		v.serving.Store(nil)
		v.status.Store(st)
	}
	if v.settled != nil {
		close(v.settled)
	}
}

// failure words why code could not be made ready. The cause of a fault of ours
// goes to the log, not to the client.
func failure(err error) *status {
	var bad *archive.Error
	if errors.As(err, &bad) {
		return &status{phaseFailed, string(api.StateReasonCodeInvalidZipFileException), archiveReason(bad)}
	}
	if image := new(function.ImageError); errors.As(err, &image) {
		return &status{phaseFailed, imageReasonCode(image), image.Reason}
	}
	return &status{phaseFailed, string(api.StateReasonCodeInternalError), "The function's code could not be unpacked."}
}

// ready returns what an invocation of v is to run, unpacking its code where
// that has not happened since the start.
func (s *Service) ready(ctx context.Context, v *version) (*function.Version, error) {
	if f := v.serving.Load(); f != nil {
		return f, nil
	}
	if v.status.Load().phase == phaseUpdating {
		// The state before has not run since the start: the new one comes first.
		select {
		case <-v.settled:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if f := v.serving.Load(); f != nil {
			return f, nil
		}
	}
	switch st := v.status.Load(); st.phase {
	case phaseCreating:
		return nil, inState(api.StatePending)
	case phaseFailed, phaseUpdateFailed:
		if st.code != string(api.StateReasonCodeInternalError) {
			return nil, inState(api.StateFailed)
		}
		// It was a fault of the machine's, which may be over.
	}
	at, err := s.unpack(ctx, v.doc)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if failure(err).code != string(api.StateReasonCodeInternalError) {
			v.status.Store(failure(err))
			return nil, inState(api.StateFailed)
		}
		return nil, fmt.Errorf("lambda: code of %s: %w", v.proto.ARN, err)
	}
	// Several invocations may come here at once: the first one's value stays, so
	// that they share environments.
	f := v.proto
	f.CodeDir, f.LayerDirs, f.Image = at.code, at.layers, at.image
	if v.serving.CompareAndSwap(nil, &f) {
		v.status.Store(&status{phase: phaseReady})
		return &f, nil
	}
	return v.serving.Load(), nil
}

// mayChange refuses updates of a version that is still becoming ready.
func (v *version) mayChange() error {
	switch v.status.Load().phase {
	case phaseCreating:
		return inState(api.StatePending)
	case phaseUpdating:
		return updateInProgress(v.proto.ARN)
	}
	return nil
}

// show writes a version's state into an answer.
func (v *version) show(c *api.FunctionConfiguration) {
	switch st := v.status.Load(); st.phase {
	case phaseCreating:
		showPending(c)
	case phaseFailed:
		c.State = new(api.StateFailed)
		c.StateReason = new(st.reason)
		c.StateReasonCode = new(api.StateReasonCode(st.code))
		c.LastUpdateStatus = new(api.LastUpdateStatusFailed)
		c.LastUpdateStatusReason = new(st.reason)
		c.LastUpdateStatusReasonCode = new(api.LastUpdateStatusReasonCode(st.code))
	case phaseUpdateFailed:
		c.State = new(api.StateActive)
		c.LastUpdateStatus = new(api.LastUpdateStatusFailed)
		c.LastUpdateStatusReason = new(st.reason)
		c.LastUpdateStatusReasonCode = new(api.LastUpdateStatusReasonCode(st.code))
	case phaseUpdating:
		showInProgress(c)
	default:
		c.State = new(api.StateActive)
		c.LastUpdateStatus = new(api.LastUpdateStatusSuccessful)
	}
}

// showPending is how AWS answers every creation.
func showPending(c *api.FunctionConfiguration) {
	c.State = new(api.StatePending)
	c.StateReason = new("The function is being created.")
	c.StateReasonCode = new(api.StateReasonCodeCreating)
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = nil, nil, nil
}

// showInProgress is how AWS answers every update, with these very words.
func showInProgress(c *api.FunctionConfiguration) {
	c.State = new(api.StateActive)
	c.StateReason, c.StateReasonCode = nil, nil
	c.LastUpdateStatus = new(api.LastUpdateStatusInProgress)
	c.LastUpdateStatusReason = new("The function is being created.")
	c.LastUpdateStatusReasonCode = new(api.LastUpdateStatusReasonCode("Creating"))
}
