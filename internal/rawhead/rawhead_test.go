package rawhead

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ConnContext: With,
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateIdle {
				c.(*Conn).Next()
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, Name(r.Context(), "Day")+" "+Name(r.Context(), "X-Two")+" "+Name(r.Context(), "X-None"))
		}),
	}
	go server.Serve(Listen(l))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for i, names := range [][2]string{{"day", "x-TWO"}, {"Day", "X-Two"}, {"DAY", "x-two"}} {
		req, err := http.NewRequest("POST", "http://"+l.Addr().String(), strings.NewReader(strings.Repeat("\nX-None: in the body", 10000*i)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{names[0]: {"1"}, names[1]: {"2"}}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := names[0] + " " + names[1] + " X-None"; string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := Name(context.Background(), "Day"); got != "Day" {
		t.Errorf("without a connection: %q", got)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nday: x\r\n\r\n"), "Day")
	f.Fuzz(func(t *testing.T, head []byte, name string) {
		if got := find(head, name); !strings.EqualFold(got, name) && got != name {
			t.Errorf("%q is no way to write %q", got, name)
		}
	})
}
