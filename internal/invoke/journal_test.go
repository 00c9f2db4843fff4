package invoke

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// chop feeds data in pieces of n bytes and returns the events.
func chop(s splitter, data []byte, n int) []LogEvent {
	var events []LogEvent
	emit := func(at int64, m []byte) { events = append(events, LogEvent{at, string(m)}) }
	for len(data) > 0 {
		k := min(n, len(data))
		s.feed(data[:k], 1000, emit)
		data = data[k:]
	}
	s.flush(1000, emit)
	return events
}

func frame(kind uint32, micros int64, message string) []byte {
	b := binary.BigEndian.AppendUint32(nil, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	if kind&3 != framePlain {
		b = binary.BigEndian.AppendUint64(b, uint64(micros))
	}
	return append(b, message...)
}

func TestSplitting(t *testing.T) {
	long := strings.Repeat("x", maxLine+10)
	text := "one\n\ntwo\n" + long + "\nlast"
	wantLines := []LogEvent{{1000, "one\n"}, {1000, "\n"}, {1000, "two\n"}, {1000, long[:maxLine]}, {1000, long[maxLine:] + "\n"}, {1000, "last"}}

	framed := bytes.Join([][]byte{
		frame(0xa55a0003, 2_000_000, "a\nb"), frame(0xa55a0002, 3_000_000, `{"x":1}`), frame(0xa55a0017, 4_000_000, "error"),
		frame(0xa55a0001, 0, "old"), frame(0xa55a0003, 0, ""), frame(0xa55a0003, 1, long), []byte("not a frame\nrest"),
	}, nil)
	wantFrames := []LogEvent{{2000, "a\nb"}, {3000, `{"x":1}`}, {4000, "error"}, {1000, "old"},
		{0, long[:maxLine]}, {0, long[maxLine:]}, {1000, "not a frame\n"}, {1000, "rest"}}

	for _, n := range []int{1 << 30, 70_000, 4096, 7} {
		if got := chop(&lines{}, []byte(text), n); fmt.Sprint(got) != fmt.Sprint(wantLines) {
			t.Errorf("lines, by %d: %.300s", n, fmt.Sprint(got))
		}
		if got := chop(&frames{}, framed, n); fmt.Sprint(got) != fmt.Sprint(wantFrames) {
			t.Errorf("frames, by %d: %.300s", n, fmt.Sprint(got))
		}
	}
}

// FuzzFrames checks that nothing a function writes makes the splitter lose its
// head, keep more than a frame, or make events of more than was written.
func FuzzFrames(f *testing.F) {
	f.Add(frame(0xa55a0003, 1, "hello"), 3)
	f.Add(append(frame(0xa55a0001, 0, "hello"), "plain\n"...), 1)
	f.Add(frame(0xa55a0003, 1, strings.Repeat("x", 100))[:60], 7)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		if n <= 0 {
			return
		}
		whole, pieces := chop(&frames{}, data, len(data)+1), chop(&frames{}, data, n)
		var a, b strings.Builder
		for _, e := range whole {
			a.WriteString(e.Message)
		}
		for _, e := range pieces {
			b.WriteString(e.Message)
		}
		if a.String() != b.String() || a.Len() > len(data) {
			t.Errorf("%q and %q of %q", a.String(), b.String(), data)
		}
	})
}
