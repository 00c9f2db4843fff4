package vtl

import (
	"math/big"
	"slices"
)

// A Value is what a template works on. It is one of
//
//	nil               null
//	string            java.lang.String
//	bool              java.lang.Boolean
//	int32, int64      java.lang.Integer, java.lang.Long
//	float32, float64  java.lang.Float, java.lang.Double
//	*big.Int          java.math.BigInteger
//	Decimal           java.math.BigDecimal
//	Number            a JSON number, which keeps its text until it is counted with
//	*List, *Map       java.util's lists, sets and maps
//	*Entry, *Iterator what a map's entrySet and a list's iterator hand out
//	Object            whatever the host plugs in
//
// Lists and maps are shared by reference, as in Java, and are not safe for use by
// several goroutines at once.
type Value = any

// Object is a value of the host. Its methods are called by name, without
// reflection.
type Object interface {
	// Property is the value of $object.name; nil: there is none.
	Property(name string) (Value, error)
	// Call is the value of $object.name(args…); found is false where the object
	// has no such method, which makes the reference undefined.
	Call(name string, args []Value) (result Value, found bool, err error)
	// String is what a template prints for it.
	String() string
}

// Assignable is an Object that takes #set($object.name = value).
type Assignable interface {
	Object
	// SetProperty sets a property, or says why not.
	SetProperty(name string, v Value) error
}

// Mapping is an Object that also has a map's methods: keySet, entrySet, values,
// size, isEmpty, containsKey and get come from the map that it hands out.
type Mapping interface {
	Object
	// Map is the whole of it. The template may keep and change it.
	Map() *Map
}

// Number is a JSON number by its text, such as "1.50" or "1e3". It prints as it
// was written, and calculates as the Java number that a JSON reader makes of it:
// an Integer, Long, BigInteger, Double or (over 18 characters) BigDecimal.
type Number string

// character is a java.lang.Character, which charAt makes: it prints like a string,
// but + does not join it.
type character string

// listKind says which Java collection a List stands for.
type listKind uint8

const (
	arrayList  listKind = iota
	jsonArray           // prints as JSON, as json-smart's JSONArray does
	setView             // a key set or entry set: no index
	collection          // a map's values: no index
	fixedArray          // a Java array, which String.split makes; prints as ArrayList does not
)

// List is a Java list, or another of its collections.
type List struct {
	items []Value
	kind  listKind
	of    *viewed // of a map's keys, values or entries; nil: it is a list of its own
}

// viewed is the map behind a view, and the state of it that the view shows.
type viewed struct {
	m       *Map
	list    func(*Map) []Value
	version int
}

// refresh brings a view up to date with its map.
func (l *List) refresh() *List {
	if l.of != nil && l.of.version != l.of.m.version {
		l.items, l.of.version = l.of.list(l.of.m), l.of.m.version
	}
	return l
}

// NewList makes a list of items, which it keeps.
func NewList(items ...Value) *List { return &List{items: items} }

// NewArray makes a list that prints as a JSON array, which is how lists out of a
// JSON payload print in API Gateway. It keeps items.
func NewArray(items ...Value) *List { return &List{items: items, kind: jsonArray} }

// Len is the number of elements.
func (l *List) Len() int { return len(l.items) }

// At is the element at i, from 0 to Len()-1.
func (l *List) At(i int) Value { return l.items[i] }

// Append adds an element at the end.
func (l *List) Append(v Value) { l.items = append(l.items, v) }

// indexed is whether get(i) and the like are there.
func (l *List) indexed() bool { return l.kind != setView && l.kind != collection }

// Entry is a key of a map with its value.
type Entry struct {
	Key, Value Value
	in         *Map
}

// Map is a LinkedHashMap: it keeps the order in which keys first came.
type Map struct {
	entries []*Entry
	index   map[Value]int // over indexFrom entries, else nil
	version int           // counts changes
	mods    int           // counts entries that came or went
}

// indexFrom is the number of entries from which a map is looked up by hash.
const indexFrom = 9

// NewMap makes an empty map with room for n entries.
func NewMap(n int) *Map { return &Map{entries: make([]*Entry, 0, n)} }

// Len is the number of entries.
func (m *Map) Len() int { return len(m.entries) }

// Entry is the i-th entry, from 0 to Len()-1, in the order of insertion.
func (m *Map) Entry(i int) *Entry { return m.entries[i] }

// Get is the value of a key; nil: there is none, or it is null.
func (m *Map) Get(key Value) Value {
	if i := m.find(key); i >= 0 {
		return m.entries[i].Value
	}
	return nil
}

// Lookup is the value of a string key, and whether there is one.
func (m *Map) Lookup(key string) (Value, bool) {
	if i := m.find(key); i >= 0 {
		return m.entries[i].Value, true
	}
	return nil, false
}

// Put sets a key's value and returns the one before, or nil.
func (m *Map) Put(key, v Value) Value {
	m.version++
	if i := m.find(key); i >= 0 {
		before := m.entries[i].Value
		m.entries[i].Value = v
		return before
	}
	m.mods++
	m.entries = append(m.entries, &Entry{Key: key, Value: v, in: m})
	switch {
	case m.index != nil:
		m.index[hashKey(key)] = len(m.entries) - 1
	case len(m.entries) >= indexFrom:
		m.reindex()
	}
	return nil
}

// Remove takes a key out and returns its value, or nil.
func (m *Map) Remove(key Value) Value {
	i := m.find(key)
	if i < 0 {
		return nil
	}
	m.version++
	m.mods++
	before := m.entries[i].Value
	m.entries = slices.Delete(m.entries, i, i+1)
	if m.index != nil {
		m.reindex()
	}
	return before
}

func (m *Map) clear() {
	m.version++
	m.mods++
	m.entries, m.index = nil, nil
}

func (m *Map) reindex() {
	m.index = make(map[Value]int, len(m.entries)*2)
	for i, e := range m.entries {
		m.index[hashKey(e.Key)] = i
	}
}

func (m *Map) find(key Value) int {
	key = hashKey(key)
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return i
		}
		return -1
	}
	if s, ok := key.(string); ok {
		for i, e := range m.entries {
			if k, ok := e.Key.(string); ok && k == s {
				return i
			}
		}
		return -1
	}
	for i, e := range m.entries {
		if hashKey(e.Key) == key {
			return i
		}
	}
	return -1
}

// bigKey tells a BigInteger's key from a string.
type bigKey string

// hashKey is what equal keys have in common, and others do not. Lists and maps
// are keys by identity, which is less than Java's equals.
func hashKey(v Value) Value {
	switch v := v.(type) {
	case Number:
		return hashKey(v.java())
	case *big.Int:
		return bigKey(v.String())
	case Decimal:
		return bigKey(v.String() + "d")
	default:
		return v
	}
}

// Iterator walks a list once.
type Iterator struct {
	items []Value
	next  int
	watch watcher
}
