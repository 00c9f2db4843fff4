package wiretest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"reflect"
	"sort"
	"strings"
)

// SameBody compares a body with what a test wants, by its media type: JSON and
// CBOR by value, XML by elements (in any order, as maps have none), the rest
// byte by byte.
func SameBody(mediaType, want string, got []byte) error {
	switch {
	case strings.HasSuffix(mediaType, "json"):
		var w, g any
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			return fmt.Errorf("the test's own body: %w", err)
		}
		if err := json.Unmarshal(got, &g); err != nil {
			return fmt.Errorf("body %q: %w", got, err)
		}
		return same(w, g)
	case strings.HasSuffix(mediaType, "xml"):
		w, err := parseXML(want)
		if err != nil {
			return fmt.Errorf("the test's own body: %w", err)
		}
		g, err := parseXML(string(got))
		if err != nil {
			return fmt.Errorf("body %q: %w", got, err)
		}
		if w != g {
			return fmt.Errorf("want %s\n got %s", w, g)
		}
		return nil
	case strings.HasSuffix(mediaType, "cbor"):
		raw, err := base64.StdEncoding.DecodeString(want)
		if err != nil {
			return fmt.Errorf("the test's own body: %w", err)
		}
		w, rest, err := parseCBOR(raw)
		if err != nil || len(rest) > 0 {
			return fmt.Errorf("the test's own body has %d bytes after it: %w", len(rest), err)
		}
		g, rest, err := parseCBOR(got)
		if err != nil || len(rest) > 0 {
			return fmt.Errorf("body %x has %d bytes after it: %w", got, len(rest), err)
		}
		return same(w, g)
	}
	if want != string(got) {
		return fmt.Errorf("want body %q\n     got %q", want, got)
	}
	return nil
}

func same(want, got any) error {
	if !reflect.DeepEqual(want, got) {
		w, _ := json.Marshal(want)
		g, _ := json.Marshal(got)
		return fmt.Errorf("want %s\n got %s", w, g)
	}
	return nil
}

type element struct {
	name     string
	children []string
	text     strings.Builder
}

// parseXML writes a document in a canonical form. What only a live service has
// (the request's ID, the namespace of an ErrorResponse, which the tests leave
// out and AWS sends) is left out.
func parseXML(doc string) (string, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	stack := []*element{{}}
	for {
		tok, err := d.RawToken()
		if err == io.EOF {
			return strings.Join(stack[0].children, ""), nil
		}
		if err != nil {
			return "", err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			var attrs []string
			for _, a := range t.Attr {
				if t.Name.Local == "ErrorResponse" && a.Name.Local == "xmlns" {
					continue
				}
				attrs = append(attrs, fmt.Sprintf(" %s:%s=%q", a.Name.Space, a.Name.Local, a.Value))
			}
			sort.Strings(attrs)
			stack = append(stack, &element{name: t.Name.Space + ":" + t.Name.Local + strings.Join(attrs, "")})
		case xml.CharData:
			stack[len(stack)-1].text.Write(t)
		case xml.EndElement:
			e := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			parent := stack[len(stack)-1]
			switch t.Name.Local {
			case "ResponseMetadata", "RequestId", "HostId":
				continue
			}
			text := e.text.String()
			if len(e.children) > 0 {
				text = strings.TrimSpace(text)
				sort.SliceStable(e.children, func(i, j int) bool { return tag(e.children[i]) < tag(e.children[j]) })
			}
			if strings.TrimSpace(text) == "" {
				text = strings.TrimSpace(text)
			}
			parent.children = append(parent.children, "<"+e.name+">"+text+strings.Join(e.children, "")+"</>")
		}
	}
}

// tag is what siblings are sorted by: the name of the element, so that the
// elements of a list keep their order. Entries of maps go by all they hold.
func tag(s string) string {
	end := strings.IndexByte(s, '>')
	if strings.HasPrefix(s, "<:entry") || strings.HasPrefix(s, "<:myMap") || strings.HasPrefix(s, "<:KVP") || strings.HasPrefix(s, "<:baz") {
		return s
	}
	return s[:end]
}

// parseCBOR reads one item: a second reader, written apart from the codec's,
// so that no mistake of one excuses the other's. Byte strings are base64,
// floats of all sizes are one type, and integers too.
func parseCBOR(b []byte) (any, []byte, error) {
	if len(b) == 0 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	major, info := b[0]>>5, b[0]&31
	b = b[1:]
	var arg uint64
	switch {
	case info < 24:
		arg = uint64(info)
	case info < 28:
		n := 1 << (info - 24)
		if len(b) < n {
			return nil, nil, io.ErrUnexpectedEOF
		}
		arg = binary.BigEndian.Uint64(append(bytes.Repeat([]byte{0}, 8-n), b[:n]...))
		b = b[n:]
	case info < 31:
		return nil, nil, fmt.Errorf("invalid item")
	}
	open := info == 31
	switch major {
	case 0:
		return float64(arg), b, nil
	case 1:
		return -1 - float64(arg), b, nil
	case 2, 3:
		var s []byte
		if open {
			for len(b) > 0 && b[0] != 0xFF {
				part, rest, err := parseCBOR(b)
				if err != nil {
					return nil, nil, err
				}
				s, b = append(s, part.(string)...), rest
			}
			return string(s), b[1:], nil
		}
		if uint64(len(b)) < arg {
			return nil, nil, io.ErrUnexpectedEOF
		}
		return string(b[:arg]), b[arg:], nil
	case 4, 5:
		list, m := []any{}, map[string]any{}
		for i := uint64(0); open && len(b) > 0 && b[0] != 0xFF || !open && i < arg; i++ {
			item, rest, err := parseCBOR(b)
			if err != nil {
				return nil, nil, err
			}
			b = rest
			if major == 4 {
				list = append(list, item)
				continue
			}
			if m[item.(string)], b, err = parseCBOR(b); err != nil {
				return nil, nil, err
			}
		}
		if open {
			b = b[1:]
		}
		if major == 4 {
			return list, b, nil
		}
		return m, b, nil
	case 6:
		item, rest, err := parseCBOR(b)
		return map[string]any{fmt.Sprint("tag ", arg): item}, rest, err
	}
	switch info {
	case 20, 21:
		return info == 21, b, nil
	case 22, 23:
		return nil, b, nil
	case 25:
		return plain(halfFloat(uint16(arg))), b, nil
	case 26:
		return plain(float64(math.Float32frombits(uint32(arg)))), b, nil
	case 27:
		return plain(math.Float64frombits(arg)), b, nil
	}
	return nil, nil, fmt.Errorf("unknown simple value %d", info)
}

// plain is a float that equals itself.
func plain(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Sprint(x)
	}
	return x
}

func halfFloat(h uint16) float64 {
	x := float64(h&0x3FF) / 1024
	exp := int(h >> 10 & 31)
	switch exp {
	case 31:
		if x != 0 {
			return math.NaN()
		}
		x = math.Inf(1)
	case 0:
		x = math.Ldexp(x, -14)
	default:
		x = math.Ldexp(1+x, exp-15)
	}
	if h>>15 == 1 {
		x = -x
	}
	return x
}
