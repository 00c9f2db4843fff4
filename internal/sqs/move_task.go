package sqs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// The states of a message move task.
const (
	taskRunning   = "RUNNING"
	taskCompleted = "COMPLETED"
	taskCancelled = "CANCELLED"
	taskFailed    = "FAILED"
)

const (
	maxMoveRate  = 500 // messages a second
	moveChunk    = 500 // messages in one transaction, where no rate was asked for
	maxTasks     = 10  // that are remembered of a queue
	defaultTasks = 1   // that are listed
)

// task is a message move task, as stored.
type task struct {
	ID          string
	Source      string // queues' names in the store of messages
	Destination string `json:",omitempty"` // empty: where each message came from
	Rate        int32  `json:",omitempty"` // messages a second; 0: as fast as it goes
	Status      string
	Moved       int64
	ToMove      int64
	Started     int64  // ms since 1970
	Failure     string `json:",omitempty"`

	revision int64
}

func (t *task) key() string { return taskPrefix + t.Source + "/" + t.ID }

// taskHandle is what clients name a task by.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func (t *task) handle() (string, error) {
	text, err := json.Marshal(taskHandle{t.ID, arnOf(t.Source)})
	return base64.StdEncoding.EncodeToString(text), err
}

// tasks are those that run here, by their source queue.
type tasks struct {
	mu      sync.Mutex
	cancels map[string]context.CancelFunc
}

