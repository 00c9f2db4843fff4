package edge

import (
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// protocolOf tells in which protocol a request is written, so that a refusal
// can be read by its client. s may be nil: then it is a guess.
func protocolOf(r *http.Request, s *service) schema.Protocol {
	var told schema.Protocol
	switch {
	case len(r.Header["Smithy-Protocol"]) > 0:
		told = schema.CBOR
	case len(r.Header["X-Amz-Target"]) > 0:
		told = schema.AWSJSON
	case strings.HasPrefix(r.Header.Get("Content-Type"), formType), parameter(r.URL.RawQuery, "Action") != "":
		told = schema.Query
	}
	if s == nil {
		if told == "" {
			return schema.RestJSON
		}
		return told
	}
	if told != "" && slices.Contains(s.protocols, told) || len(s.protocols) == 0 {
		return told
	}
	return s.protocols[0]
}

// writeError answers with an error in the form of the request's protocol.
func writeError(w http.ResponseWriter, r *http.Request, s *service, requestID string, e *awserr.Error) {
	protocol := protocolOf(r, s)
	h := w.Header()
	h["X-Amzn-Requestid"] = []string{requestID}
	var body []byte
	switch protocol {
	case schema.CBOR:
		h["Content-Type"] = []string{"application/cbor"}
		h["Smithy-Protocol"] = []string{"rpc-v2-cbor"}
		body = []byte{0xa2} // a map of two pairs
		for _, text := range []string{"__type", e.Code, "message", e.Message} {
			body = appendCBORText(body, text)
		}
	case schema.Query, schema.RestXML:
		h["Content-Type"] = []string{"text/xml"}
		body = errorXML(protocol, requestID, e)
	default:
		h["Content-Type"] = []string{"application/json"}
		if protocol == schema.AWSJSON {
			h["Content-Type"] = []string{"application/x-amz-json-1.1"}
			if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.0") {
				h["Content-Type"] = []string{"application/x-amz-json-1.0"}
			}
		}
		h["X-Amzn-Errortype"] = []string{e.Code}
		var err error
		body, err = json.Marshal(struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}{e.Code, e.Message})
		if err != nil {
			panic(err) // two strings always marshal
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that has gone has no use for it
	}
}

// appendCBORText appends a text string (RFC 8949, major type 3).
func appendCBORText(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 24:
		b = append(b, 0x60|byte(n))
	case n < 1<<8:
		b = append(b, 0x78, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x79), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0x7a), uint32(n))
	}
	return append(b, s...)
}

// errorXML is the body of S3's errors, and of the Query services'.
func errorXML(protocol schema.Protocol, requestID string, e *awserr.Error) []byte {
	type detail struct {
		Type      string `xml:"Type,omitempty"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId,omitempty"`
	}
	var body []byte
	var err error
	if protocol == schema.RestXML {
		body, err = xml.Marshal(struct {
			XMLName xml.Name `xml:"Error"`
			detail
		}{detail: detail{Code: e.Code, Message: e.Message, RequestID: requestID}})
	} else {
		fault := "Sender"
		if e.Status >= 500 {
			fault = "Receiver"
		}
		body, err = xml.Marshal(struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			Error     detail
			RequestID string `xml:"RequestId"`
		}{Error: detail{Type: fault, Code: e.Code, Message: e.Message}, RequestID: requestID})
	}
	if err != nil {
		panic(err) // strings always marshal
	}
	return append([]byte(xml.Header), body...)
}
