package kafka

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/test/daemon"
	"github.com/paddock-run/paddock/test/eventsource/collect"
	"github.com/paddock-run/paddock/test/kafka/broker"
	"github.com/paddock-run/paddock/test/sdk"
)

// BenchmarkThroughput takes records of 256 bytes that are in a topic of four
// partitions already to a function in Go, in batches of 10 and of 100 (Lambda's
// default). CPU figures are per record: the daemon's and the functions'.
func BenchmarkThroughput(b *testing.B) {
	for _, c := range []struct {
		name string
		size int32
	}{{"by10", 10}, {"by100", 100}} {
		b.Run(c.name, func(b *testing.B) {
			kafka := broker.Shared(b)
			d := daemon.Own(b, append([]string{"--msk", cluster + "=" + kafka.Plaintext}, sdk.ReachGates...)...)
			clients, to := sdk.For(b, d), collect.New(b)
			function := clients.Create(b, to.Function(b))
			const partitions, warm = 4, 1000
			topic, producer := kafka.Topic(b, partitions), kafka.Client(b)
			fill := func(first, end int) {
				b.Helper()
				padding := strings.Repeat("0123456789abcdef", 16)[8:]
				var records []*kgo.Record
				for n := first; n < end; n++ {
					records = append(records, &kgo.Record{Topic: topic, Partition: int32(n % partitions), Value: []byte(collect.Body(uint32(n)) + padding)})
				}
				if err := producer.ProduceSync(b.Context(), records...).FirstErr(); err != nil {
					b.Fatal(err)
				}
			}
			fill(0, warm)
			made, err := clients.Lambda.CreateEventSourceMapping(sdk.Context(b), &lambda.CreateEventSourceMappingInput{
				FunctionName: &function, EventSourceArn: new(cluster), Topics: []string{topic},
				StartingPosition: types.EventSourcePositionTrimHorizon, BatchSize: &c.size,
			})
			if err != nil {
				b.Fatal(err)
			}
			to.AwaitAll(b, warm)
			turn := func(enabled bool, state string) {
				b.Helper()
				if _, err := clients.Lambda.UpdateEventSourceMapping(sdk.Context(b), &lambda.UpdateEventSourceMappingInput{UUID: made.UUID, Enabled: &enabled}); err != nil {
					b.Fatal(err)
				}
				sdk.Eventually(b, "the mapping is "+state, func() bool {
					out, err := clients.Lambda.GetEventSourceMapping(sdk.Context(b), &lambda.GetEventSourceMappingInput{UUID: made.UUID})
					return err == nil && *out.State == state
				})
			}
			turn(false, "Disabled")
			fill(warm, warm+b.N)
			use := to.Measure(b, d.PID())
			turn(true, "Enabled")
			to.AwaitAll(b, warm+1) // the group is there
			before := to.Count()
			b.ResetTimer()
			to.AwaitAll(b, warm+b.N)
			b.StopTimer()
			use.Report(b)
			b.ReportMetric(float64(warm+b.N-before)/b.Elapsed().Seconds(), "messages/s")
			if twice := to.Repeated(); twice > 0 {
				b.Errorf("%d records came more than once", twice)
			}
		})
	}
}