// StartMessageMoveTask begins to move the messages of a dead-letter queue to
// another queue, or back to where they came from. It goes on after a restart.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
func (s *Service) StartMessageMoveTask(ctx context.Context, in *api.StartMessageMoveTaskRequest) (*api.StartMessageMoveTaskResult, error) {
	source, err := s.ownByARN(ctx, *in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	t := &task{ID: rand.Text(), Source: source.id(), Status: taskRunning, Started: time.Now().UnixMilli()}
	if len(s.sources(source)) == 0 {
		return nil, invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	if in.DestinationArn != nil {
		destination, err := s.ownByARN(ctx, *in.DestinationArn, "DestinationArn")
		if err != nil {
			return nil, err
		}
		if destination.fifo() != source.fifo() || destination.id() == source.id() {
			return nil, invalid("Value %s for parameter DestinationArn is invalid. Reason: It must be another queue of the same type as the source.", *in.DestinationArn)
		}
		t.Destination = destination.id()
	}
	if n := in.MaxNumberOfMessagesPerSecond; n != nil {
		if *n < 1 || *n > maxMoveRate {
			return nil, invalid("Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and %d.", maxMoveRate)
		}
		t.Rate = *n
	}
	count, err := s.messages.Count(ctx, source.id(), source.settings.retention)
	if err != nil {
		return nil, err
	}
	t.ToMove = count.Visible
	handle, err := t.handle()
	if err != nil {
		return nil, err
	}
	if err := s.forgetTasks(ctx, source, maxTasks-1); err != nil {
		return nil, err
	}
	if err := s.run(ctx, t); err != nil {
		return nil, err
	}
	return &api.StartMessageMoveTaskResult{TaskHandle: &handle}, nil
}

// ownByARN finds a queue of the caller's account and region.
func (s *Service) ownByARN(ctx context.Context, text, parameter string) (*queue, error) {
	id := identity.Of(ctx)
	q, ok := s.byARN(text)
	if !ok || q.Account != id.Account || q.Region != id.Region {
		return nil, noResource(parameter)
	}
	return q, nil
}

// CancelMessageMoveTask stops a task. What was moved stays where it is.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html
func (s *Service) CancelMessageMoveTask(ctx context.Context, in *api.CancelMessageMoveTaskRequest) (*api.CancelMessageMoveTaskResult, error) {
	var handle taskHandle
	text, err := base64.StdEncoding.DecodeString(*in.TaskHandle)
	if err != nil || json.Unmarshal(text, &handle) != nil || handle.TaskID == "" || handle.SourceARN == "" {
		return nil, invalid("Value for parameter TaskHandle is invalid.")
	}
	source, err := s.ownByARN(ctx, handle.SourceARN, "SourceArn")
	if err != nil {
		return nil, err
	}
	for {
		all, err := s.tasksOf(ctx, source)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(t *task) bool { return t.ID == handle.TaskID })
		if i < 0 {
			return nil, &api.ResourceNotFoundException{Message: new("Task does not exist.")}
		}
		t := all[i]
		if t.Status != taskRunning {
			return nil, invalid("Only active tasks can be cancelled.")
		}
		t.Status = taskCancelled
		if err := s.saveTask(ctx, t); raced(err) {
			continue // it has moved some more
		} else if err != nil {
			return nil, err
		}
		s.tasks.mu.Lock()
		if cancel := s.tasks.cancels[t.Source]; cancel != nil {
			cancel()
		}
		s.tasks.mu.Unlock()
		return &api.CancelMessageMoveTaskResult{ApproximateNumberOfMessagesMoved: &t.Moved}, nil
	}
}

// ListMessageMoveTasks lists a queue's last tasks, the newest first.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html
func (s *Service) ListMessageMoveTasks(ctx context.Context, in *api.ListMessageMoveTasksRequest) (*api.ListMessageMoveTasksResult, error) {
	source, err := s.ownByARN(ctx, *in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	limit := defaultTasks
	if n := in.MaxResults; n != nil {
		if limit = int(*n); limit < 1 || limit > maxTasks {
			return nil, invalid("Value for parameter MaxResults is invalid. Reason: Must be between 1 and %d.", maxTasks)
		}
	}
	all, err := s.tasksOf(ctx, source)
	if err != nil {
		return nil, err
	}
	out := &api.ListMessageMoveTasksResult{Results: []*api.ListMessageMoveTasksResultEntry{}}
	for _, t := range all[:min(limit, len(all))] {
		e := &api.ListMessageMoveTasksResultEntry{Status: &t.Status, SourceArn: new(arnOf(t.Source)), StartedTimestamp: &t.Started,
			ApproximateNumberOfMessagesMoved: &t.Moved, ApproximateNumberOfMessagesToMove: &t.ToMove}
		if t.Destination != "" {
			e.DestinationArn = new(arnOf(t.Destination))
		}
		if t.Rate != 0 {
			e.MaxNumberOfMessagesPerSecond = &t.Rate
		}
		if t.Failure != "" {
			e.FailureReason = &t.Failure
		}
		if t.Status == taskRunning {
			handle, err := t.handle()
			if err != nil {
				return nil, err
			}
			e.TaskHandle = &handle
		}
		out.Results = append(out.Results, e)
	}
	return out, nil
}

// tasksOf returns a queue's tasks, the newest first.
func (s *Service) tasksOf(ctx context.Context, q *queue) ([]*task, error) {
	docs, err := s.docs.List(ctx, taskPrefix+q.id()+"/", "", 0)
	if err != nil {
		return nil, err
	}
	var out []*task
	for _, d := range docs {
		t := &task{revision: d.Revision}
		if err := json.Unmarshal(d.Value, t); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *task) int {
		if a.Started != b.Started {
			return int(b.Started - a.Started)
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// forgetTasks deletes all but a queue's last tasks, and refuses while one runs.
func (s *Service) forgetTasks(ctx context.Context, q *queue, keep int) error {
	all, err := s.tasksOf(ctx, q)
	if err != nil {
		return err
	}
	for i, t := range all {
		if t.Status == taskRunning && keep > 0 {
			return alreadyRuns()
		}
		if i >= keep {
			if _, err := s.docs.Write(ctx, store.Write{Key: t.key()}); err != nil {
				return err
			}
		}
	}
	return nil
}

func alreadyRuns() error {
	return invalid("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
}

func (s *Service) saveTask(ctx context.Context, t *task) error {
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	condition := store.Absent
	if t.revision != 0 {
		condition = store.AtRevision(t.revision)
	}
	revision, err := s.docs.Write(ctx, store.Write{Key: t.key(), Value: value, If: condition})
	if err == nil {
		t.revision = revision
	}
	return err
}

// resumeTasks runs what a restart interrupted.
func (s *Service) resumeTasks(ctx context.Context) error {
	docs, err := s.docs.List(ctx, taskPrefix, "", 0)
	if err != nil {
		return err
	}
	for _, d := range docs {
		t := &task{revision: d.Revision}
		if err := json.Unmarshal(d.Value, t); err != nil {
			return err
		}
		if t.Status == taskRunning {
			if err := s.run(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// run stores a task and runs it in the background, the only one of its queue.
func (s *Service) run(ctx context.Context, t *task) error {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	if s.tasks.cancels[t.Source] != nil {
		return alreadyRuns()
	}
	if err := s.saveTask(ctx, t); err != nil {
		return err
	}
	life, cancel := context.WithCancel(s.life)
	s.tasks.cancels[t.Source] = cancel
	s.running.Go(func() {
		defer func() {
			cancel()
			s.tasks.mu.Lock()
			delete(s.tasks.cancels, t.Source)
			s.tasks.mu.Unlock()
		}()
		if err := s.moveAll(life, t); err != nil && life.Err() == nil {
			s.log.Error("a message move task stopped", "source", arnOf(t.Source), "error", err)
		}
	})
	return nil
}

// moveAll moves a task's messages, chunk by chunk, until ctx ends or somebody
// has changed the task's state.
func (s *Service) moveAll(ctx context.Context, t *task) error {
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		n, err := s.moveSome(ctx, t)
		if err != nil {
			return err
		}
		t.Moved += int64(n)
		if t.Status == taskRunning && (n == 0 || t.Moved >= t.ToMove) {
			t.Status = taskCompleted
		}
		// What was moved is written down even where the task was just cancelled.
		if err := s.saveTask(context.WithoutCancel(ctx), t); err != nil {
			if !raced(err) {
				return err
			}
			return s.recount(ctx, t)
		}
		if t.Status != taskRunning {
			return nil
		}
		if t.Rate > 0 {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// recount adds what was moved while the task was being cancelled.
func (s *Service) recount(ctx context.Context, t *task) error {
	ctx = context.WithoutCancel(ctx)
	d, err := s.docs.Get(ctx, t.key())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	moved := t.Moved
	if err := json.Unmarshal(d.Value, t); err != nil {
		return err
	}
	t.Moved, t.revision = moved, d.Revision
	return s.saveTask(ctx, t)
}

// moveSome moves a chunk. Where that cannot be, the task has failed.
func (s *Service) moveSome(ctx context.Context, t *task) (int, error) {
	fail := func(reason string) (int, error) {
		t.Status, t.Failure = taskFailed, reason
		return 0, nil
	}
	source, ok := s.queues.Get(queuePrefix + t.Source)
	if !ok || source.Deleted != 0 {
		return fail("AWS.SimpleQueueService.NonExistentQueue")
	}
	r := store.MoveRequest{From: t.Source, Ordered: source.fifo(), To: t.Destination, Max: moveChunk}
	if t.Rate > 0 {
		r.Max = int(t.Rate)
	}
	r.Max = max(1, int(min(int64(r.Max), t.ToMove-t.Moved)))
	if t.Destination == "" {
		r.Back = s.sameKind(source)
	} else if to, ok := s.queues.Get(queuePrefix + t.Destination); !ok || to.Deleted != 0 {
		return fail("AWS.SimpleQueueService.NonExistentQueue")
	}
	n, err := s.messages.Move(ctx, r)
	if errors.Is(err, store.ErrNotFound) {
		return fail("CouldNotDetermineMessageSource")
	}
	return n, err
}

// sameKind lists the queues that messages of q can go back to.
func (s *Service) sameKind(q *queue) []string {
	var out []string
	for other := range s.queues.Values() {
		if other.Deleted == 0 && other.fifo() == q.fifo() {
			out = append(out, other.id())
		}
	}
	return out
}
