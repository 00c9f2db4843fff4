// Command go says hello: to an HTTP API's request (payload format 2.0), or to an
// event of your own such as {"name": "Ada"}. It runs on provided.al2023:
//
//	CGO_ENABLED=0 go build -tags lambda.norpc -o bootstrap . && zip hello.zip bootstrap
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// event is either kind: an HTTP API's request has a method.
type event struct {
	events.APIGatewayV2HTTPRequest
	Name string `json:"name"`
}

type hello struct {
	Message string `json:"message"`
	From    string `json:"from"`
}

func handle(_ context.Context, e event) (any, error) {
	overHTTP := e.RequestContext.HTTP.Method != ""
	name := e.Name
	if overHTTP {
		name = e.QueryStringParameters["name"]
	}
	if name == "" {
		name = "world"
	}
	slog.Info("saying hello", slog.String("name", name))
	answer := hello{Message: "Hello, " + name + "!", From: lambdacontext.FunctionName}
	if !overHTTP {
		return answer, nil
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusOK,
		Headers:    map[string]string{"content-type": "application/json"},
		Body:       string(body),
	}, nil
}

func main() {
	lambda.Start(handle)
}
