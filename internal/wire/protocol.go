package wire

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/paddock-run/paddock/internal/wire/awsjson"
	"github.com/paddock-run/paddock/internal/wire/body"
	"github.com/paddock-run/paddock/internal/wire/cbor"
	"github.com/paddock-run/paddock/internal/wire/query"
	"github.com/paddock-run/paddock/internal/wire/restjson"
	"github.com/paddock-run/paddock/internal/wire/restxml"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

func newCodec(svc *schema.Service, p schema.Protocol, limits body.Limits) codec {
	switch p {
	case schema.RestJSON:
		return restjson.New(svc, limits)
	case schema.RestXML:
		return restxml.New(svc, limits)
	case schema.AWSJSON:
		return awsjson.New(svc, limits)
	case schema.Query:
		return query.New(svc, limits)
	case schema.CBOR:
		return cbor.New(svc, limits)
	}
	panic(fmt.Sprintf("wire: %s: unknown protocol %q", svc.ID, p))
}

// choose tells which of the service's protocols r speaks. Where nothing tells,
// it is the first: its error form is what the client most likely understands.
func (s *Server) choose(r *http.Request) schema.Protocol {
	if s.codecs[schema.CBOR] != nil && strings.EqualFold(r.Header.Get("Smithy-Protocol"), "rpc-v2-cbor") {
		return schema.CBOR
	}
	if s.codecs[schema.AWSJSON] != nil && (r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json")) {
		return schema.AWSJSON
	}
	if s.codecs[schema.Query] != nil && (isForm(r) || r.URL.Query().Has("Action")) {
		return schema.Query
	}
	for _, p := range []schema.Protocol{schema.RestJSON, schema.RestXML} {
		if s.codecs[p] != nil {
			return p
		}
	}
	return s.svc.Protocols[0]
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/x-www-form-urlencoded")
}
