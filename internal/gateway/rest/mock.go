package rest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
)

// mock is the backend of MOCK integrations: it answers with the status code that
// the request template makes.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html
type mock struct{}

// looseStatus finds the status code in what is nearly JSON, as API Gateway does:
// {statusCode: 200}, {'statusCode': 200}.
var looseStatus = regexp.MustCompile(`^\s*\{[^{}]*?['"]?statusCode['"]?\s*:\s*['"]?([0-9]{3})\b`)

func (mock) send(c *call, req *backendRequest) (*backendResponse, *Failure) {
	status, ok := mockStatus(req.body)
	if !ok {
		return nil, fail(configurationError, "Execution failed due to configuration error: Unable to parse statusCode. It should be an integer in the range of 100 - 599.")
	}
	return &backendResponse{status: status, header: http.Header{}}, nil
}

func mockStatus(body []byte) (int, bool) {
	var in struct {
		StatusCode json.Number `json:"statusCode"`
	}
	text := ""
	if err := json.Unmarshal(body, &in); err == nil {
		text = in.StatusCode.String()
	} else if m := looseStatus.FindSubmatch(body); m != nil {
		text = string(m[1])
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 100 && n <= 599
}
