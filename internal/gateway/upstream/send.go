package upstream

import (
	"bufio"
	"strconv"
)

// send writes a request.
func (k *conn) send(r *Request) error {
	w := k.w
	w.Reset(k.Conn)
	// A bufio.Writer keeps its first error for Flush.
	_, _ = w.WriteString(r.Method)
	_ = w.WriteByte(' ')
	_, _ = w.WriteString(r.RequestURI)
	_, _ = w.WriteString(" HTTP/1.1\r\nHost: ")
	_, _ = w.WriteString(r.Host)
	_, _ = w.WriteString("\r\n")
	for name, values := range r.Header {
		switch name {
		case "Content-Length", "Host", "Transfer-Encoding":
			continue
		}
		if r.replaced(name) || r.Skip != nil && r.Skip(name, values) {
			continue
		}
		for _, v := range values {
			line(w, name, v)
		}
	}
	for _, h := range r.Extra {
		line(w, h.Name, h.Value)
	}
	if len(r.Body) > 0 || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
		var digits [20]byte
		_, _ = w.WriteString("Content-Length: ")
		_, _ = w.Write(strconv.AppendInt(digits[:0], int64(len(r.Body)), 10))
		_, _ = w.WriteString("\r\n")
	}
	_, _ = w.WriteString("\r\n")
	_, _ = w.Write(r.Body)
	return w.Flush()
}

func (r *Request) replaced(name string) bool {
	for i := range r.Extra {
		if r.Extra[i].Name == name {
			return true
		}
	}
	return false
}

func line(w *bufio.Writer, name, value string) {
	_, _ = w.WriteString(name)
	_, _ = w.WriteString(": ")
	for i := range len(value) {
		// What would end the line never comes so far; if it does, it ends nothing.
		if c := value[i]; c == '\r' || c == '\n' || c == 0 {
			value = value[:i] + " " + value[i+1:]
		}
	}
	_, _ = w.WriteString(value)
	_, _ = w.WriteString("\r\n")
}
