package invoke

import (
	"encoding/binary"
	"time"
)

// telemetryFD is the descriptor that runtimes write framed log messages to, as
// _LAMBDA_TELEMETRY_LOG_FD tells them. A message may have several lines.
const telemetryFD = 3

// A frame is, in big-endian: its type (4 bytes), the length of its message (4),
// a timestamp in microseconds (8, not in every type), the message. The type is
// 0xa55a in the upper half; of the lower half the two lowest bits say which form
// it is, and those above them the level of the message.
const (
	frameMagic     = 0xa55a0000
	frameMagicMask = 0xffff0000
	frameFormMask  = 0x00000003
	framePlain     = 1 // without a timestamp
	frameHead      = 8
	frameHeadTimed = 16
)

// frames makes an event of each frame. What is not framed is taken for lines.
type frames struct {
	buf   []byte
	raw   bool // the writer does not speak frames, or we lost its rhythm
	lines lines
}

func (f *frames) feed(data []byte, now int64, emit func(int64, []byte)) {
	if f.raw {
		f.lines.feed(data, now, emit)
		return
	}
	f.buf = append(f.buf, data...)
	rest := f.buf
	for {
		head, length, ok := frameSize(rest)
		if !ok {
			f.raw = true
			f.lines.feed(rest, now, emit)
			f.buf = nil
			return
		}
		if head == 0 || len(rest) < head {
			break
		}
		timestamp := now
		if head == frameHeadTimed {
			if micros := int64(binary.BigEndian.Uint64(rest[8:])); micros > 0 && micros < now*1000+int64(time.Hour/time.Microsecond) {
				timestamp = micros / 1000
			}
		}
		if len(rest) < head+length {
			if len(rest)-head < maxLine {
				break
			}
			// Longer than an event may be: this much of it now, and what is left
			// as a frame of its own.
			emit(timestamp, rest[head:head+maxLine])
			left := append([]byte(nil), rest[:head]...)
			binary.BigEndian.PutUint32(left[4:], uint32(length-maxLine))
			rest = append(left, rest[head+maxLine:]...)
			f.buf = rest
			continue
		}
		for message := rest[head : head+length]; len(message) > 0; {
			n := min(len(message), maxLine)
			emit(timestamp, message[:n])
			message = message[n:]
		}
		rest = rest[head+length:]
	}
	f.buf = append(f.buf[:0], rest...)
	if cap(f.buf) > 64<<10 && len(f.buf) == 0 {
		f.buf = nil
	}
}

// frameSize reads a frame's head: how long it is, and how long its message is.
// head is 0 while it is not known; ok is false where no frame begins.
func frameSize(b []byte) (head, length int, ok bool) {
	if len(b) < frameHead {
		for i := range min(len(b), 2) {
			if b[i] != [2]byte{0xa5, 0x5a}[i] {
				return 0, 0, false
			}
		}
		return 0, 0, true
	}
	kind := binary.BigEndian.Uint32(b)
	if kind&frameMagicMask != frameMagic || kind&frameFormMask == 0 {
		return 0, 0, false
	}
	length = int(binary.BigEndian.Uint32(b[4:]))
	if kind&frameFormMask == framePlain {
		return frameHead, length, true
	}
	return frameHeadTimed, length, true
}

// flush gives out nothing but unframed lines: half a frame has its rest to come.
func (f *frames) flush(now int64, emit func(int64, []byte)) { f.lines.flush(now, emit) }
