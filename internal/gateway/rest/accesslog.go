package rest

import (
	"strings"
	"time"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/restapi"
)

// accessLog writes a line for each request to a log group.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
type accessLog struct {
	account, region, group, stream string
	format                         format
}

// newAccessLog reads a stage's setting, nil where there is none.
func newAccessLog(s *restapi.ServedStage) *accessLog {
	if s.AccessLog == nil {
		return nil
	}
	to, err := arn.Parse(s.AccessLog.DestinationARN)
	group, ok := strings.CutPrefix(to.Resource, "log-group:")
	if err != nil || !ok {
		return nil // the control plane takes log groups only
	}
	return &accessLog{account: to.Account, region: to.Region, group: strings.TrimSuffix(group, ":*"), stream: streamName(s.Name),
		format: parseFormat(s.AccessLog.Format)}
}

func (a *accessLog) write(c *call) {
	c.gateway.Logs.Append(a.account, a.region, a.group, a.stream, []LogEvent{{
		Timestamp: time.Now().UnixMilli(), Message: strings.TrimSuffix(a.format.render(c, "-"), "\n"),
	}})
}
