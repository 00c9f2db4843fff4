// Package plan compiles a shape of a service's schema together with the Go
// type that holds it into a Node: what a codec needs to know of every value,
// found once and kept, so that no request looks anything up by name in
// reflection.
package plan

import (
	"cmp"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"

	"github.com/paddock-run/paddock/internal/wire/schema"
)

// Node is one shape held by one Go type. A pointer type and its base type are
// two nodes. Nodes are immutable once Cache.Of has returned them; recursive
// shapes have recursive nodes.
type Node struct {
	ID    schema.ShapeID
	Shape *schema.Shape
	Kind  schema.Kind
	Type  reflect.Type // as the holder declares it, pointer included
	Ptr   bool         // Type is a pointer, and nil means absent
	Size  int          // bytes that one value takes in memory, without what it points to

	// Elem is the element of a list, the value of a map, or the union of a
	// stream of events, which is held by a function.
	Elem *Field
	Key  *Field // the key
	// Sparse lists and maps may hold nulls.
	Sparse bool

	// Structures and unions: the i-th field is the i-th member.
	Fields []Field
	// Body holds the indices of the fields that stand in the body of a request.
	Body []int
	// BodyOut is Body for a response: a response has neither path nor query
	// string, so what a request would bind to these stands in its body.
	BodyOut []int
	// Bound holds the indices of the fields that stand elsewhere: in the URI,
	// the headers, the status.
	Bound []int
	// Payload is the index of the field that is the whole body, or -1.
	Payload int
	// OwnMessage says that the Go struct of an exception has one field more than
	// the model has members, a *string called Message: every protocol has a
	// place for an error's message, whether a model names it or not.
	OwnMessage bool
	// Defaults holds the indices of the fields whose model has a default.
	Defaults []int

	all    []int
	byName map[string]int // Member.Name
	byWire map[string]int // the name in a body
	byXML  map[string]int // the name in an XML body
}

// Field is a member of a structure or union, or the element, key or value of
// a list or map.
type Field struct {
	*Node
	Member *schema.Member
	// Wire is the name in a document: Member.LocationName for members of the
	// body, else Member.Name, since a header's name is no document's.
	Wire string
	// XML is the element's name. A flattened list or map has the member's own
	// name, or, where botocore's models give only the list's element one, that.
	XML string
	// Query is the name in awsQuery: XML, but for services that name a member
	// otherwise there.
	Query string
	// Format is the member's timestamp format, else the target's, else
	// TimestampDefault.
	Format schema.TimestampFormat
	// Flattened lists and maps have no wrapper element in XML and query.
	Flattened bool
	// Default is the model's default, invalid where there is none.
	Default reflect.Value
}

// Named returns the index of the member called name in the model, or -1.
func (n *Node) Named(name string) int {
	if i, ok := n.byName[name]; ok {
		return i
	}
	return -1
}

// Wired returns the index of the member that a document calls name, or -1. It
// does not allocate.
func (n *Node) Wired(name []byte) int {
	if i, ok := n.byWire[string(name)]; ok {
		return i
	}
	return -1
}

// InXML returns the index of the member that an XML element called name holds,
// or -1.
func (n *Node) InXML(name string) int {
	if i, ok := n.byXML[name]; ok {
		return i
	}
	return -1
}

// Target returns the settable value that v holds, made where v is a nil pointer.
func (n *Node) Target(v reflect.Value) reflect.Value {
	if !n.Ptr {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(n.Type.Elem()))
	}
	return v.Elem()
}

// Value returns what v holds, and false where it is absent: a nil pointer,
// slice, map, interface or function.
func (n *Node) Value(v reflect.Value) (reflect.Value, bool) {
	if n.Ptr {
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface, reflect.Func, reflect.Pointer:
		return v, !v.IsNil()
	}
	return v, true
}

// Cache holds the nodes of one service. Its zero value is not usable: use For.
type Cache struct {
	svc   *schema.Service
	nodes sync.Map // cacheKey → *Node
	mu    sync.Mutex
}

type cacheKey struct {
	id  schema.ShapeID
	typ reflect.Type
}

var caches sync.Map // *schema.Service → *Cache

// For returns the cache of svc, one for the whole process: every codec of a
// service shares its nodes.
func For(svc *schema.Service) *Cache {
	if c, ok := caches.Load(svc); ok {
		return c.(*Cache)
	}
	c, _ := caches.LoadOrStore(svc, &Cache{svc: svc})
	return c.(*Cache)
}

// Of returns the node of shape id held by typ. It panics where the type cannot
// hold the shape: the generated code and its table do not fit each other.
func (c *Cache) Of(id schema.ShapeID, typ reflect.Type) *Node {
	key := cacheKey{id, typ}
	if n, ok := c.nodes.Load(key); ok {
		return n.(*Node)
	}
	// Nodes under construction are kept apart until the whole graph is done:
	// another goroutine must not see half a recursive node.
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &builder{c: c, made: map[cacheKey]*Node{}}
	n := b.node(id, typ)
	for k, made := range b.made {
		c.nodes.Store(k, made)
	}
	return n
}

type builder struct {
	c    *Cache
	made map[cacheKey]*Node
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	readerType = reflect.TypeFor[io.Reader]()
	bytesType  = reflect.TypeFor[[]byte]()
	stringType = reflect.TypeFor[*string]()
)

