package edge

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/wire/schema"
)

// queuePath reads the path of a queue's URL: /{account}/{name}, and LocalStack's
// /queue/{region}/{account}/{name}. The region is empty where there is none.
func queuePath(path string) (region string, ok bool) {
	first, rest := cutSegment(path[1:])
	if first == "queue" {
		region, rest = cutSegment(rest[1:])
		if !validRegion(region) {
			return "", false
		}
		first, rest = cutSegment(rest[1:])
	}
	return region, arn.IsAccount(first) && len(rest) > 1 && strings.IndexByte(rest[1:], '/') < 0
}

// withQueueURL returns the URL of a request to a queue's own URL with that as
// its QueueUrl parameter, nil where it has one or wants none. Clients of SQS's
// Query days name the queue by posting to its URL, some by that alone.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html
func (x *exchange) withQueueURL(r *http.Request) *url.URL {
	path := escapedPath(r)
	if _, ok := queuePath(path); !ok || protocolOf(r, x.service) != schema.Query || parameter(r.URL.RawQuery, "QueueUrl") != "" {
		return nil
	}
	out := *r.URL
	out.RawQuery = "QueueUrl=" + url.QueryEscape(x.id.BaseURL+path)
	if r.URL.RawQuery != "" {
		out.RawQuery = r.URL.RawQuery + "&" + out.RawQuery
	}
	return &out
}
