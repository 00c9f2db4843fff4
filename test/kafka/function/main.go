// Function logs the records of Kafka that it gets, as AWS's library for Go reads
// them.
package main

import (
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(e events.KafkaEvent) error {
		for partition, records := range e.Records {
			for _, r := range records {
				value, err := base64.StdEncoding.DecodeString(r.Value)
				if err != nil {
					return err
				}
				fmt.Printf("GO %s %s %s %s", e.EventSource, e.EventSourceARN, partition, value)
				for _, h := range r.Headers {
					for k, v := range h {
						fmt.Printf(" %s=%s", k, v)
					}
				}
				fmt.Println()
			}
		}
		return nil
	})
}
