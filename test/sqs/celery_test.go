package sqs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/need"
	"github.com/paddock-run/paddock/test/sdk"
)

// done is what a task of celery_app.py writes down.
type done struct {
	Task, How string
	Value     json.RawMessage
	Waited    float64
}

// TestCelery has a worker of Celery take tasks from a queue and a FIFO queue: it
// retries, gives a message back, waits for tasks that are for later, and leaves
// nothing in the queues.
func TestCelery(t *testing.T) {
	root := top(t)
	python := need.Program(t, filepath.Join(root, ".deps", "celery", "bin", "python"))
	if err := exec.CommandContext(sdk.Context(t), python, "-c", "import kombu.transport.SQS, pycurl").Run(); err != nil {
		need.Missing(t, "Celery in .deps/celery (make deps installs it)")
	}
	d := daemon.Shared(t)
	queue, dir := name(t), t.TempDir()
	results := filepath.Join(dir, "results")
	env := d.Env("PYTHONPATH="+filepath.Join(root, "test", "sqs"), "PYTHONDONTWRITEBYTECODE=1", "BROKER=127.0.0.1:"+d.Port(t), "QUEUE="+queue, "RESULTS="+results)

	// No worker listens while the tasks are sent.
	send := exec.CommandContext(sdk.Context(t), python, filepath.Join(root, "test", "sqs", "celery_app.py"))
	send.Dir, send.Env = dir, env
	if out, err := send.CombinedOutput(); err != nil {
		t.Fatalf("the tasks are not sent: %v\n%s", err, out)
	}
	worker := exec.CommandContext(sdk.Context(t), python, "-m", "celery", "-A", "celery_app", "worker", "--pool", "solo",
		"--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info")
	var log bytes.Buffer
	worker.Dir, worker.Env, worker.Stdout, worker.Stderr = dir, env, &log, &log
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- worker.Wait() }()
	t.Cleanup(func() {
		if worker.ProcessState == nil {
			_ = worker.Process.Kill() // it may have ended by itself
			<-ended
		}
		if t.Failed() {
			t.Logf("Celery's worker printed:\n%s", &log)
		}
	})

	const tasks = 20 + 5 + 1 + 3 + 2 + 2
	sdk.Eventually(t, "all tasks are done", func() bool { return len(written(t, results)) >= tasks })
	// What is done is deleted from the queues: nothing could come again.
	c := sdk.For(t, d).SQS
	for _, q := range []string{queue, queue + ".fifo"} {
		sdk.Eventually(t, q+" is empty", func() bool { return counted(t, c, q) == 0 })
	}
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the worker ends with %v", err)
		}
	case <-sdk.Context(t).Done():
		t.Fatal("the worker does not end")
	}
	check(t, written(t, results))
}

// check compares what the tasks have done with what was sent.
func check(t *testing.T, got []done) {
	t.Helper()
	sums, fifo, long := map[int]int{}, []int{}, 0
	values := map[string][]string{}
	for _, g := range got {
		switch n, err := strconv.Atoi(string(g.Value)); {
		case g.Task == "later":
			values["later"] = append(values["later"], g.How)
			if g.Waited < float64(n)-0.1 {
				t.Errorf("the task for later with %s has waited for %v s, not %d s", g.How, g.Waited, n)
			}
		case g.Task != "add":
			values[g.Task] = append(values[g.Task], string(g.Value))
		case err != nil:
			long++
			var s string
			if err := json.Unmarshal(g.Value, &s); err != nil || s != strings.Repeat("ä", 1000)+"</é>" {
				t.Errorf("the text has become %s, %v", g.Value, err)
			}
		case n >= 100:
			fifo = append(fifo, n)
		default:
			sums[n]++
		}
	}
	for i := range 20 {
		if sums[2*i] != 1 {
			t.Errorf("add(%d, %[1]d) was done %d times", i, sums[2*i])
		}
	}
	slices.Sort(values["later"])
	if long != 1 || len(sums) != 20 || !slices.Equal(fifo, []int{100, 101, 102, 103, 104}) ||
		!slices.Equal(values["flaky"], []string{"0", "1", "2"}) || !slices.Equal(values["refused"], []string{"0", "1"}) ||
		!slices.Equal(values["later"], []string{"DelaySeconds", "countdown"}) {
		t.Errorf("%d long, sums %v, in order %v, others %v", long, sums, fifo, values)
	}
}

// written are the lines of the tasks' file; the last may not be whole yet.
func written(t *testing.T, path string) (all []done) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var d done
		if !strings.HasSuffix(line, "\n") {
			break
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, d)
	}
	return all
}

// counted is the number of messages in a queue, whether they can be received or
// not.
func counted(t *testing.T, c *sqs.Client, queue string) (n int) {
	t.Helper()
	url, err := c.GetQueueUrl(sdk.Context(t), &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.GetQueueAttributes(sdk.Context(t), &sqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range out.Attributes {
		if strings.HasPrefix(key, "ApproximateNumberOfMessages") {
			more, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			n += more
		}
	}
	return n
}
