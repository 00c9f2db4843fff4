package rest

import (
	"bytes"
	"encoding/base64"
)

func encodeBase64(body []byte) []byte {
	return base64.StdEncoding.AppendEncode(nil, body)
}

// decodeBase64 takes the standard alphabet, with line breaks.
func decodeBase64(body []byte) ([]byte, error) {
	return base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(body))
}
