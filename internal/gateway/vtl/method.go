package vtl

import (
	"errors"
	"fmt"
	"math/big"
)

var (
	errUnsupported = errors.New("UnsupportedOperationException")
	errNull        = errors.New("NullPointerException")
	errNoElement   = errors.New("NoSuchElementException")
)

// invoke calls a method. One that there is not, or not with these arguments, is
// null, as is what returns null; void is the empty string.
func (e *execution) invoke(of Value, name string, args []Value) (Value, error) {
	if err := e.work(1); err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case string:
		return e.stringMethod(of, name, args)
	case *List:
		return e.listMethod(of, name, args)
	case *Map:
		return e.mapMethod(of, name, args)
	case Object:
		return e.hostMethod(of, name, args)
	case *Entry:
		return e.entryMethod(of, name, args)
	case *Iterator:
		return iteratorMethod(of, name, args)
	case *loop:
		return e.loopMethod(of, name, args)
	case bool:
		return e.boolMethod(of, name, args)
	case character:
		if name == "charValue" && len(args) == 0 {
			return of, nil
		}
		return e.objectMethod(of, name, args)
	case *definition:
		if name == "toString" && len(args) == 0 {
			return of.text(e)
		}
	case Number:
		return e.numberMethod(of.java(), name, args)
	case int32, int64, float32, float64, *big.Int, Decimal:
		return e.numberMethod(of, name, args)
	}
	return nil, nil
}

// hostMethod calls a method of the host's, or else of the map that it is.
func (e *execution) hostMethod(of Object, name string, args []Value) (Value, error) {
	v, found, err := of.Call(name, args)
	if found || err != nil {
		return v, err
	}
	if m, ok := of.(Mapping); ok {
		return e.mapMethod(m.Map(), name, args)
	}
	return e.objectMethod(of, name, args)
}

// objectMethod is what every object has.
func (e *execution) objectMethod(of Value, name string, args []Value) (Value, error) {
	switch {
	case name == "toString" && len(args) == 0:
		return e.text(of, 0)
	case name == "equals" && len(args) == 1:
		if !sameClass(of, args[0]) {
			return false, nil
		}
		return boolean(e.equals(of, args[0], 0))
	case name == "hashCode" && len(args) == 0:
		return e.hash(of, 0)
	}
	return nil, nil
}

func (e *execution) entryMethod(of *Entry, name string, args []Value) (Value, error) {
	switch {
	case name == "getKey" && len(args) == 0:
		return of.Key, nil
	case name == "getValue" && len(args) == 0:
		return of.Value, nil
	case name == "setValue" && len(args) == 1:
		return of.set(args[0]), nil
	}
	return e.objectMethod(of, name, args)
}

func iteratorMethod(of *Iterator, name string, args []Value) (Value, error) {
	if len(args) > 0 {
		return nil, nil
	}
	switch name {
	case "hasNext":
		return of.next < len(of.items), nil
	case "next":
		if _, err := of.watch.changed(-1); err != nil {
			return nil, err
		}
		if of.next >= len(of.items) {
			return nil, errNoElement
		}
		of.next++
		return of.items[of.next-1], nil
	}
	return nil, nil
}

func (e *execution) loopMethod(of *loop, name string, args []Value) (Value, error) {
	if len(args) == 0 {
		switch name {
		case "getIndex":
			return boxInt(of.index), nil
		case "getCount":
			return boxInt(of.index + 1), nil
		case "hasNext", "getHasNext":
			return of.hasNext, nil
		case "isFirst", "getFirst":
			return of.index < 1, nil
		case "isLast", "getLast":
			return !of.hasNext, nil
		case "getParent":
			return of.property("parent"), nil
		case "getTopmost":
			return of.topmost(), nil
		case "getReplaced":
			return of.property("replaced"), nil
		}
	}
	if name == "get" && len(args) == 1 {
		return of.get(args[0]), nil
	}
	if of.storage == nil {
		of.storage = NewMap(1)
	}
	return e.mapMethod(of.storage, name, args)
}

