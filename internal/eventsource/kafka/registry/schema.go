package registry

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema is a compiled schema.
type schema struct {
	format string // "AVRO", "PROTOBUF" or "JSON"
	// toJSON validates data and returns it as a JSON document.
	toJSON func(data []byte) ([]byte, error)
}

func compile(ctx context.Context, kind, text string, parts []part) (*schema, error) {
	var toJSON func([]byte) ([]byte, error)
	var err error
	switch kind {
	case "", "AVRO":
		kind = "AVRO"
		toJSON, err = compileAvro(text, parts)
	case "PROTOBUF":
		toJSON, err = compileProtobuf(ctx, text, parts)
	case "JSON":
		toJSON, err = compileJSONSchema(text, parts)
	default:
		return nil, fmt.Errorf("there is no reading a schema of type %q", kind)
	}
	if err != nil {
		return nil, err
	}
	return &schema{kind, toJSON}, nil
}

var errTrailing = errors.New("there is more data than the schema has fields")

func compileAvro(text string, parts []part) (func([]byte) ([]byte, error), error) {
	var names avro.SchemaCache
	for _, p := range parts {
		if _, err := names.Parse(p.text); err != nil {
			return nil, fmt.Errorf("reference %q: %w", p.name, err)
		}
	}
	s, err := names.Parse(text)
	if err != nil {
		return nil, err
	}
	return func(data []byte) ([]byte, error) {
		var v any
		rest, err := s.Decode(data, &v)
		if err != nil {
			return nil, err
		}
		if len(rest) > 0 {
			return nil, errTrailing
		}
		return s.EncodeJSON(v)
	}, nil
}

// mainFile is the name of the schema itself among the files of a Protobuf schema.
const mainFile = "paddock-main.proto"

func compileProtobuf(ctx context.Context, text string, parts []part) (func([]byte) ([]byte, error), error) {
	files := map[string]string{mainFile: text}
	for _, p := range parts {
		files[p.name] = p.text
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(files)})}
	compiled, err := c.Compile(ctx, mainFile)
	if err != nil {
		return nil, err
	}
	// An Any may hold messages of the file and of what it imports.
	file, resolver := compiled[0], compiled.AsResolver()
	return func(data []byte) ([]byte, error) {
		message, data, err := messageOf(file, data)
		if err != nil {
			return nil, err
		}
		m := dynamicpb.NewMessage(message)
		if err := (proto.UnmarshalOptions{Resolver: resolver}).Unmarshal(data, m); err != nil {
			return nil, err
		}
		doc, err := protojson.MarshalOptions{Resolver: resolver}.Marshal(m)
		if err != nil {
			return nil, err
		}
		// protojson varies its white space on purpose.
		var out bytes.Buffer
		if err := json.Compact(&out, doc); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	}, nil
}

// messageOf reads which message of the file the data is: its index, and that of
// each message it is nested in, before it their number, as zigzag varints. A
// single 0 is the first message.
// https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
func messageOf(file protoreflect.FileDescriptor, data []byte) (protoreflect.MessageDescriptor, []byte, error) {
	bad := errors.New("the index of the message is not one of the schema's")
	next := func() (int, bool) {
		v, n := binary.Varint(data)
		if n <= 0 || v < 0 || v > 1<<20 {
			return 0, false
		}
		data = data[n:]
		return int(v), true
	}
	count, ok := next()
	if !ok {
		return nil, nil, bad
	}
	messages := file.Messages()
	if count == 0 {
		if messages.Len() == 0 {
			return nil, nil, bad
		}
		return messages.Get(0), data, nil
	}
	var message protoreflect.MessageDescriptor
	for range count {
		i, ok := next()
		if !ok || i >= messages.Len() {
			return nil, nil, bad
		}
		message = messages.Get(i)
		messages = message.Messages()
	}
	return message, data, nil
}

// mainURL is where a JSON Schema itself is, for those that refer to it.
const mainURL = "paddock:///schema.json"

// partsOnly loads the schemas that the registry gave, and nothing from a disk or
// a network.
type partsOnly map[string]any

func (p partsOnly) Load(url string) (any, error) {
	for _, name := range []string{url, strings.TrimPrefix(url, "paddock:///")} {
		if doc, ok := p[name]; ok {
			return doc, nil
		}
	}
	return nil, fmt.Errorf("the schema refers to %s, which is none of its references", url)
}

func compileJSONSchema(text string, parts []part) (func([]byte) ([]byte, error), error) {
	loader := partsOnly{}
	for _, p := range parts {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(p.text))
		if err != nil {
			return nil, fmt.Errorf("reference %q: %w", p.name, err)
		}
		loader[p.name] = doc
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // Confluent's serializers default to it
	c.UseLoader(loader)
	if err := c.AddResource(mainURL, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile(mainURL)
	if err != nil {
		return nil, err
	}
	return func(data []byte) ([]byte, error) {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if err := s.Validate(v); err != nil {
			return nil, err
		}
		return data, nil
	}, nil
}