func (b *builder) node(id schema.ShapeID, typ reflect.Type) *Node {
	key := cacheKey{id, typ}
	if n, ok := b.c.nodes.Load(key); ok {
		return n.(*Node)
	}
	if n, ok := b.made[key]; ok {
		return n
	}
	shape := b.c.svc.Shape(id)
	n := &Node{ID: id, Shape: shape, Kind: shape.Kind, Type: typ, Payload: -1}
	b.made[key] = n
	base := typ
	if typ.Kind() == reflect.Pointer {
		n.Ptr = true
		base = typ.Elem()
	}
	n.Size = int(base.Size())
	switch shape.Kind {
	case schema.KindStructure, schema.KindUnion:
		// An event stream is a function that emits the union's values.
		if shape.Traits.Has(schema.EventStream) && base.Kind() == reflect.Func {
			b.must(base.NumIn() == 1 && base.In(0).Kind() == reflect.Func && base.In(0).NumIn() == 1, n)
			n.Elem = &Field{Node: b.node(id, base.In(0).In(0))}
			return n
		}
		b.structure(n, base)
	case schema.KindList:
		b.must(base.Kind() == reflect.Slice && len(shape.Members) == 1, n)
		n.Sparse = shape.Traits.Has(schema.Sparse)
		n.Elem = new(b.field(&shape.Members[0], base.Elem()))
	case schema.KindMap:
		b.must(base.Kind() == reflect.Map && len(shape.Members) == 2 && base.Key().Kind() == reflect.String, n)
		n.Sparse = shape.Traits.Has(schema.Sparse)
		n.Key = new(b.field(&shape.Members[0], base.Key()))
		n.Elem = new(b.field(&shape.Members[1], base.Elem()))
	default:
		b.must(holds(shape.Kind, base), n)
	}
	return n
}

func (b *builder) structure(n *Node, base reflect.Type) {
	b.must(base.Kind() == reflect.Struct, n)
	if n.Shape.Traits.Has(schema.Exception) && base.NumField() == len(n.Shape.Members)+1 {
		last := base.Field(base.NumField() - 1)
		b.must(last.Name == "Message" && last.Type == stringType, n)
		n.OwnMessage = true
	} else {
		b.must(base.NumField() == len(n.Shape.Members), n)
	}
	n.Fields = make([]Field, len(n.Shape.Members))
	// Never nil: to the codecs nil means every field.
	n.Body, n.BodyOut = []int{}, []int{}
	n.byName = make(map[string]int, len(n.Fields))
	n.byWire = make(map[string]int, len(n.Fields))
	n.byXML = make(map[string]int, len(n.Fields))
	for i := range n.Shape.Members {
		m := &n.Shape.Members[i]
		f := b.field(m, base.Field(i).Type)
		if m.Default != "" {
			if f.Default = b.fallback(&f); f.Default.IsValid() {
				n.Defaults = append(n.Defaults, i)
			}
		}
		n.Fields[i] = f
		n.all = append(n.all, i)
		n.byName[m.Name] = i
		n.byWire[f.Wire] = i
		n.byXML[f.XML] = i
		switch {
		case m.Traits.Has(schema.Payload):
			n.Payload = i
			continue
		case m.Location != schema.InBody:
			n.Bound = append(n.Bound, i)
		default:
			n.Body = append(n.Body, i)
		}
		switch m.Location {
		case schema.InBody, schema.InURI, schema.InQuery, schema.InQueryParams:
			n.BodyOut = append(n.BodyOut, i)
		}
	}
}

func (b *builder) field(m *schema.Member, typ reflect.Type) Field {
	f := Field{Node: b.node(m.Target, typ), Member: m, Wire: m.Name, Format: m.TimestampFormat}
	if m.Location == schema.InBody && m.LocationName != "" {
		f.Wire = m.LocationName
	}
	shape := b.c.svc.Shape(m.Target)
	if f.Format == schema.TimestampDefault {
		f.Format = shape.TimestampFormat
	}
	f.Flattened = m.Traits.Has(schema.MemberFlattened) || shape.Traits.Has(schema.Flattened)
	f.XML = f.Wire
	if f.Flattened && m.LocationName == "" && shape.Kind == schema.KindList && shape.Members[0].LocationName != "" {
		f.XML = shape.Members[0].LocationName
	}
	f.Query = cmp.Or(m.QueryName, f.XML)
	return f
}

// holds reports whether a value of a simple kind fits typ.
func holds(k schema.Kind, typ reflect.Type) bool {
	switch k {
	case schema.KindBoolean:
		return typ.Kind() == reflect.Bool
	case schema.KindByte:
		return typ.Kind() == reflect.Int8
	case schema.KindShort:
		return typ.Kind() == reflect.Int16
	case schema.KindInteger:
		return typ.Kind() == reflect.Int32
	case schema.KindLong:
		return typ.Kind() == reflect.Int64
	case schema.KindFloat:
		return typ.Kind() == reflect.Float32
	case schema.KindDouble:
		return typ.Kind() == reflect.Float64
	case schema.KindString:
		return typ.Kind() == reflect.String
	case schema.KindBlob:
		return typ == bytesType || typ.Implements(readerType)
	case schema.KindTimestamp:
		return typ == timeType
	case schema.KindDocument:
		return typ.Kind() == reflect.Interface && typ.NumMethod() == 0
	}
	return false
}

func (b *builder) must(ok bool, n *Node) {
	if !ok {
		panic(fmt.Sprintf("plan: %s: %s cannot hold shape %s", b.c.svc.ID, n.Type, n.Shape.Name))
	}
}

// Except returns the indices of all fields but i.
func (n *Node) Except(i int) []int {
	out := make([]int, 0, len(n.Fields))
	for j := range n.Fields {
		if j != i {
			out = append(out, j)
		}
	}
	return out
}

// All returns the indices of all fields.
func (n *Node) All() []int { return n.all }