func (e *execution) boolMethod(of bool, name string, args []Value) (Value, error) {
	switch {
	case name == "booleanValue" && len(args) == 0:
		return of, nil
	case name == "compareTo" && len(args) == 1:
		if other, ok := args[0].(bool); ok {
			return int32(btoi(of) - btoi(other)), nil
		}
		return nil, errClass("compareTo wants a boolean")
	case (name == "parseBoolean" || name == "valueOf") && len(args) == 1:
		switch a := args[0].(type) {
		case string:
			return equalFold(a, "true"), nil
		case bool:
			if name == "valueOf" {
				return a, nil
			}
		}
		return nil, nil
	case len(args) == 2 && (name == "logicalAnd" || name == "logicalOr" || name == "logicalXor"):
		a, ok := args[0].(bool)
		b, ok2 := args[1].(bool)
		if !ok || !ok2 {
			return nil, nil
		}
		switch name {
		case "logicalAnd":
			return a && b, nil
		case "logicalOr":
			return a || b, nil
		}
		return a != b, nil
	}
	return e.objectMethod(of, name, args)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// class tells Java classes apart, lists and arrays of all kinds being one but for
// sets and arrays.
func class(v Value) int {
	switch v := v.(type) {
	case string:
		return 1
	case bool:
		return 2
	case int32:
		return 3
	case int64:
		return 4
	case float32:
		return 5
	case float64:
		return 6
	case *big.Int:
		return 7
	case Decimal:
		return 8
	case Number:
		return class(v.java())
	case *List:
		switch v.kind {
		case setView:
			return 10
		case collection:
			return 11
		case fixedArray:
			return 12
		}
		return 9
	case *Map:
		return 13
	case *Entry:
		return 14
	case *loop:
		return 15
	case *definition:
		return 16
	case *Iterator:
		return 17
	case character:
		return 18
	case Object:
		return 19
	}
	return 0
}

func sameClass(a, b Value) bool { return a != nil && b != nil && class(a) == class(b) }

// equals is Java's equals.
func (e *execution) equals(a, b Value, depth int) (bool, error) {
	if depth > maxValueDepth {
		return false, ErrDepth
	}
	if err := e.work(1); err != nil {
		return false, err
	}
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	if !sameClass(a, b) {
		return false, nil
	}
	switch a := a.(type) {
	case *List:
		return e.equalLists(a, b.(*List), depth)
	case *Map:
		return e.equalMaps(a, b.(*Map), depth)
	case *Entry:
		o := b.(*Entry)
		if ok, err := e.equals(a.Key, o.Key, depth+1); !ok || err != nil {
			return false, err
		}
		return e.equals(a.Value, o.Value, depth+1)
	case *big.Int:
		return a.Cmp(b.(*big.Int)) == 0, nil
	case Decimal:
		o, ok := plain(b).(Decimal)
		return ok && a.scale == o.scale && a.unscaled.Cmp(o.unscaled) == 0, nil
	case Number:
		return e.equals(a.java(), plain(b), depth+1)
	}
	return a == plain(b), nil
}

func (e *execution) equalLists(a, b *List, depth int) (bool, error) {
	if a.refresh() == b.refresh() {
		return true, nil
	}
	if a.kind == fixedArray || a.kind == collection || len(a.items) != len(b.items) {
		return false, nil
	}
	for i, v := range a.items {
		if a.kind == setView {
			if at, err := e.indexOf(b.items, v, depth+1); at < 0 || err != nil {
				return false, err
			}
			continue
		}
		if ok, err := e.equals(v, b.items[i], depth+1); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (e *execution) equalMaps(a, b *Map, depth int) (bool, error) {
	if a == b {
		return true, nil
	}
	if len(a.entries) != len(b.entries) {
		return false, nil
	}
	for _, en := range a.entries {
		i := b.find(en.Key)
		if i < 0 {
			return false, nil
		}
		if ok, err := e.equals(en.Value, b.entries[i].Value, depth+1); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// indexOf is where in a list a value is first; -1: nowhere.
func (e *execution) indexOf(items []Value, v Value, depth int) (int, error) {
	for i, item := range items {
		if ok, err := e.equals(v, item, depth); ok || err != nil {
			return i, err
		}
	}
	return -1, nil
}

func errClass(what string) error { return fmt.Errorf("ClassCastException: %s", what) }
