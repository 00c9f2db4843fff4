package eventsource_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paddock-run/paddock/internal/eventsource"
)

// source makes pollers that run as they are told.
type source struct {
	run func(m *eventsource.Mapping, h eventsource.Host, polling, life context.Context) error
}

func (s source) NewPoller(m *eventsource.Mapping, h eventsource.Host) (eventsource.Poller, error) {
	return poller{s, m, h}, nil
}

type poller struct {
	source
	m *eventsource.Mapping
	h eventsource.Host
}

func (p poller) Run(polling, life context.Context) error { return p.run(p.m, p.h, polling, life) }

func supervise(t *testing.T, s source) *eventsource.Supervisor {
	sup := eventsource.NewSupervisor(t.Context(), eventsource.Options{Sources: map[eventsource.Kind]eventsource.Source{eventsource.SQS: s}})
	t.Cleanup(func() { sup.Close(context.Background()) })
	return sup
}

func mapping(revision int64) *eventsource.Mapping {
	return &eventsource.Mapping{UUID: "u", Kind: eventsource.SQS, Revision: revision}
}

func TestAnUpdateWaitsForWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []int64
		finish := make(chan struct{})
		sup := supervise(t, source{func(m *eventsource.Mapping, h eventsource.Host, polling, life context.Context) error {
			began = append(began, m.Revision)
			h.Reporter.Processed(eventsource.OK)
			<-polling.Done()
			<-finish // a batch
			return nil
		}})
		sup.Run(mapping(1))
		synctest.Wait()
		if st := sup.Status("u"); st.Running != 1 || st.LastProcessingResult != eventsource.OK {
			t.Errorf("after the start: %+v", st)
		}
		sup.Run(mapping(2))
		synctest.Wait()
		if st := sup.Status("u"); st.Running != 1 || len(began) != 1 {
			t.Errorf("while a batch runs: %+v, began %v", st, began)
		}
		finish <- struct{}{}
		if err := sup.Wait(t.Context(), "u"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if st := sup.Status("u"); st.Running != 2 || len(began) != 2 {
			t.Errorf("after the update: %+v, began %v", st, began)
		}
		sup.Stop("u")
		go func() { finish <- struct{}{} }()
		if err := sup.Wait(t.Context(), "u"); err != nil {
			t.Fatal(err)
		}
		if st := sup.Status("u"); st.Running != 0 {
			t.Errorf("after the stop: %+v", st)
		}
	})
}

func TestAPollerThatFailsRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Duration
		from := time.Now()
		sup := supervise(t, source{func(_ *eventsource.Mapping, _ eventsource.Host, polling, _ context.Context) error {
			starts = append(starts, time.Since(from))
			if len(starts) == 4 {
				<-polling.Done()
				return nil
			}
			return errors.New("Connection error")
		}})
		sup.Run(mapping(1))
		synctest.Wait()
		if got := sup.Status("u").LastProcessingResult; got != "PROBLEM: Connection error" {
			t.Errorf("LastProcessingResult %q", got)
		}
		time.Sleep(10 * time.Second) // of the bubble's clock
		synctest.Wait()
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}
		if len(starts) != len(want) {
			t.Fatalf("starts after %v, want %v", starts, want)
		}
		for i := range want {
			if starts[i] != want[i] {
				t.Errorf("starts after %v, want %v", starts, want)
			}
		}
	})
}

func TestCloseGivesUpWhatDoesNotFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		killed := false
		sup := supervise(t, source{func(_ *eventsource.Mapping, _ eventsource.Host, _, life context.Context) error {
			<-life.Done()
			killed = true
			return nil
		}})
		sup.Run(mapping(1))
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := sup.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if !killed || time.Since(began) != 5*time.Second {
			t.Errorf("killed: %v after %s", killed, time.Since(began))
		}
		sup.Run(mapping(2))
		if st := sup.Status("u"); st.Running != 0 {
			t.Errorf("runs after Close: %+v", st)
		}
	})
}
