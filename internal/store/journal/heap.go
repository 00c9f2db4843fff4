package journal

// heap is a binary heap whose items know their place in it, so that they can be
// taken out of its middle.
type heap[T any] struct {
	items  []*T
	before func(a, b *T) bool
	place  func(*T) *int32 // -1: in none
}

func (h *heap[T]) len() int { return len(h.items) }

// first is the one before all others; nil where there is none.
func (h *heap[T]) first() *T {
	if len(h.items) == 0 {
		return nil
	}
	return h.items[0]
}

func (h *heap[T]) push(item *T) {
	h.items = append(h.items, item)
	*h.place(item) = int32(len(h.items) - 1)
	h.up(len(h.items) - 1)
}

func (h *heap[T]) remove(item *T) {
	i, last := int(*h.place(item)), len(h.items)-1
	*h.place(item) = -1
	moved := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	if i == last {
		return
	}
	h.items[i] = moved
	*h.place(moved) = int32(i)
	h.fix(moved)
}

// fix puts an item whose order has changed where it belongs.
func (h *heap[T]) fix(item *T) {
	i := int(*h.place(item))
	if !h.up(i) {
		h.down(i)
	}
}

func (h *heap[T]) up(i int) bool {
	item, began := h.items[i], i
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(item, h.items[parent]) {
			break
		}
		h.set(i, h.items[parent])
		i = parent
	}
	h.set(i, item)
	return i != began
}

func (h *heap[T]) down(i int) {
	item := h.items[i]
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			break
		}
		if other := child + 1; other < len(h.items) && h.before(h.items[other], h.items[child]) {
			child = other
		}
		if !h.before(h.items[child], item) {
			break
		}
		h.set(i, h.items[child])
		i = child
	}
	h.set(i, item)
}

func (h *heap[T]) set(i int, item *T) {
	h.items[i] = item
	*h.place(item) = int32(i)
}
