package vtl

import (
	"slices"
	"sort"
)

// listMethod is a method of a list, set or other collection.
func (e *execution) listMethod(l *List, name string, args []Value) (Value, error) {
	l.refresh()
	switch len(args) {
	case 0:
		return e.listMethod0(l, name)
	case 1:
		if l.indexed() {
			if v, found, err := e.listMethodAt(l, name, args[0]); found || err != nil {
				return v, err
			}
		}
		return e.listMethod1(l, name, args[0])
	case 2:
		if l.indexed() {
			return e.listMethod2(l, name, args[0], args[1])
		}
	}
	return nil, nil
}

func (e *execution) listMethod0(l *List, name string) (Value, error) {
	switch name {
	case "size":
		return boxInt(len(l.items)), nil
	case "isEmpty":
		return len(l.items) == 0, nil
	case "iterator", "listIterator":
		return &Iterator{items: l.items, watch: watchFor(l)}, nil
	case "toArray", "clone":
		kind := fixedArray
		if name == "clone" {
			kind = l.kind
		}
		return &List{items: slices.Clone(l.items), kind: kind}, e.work(len(l.items))
	case "clear":
		if l.kind == fixedArray {
			return nil, errUnsupported
		}
		if l.of != nil {
			l.of.m.clear()
		}
		l.items = nil
		return "", nil
	}
	return e.objectMethod(l, name, nil)
}

// listMethodAt is a method that takes an index.
func (e *execution) listMethodAt(l *List, name string, arg Value) (v Value, found bool, err error) {
	switch name {
	case "get", "remove":
	case "indexOf", "lastIndexOf":
		items := l.items
		if name == "lastIndexOf" {
			items = slices.Clone(items)
			slices.Reverse(items)
		}
		at, err := e.indexOf(items, arg, 0)
		if at >= 0 && name == "lastIndexOf" {
			at = len(items) - 1 - at
		}
		return int32(at), true, err
	default:
		return nil, false, nil
	}
	i, ok := asInteger(arg)
	if !ok {
		return nil, false, nil
	}
	if i < 0 || int(i) >= len(l.items) {
		return nil, true, outOfBounds(int(i), len(l.items))
	}
	v = l.items[i]
	if name == "remove" {
		if l.kind == fixedArray {
			return nil, true, errUnsupported
		}
		l.items = slices.Delete(l.items, int(i), int(i)+1)
	}
	return v, true, e.work(len(l.items) / 64)
}

func (e *execution) listMethod1(l *List, name string, arg Value) (Value, error) {
	switch name {
	case "contains":
		at, err := e.indexOf(l.items, arg, 0)
		return boolean(at >= 0, err)
	case "add":
		if l.kind != arrayList && l.kind != jsonArray {
			return nil, errUnsupported
		}
		l.items = append(l.items, arg)
		return true, nil
	case "remove":
		if l.kind == fixedArray {
			return nil, errUnsupported
		}
		at, err := e.indexOf(l.items, arg, 0)
		if err != nil || at < 0 {
			return boolean(false, err)
		}
		if l.of != nil {
			l.of.m.Remove(l.of.m.entries[at].Key)
			return true, nil
		}
		l.items = slices.Delete(l.items, at, at+1)
		return true, nil
	case "sort":
		if arg == nil && l.indexed() {
			return "", e.sort(l.items)
		}
		return nil, nil
	}
	other, ok := asCollection(arg)
	if !ok {
		return e.objectMethod(l, name, []Value{arg})
	}
	switch name {
	case "addAll":
		if l.kind != arrayList && l.kind != jsonArray {
			return nil, errUnsupported
		}
		if err := e.work(len(other)); err != nil {
			return nil, err
		}
		l.items = append(l.items, other...)
		return len(other) > 0, nil
	case "containsAll":
		for _, v := range other {
			if at, err := e.indexOf(l.items, v, 0); at < 0 || err != nil {
				return boolean(false, err)
			}
		}
		return true, nil
	case "removeAll", "retainAll":
		if l.kind == fixedArray {
			return nil, errUnsupported
		}
		return e.filter(l, other, name == "retainAll")
	}
	return e.objectMethod(l, name, []Value{arg})
}

// filter keeps what is in other, or what is not.
func (e *execution) filter(l *List, other []Value, keep bool) (Value, error) {
	var kept []Value
	for _, v := range l.items {
		at, err := e.indexOf(other, v, 0)
		if err != nil {
			return nil, err
		}
		if at >= 0 == keep {
			kept = append(kept, v)
		}
	}
	changed := len(kept) != len(l.items)
	if l.of != nil {
		return nil, errUnsupported
	}
	l.items = kept
	return changed, nil
}

