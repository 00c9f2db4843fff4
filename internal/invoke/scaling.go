package invoke

import (
	"sync"
	"time"
)

// A function may start scaleBurst environments at once, and as many again within
// scaleTime, continuously.
// https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
const (
	scaleBurst = 1000
	scaleTime  = 10 * time.Second
)

// scaling is how many more environments a function may start now.
type scaling struct {
	mu      sync.Mutex
	started float64   // of scaleBurst, at the time of since
	since   time.Time // zero: none was started yet
}

// take takes one of burst, or reports that there is none.
func (s *scaling) take(burst int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.started = max(0, s.started-now.Sub(s.since).Seconds()*float64(burst)/scaleTime.Seconds())
	s.since = now
	if s.started+1 > float64(burst) {
		return false
	}
	s.started++
	return true
}

// giveBack undoes take, for an environment that did not begin.
func (s *scaling) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = max(0, s.started-1)
}