func (e *execution) listMethod2(l *List, name string, a, b Value) (Value, error) {
	i, ok := asInteger(a)
	if !ok {
		return nil, nil
	}
	n := len(l.items)
	switch name {
	case "set":
		if i < 0 || int(i) >= n {
			return nil, outOfBounds(int(i), n)
		}
		before := l.items[i]
		l.items[i] = b
		return before, nil
	case "add", "addAll":
		var other []Value
		if other, ok = []Value{b}, true; name == "addAll" {
			other, ok = asCollection(b)
		}
		switch {
		case !ok:
			return nil, nil
		case l.kind == fixedArray:
			return nil, errUnsupported
		case i < 0 || int(i) > n:
			return nil, outOfBounds(int(i), n)
		}
		if err := e.work(len(other) + n/64); err != nil {
			return nil, err
		}
		l.items = slices.Insert(l.items, int(i), other...)
		if name == "add" {
			return "", nil
		}
		return len(other) > 0, nil
	case "subList":
		to, ok := asInteger(b)
		if !ok {
			return nil, nil
		}
		if i < 0 || int(to) > n || i > to {
			return nil, outOfBounds(int(max(i, to)), n)
		}
		return &List{items: slices.Clone(l.items[i:to])}, e.work(int(to - i))
	}
	return nil, nil
}

// sort puts strings, or numbers of one class, in order.
func (e *execution) sort(items []Value) error {
	if err := e.work(8 * len(items)); err != nil {
		return err
	}
	for _, v := range items {
		_, text := v.(string)
		if !text && !isNumber(v) || !sameClass(v, items[0]) {
			return errClass("the elements cannot be compared")
		}
	}
	sort.SliceStable(items, func(i, j int) bool {
		if s, ok := items[i].(string); ok {
			t, _ := items[j].(string)
			return compareStrings(s, t) < 0
		}
		return compareNumbers(items[i], items[j]) < 0
	})
	return nil
}

// asCollection is a collection's elements; arrays are none.
func asCollection(v Value) ([]Value, bool) {
	l, ok := v.(*List)
	if !ok || l.kind == fixedArray {
		return nil, false
	}
	return l.refresh().items, true
}

// mapMethod is a method of a map.
func (e *execution) mapMethod(m *Map, name string, args []Value) (Value, error) {
	switch len(args) {
	case 0:
		return e.mapMethod0(m, name)
	case 1:
		return e.mapMethod1(m, name, args[0])
	case 2:
		switch name {
		case "put":
			return m.Put(args[0], args[1]), nil
		case "putIfAbsent":
			before := m.Get(args[0])
			if before == nil {
				m.Put(args[0], args[1])
			}
			return before, nil
		case "getOrDefault":
			if m.find(args[0]) < 0 {
				return args[1], nil
			}
			return m.Get(args[0]), nil
		case "replace":
			if m.find(args[0]) < 0 {
				return nil, nil
			}
			return m.Put(args[0], args[1]), nil
		case "remove":
			at := m.find(args[0])
			if at < 0 {
				return false, nil
			}
			ok, err := e.equals(m.entries[at].Value, args[1], 0)
			if ok {
				m.Remove(args[0])
			}
			return boolean(ok, err)
		}
	}
	return nil, nil
}

func (e *execution) mapMethod0(m *Map, name string) (Value, error) {
	switch name {
	case "size":
		return boxInt(len(m.entries)), nil
	case "isEmpty":
		return len(m.entries) == 0, nil
	case "keySet", "values", "entrySet":
		if err := e.work(len(m.entries)); err != nil {
			return nil, err
		}
		return view(m, name), nil
	case "clear":
		m.clear()
		return "", nil
	case "clone":
		c := NewMap(len(m.entries))
		for _, en := range m.entries {
			c.Put(en.Key, en.Value)
		}
		return c, e.work(len(m.entries))
	}
	return e.objectMethod(m, name, nil)
}

// view is a map's keySet, values or entrySet.
func view(m *Map, name string) *List {
	l := &List{kind: setView}
	of := func(en *Entry) Value { return en }
	switch name {
	case "keySet":
		of = func(en *Entry) Value { return en.Key }
	case "values":
		of = func(en *Entry) Value { return en.Value }
		l.kind = collection
	}
	list := func(m *Map) []Value {
		items := make([]Value, len(m.entries))
		for i, en := range m.entries {
			items[i] = of(en)
		}
		return items
	}
	l.items, l.of = list(m), &viewed{m: m, list: list, version: m.version}
	return l
}

func (e *execution) mapMethod1(m *Map, name string, arg Value) (Value, error) {
	switch name {
	case "get":
		return m.Get(arg), nil
	case "containsKey":
		return m.find(arg) >= 0, nil
	case "containsValue":
		for _, en := range m.entries {
			if ok, err := e.equals(arg, en.Value, 0); ok || err != nil {
				return boolean(ok, err)
			}
		}
		return false, nil
	case "remove":
		return m.Remove(arg), e.work(len(m.entries) / 64)
	case "putAll":
		other, ok := arg.(*Map)
		if h, host := arg.(Mapping); host {
			other, ok = h.Map(), true
		}
		if !ok {
			return nil, nil
		}
		if err := e.work(len(other.entries)); err != nil {
			return nil, err
		}
		for _, en := range slices.Clone(other.entries) {
			m.Put(en.Key, en.Value)
		}
		return "", nil
	}
	return e.objectMethod(m, name, []Value{arg})
}
