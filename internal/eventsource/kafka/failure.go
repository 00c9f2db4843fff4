package kafka

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/paddock-run/paddock/internal/function"
)

// Why records are given up; the reasons of a schema registry's are in its
// package.
const (
	exhausted = "RetryAttemptsExhausted"
	tooOld    = "RecordAgeExceeded"
	tooLarge  = "MaximumPayloadSizeExceeded"
)

// failure says why records are given up, and after what.
type failure struct {
	condition string
	calls     int       // invocations that had them
	requestID string    // of the last one; empty: there was none
	response  *response // of the last one; nil: it had none that counts
}

// response is the responseContext of a failure record.
type response struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError"`
}

// failureRecord is what an on-failure destination gets.
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html
type failureRecord struct {
	RequestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"`
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	ResponseContext *response       `json:"responseContext"`
	Version         string          `json:"version"`
	Timestamp       string          `json:"timestamp"`
	Batch           batchInfo       `json:"KafkaBatchInfo"`
	Payload         json.RawMessage `json:"payload,omitempty"` // of a Kafka topic's only
}

type batchInfo struct {
	BatchSize        int                  `json:"batchSize"`
	EventSourceARN   string               `json:"eventSourceArn,omitempty"` // a self-managed cluster has none
	BootstrapServers string               `json:"bootstrapServers"`
	PayloadSize      int                  `json:"payloadSize"` // bytes
	RecordsInfo      map[string]rangeInfo `json:"recordsInfo,omitempty"`
	RecordInfo       *recordInfo          `json:"recordInfo,omitempty"` // of a Kafka topic's only
}

// rangeInfo says which of a partition's records a batch had.
type rangeInfo struct {
	FirstRecordOffset    string `json:"firstRecordOffset"`
	LastRecordOffset     string `json:"lastRecordOffset"`
	FirstRecordTimestamp string `json:"firstRecordTimestamp"`
	LastRecordTimestamp  string `json:"lastRecordTimestamp"`
}

type recordInfo struct {
	Offset    string `json:"offset"`
	Timestamp string `json:"timestamp"`
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// exhausted is the failure of records whose last attempt had this result.
func (w *worker) exhausted(calls int, last *function.Result) failure {
	f := failure{condition: exhausted, calls: calls, response: &response{StatusCode: 200, ExecutedVersion: "$LATEST", FunctionError: "Unhandled"}}
	if q := qualifier(w.r.mapping.FunctionARN); q != "" {
		f.response.ExecutedVersion = q
	}
	if last != nil {
		f.requestID = last.RequestID
		if last.ExecutedVersion != "" { // what an alias named
			f.response.ExecutedVersion = last.ExecutedVersion
		}
	}
	return f
}

func (w *worker) failureRecord(items []*item, f failure) *failureRecord {
	rec := &failureRecord{Version: "1.0", Timestamp: timestamp(time.Now()), ResponseContext: f.response}
	if rec.RequestContext.RequestID = f.requestID; f.requestID == "" {
		rec.RequestContext.RequestID = uuid.NewString()
	}
	rec.RequestContext.FunctionARN = w.r.mapping.FunctionARN
	rec.RequestContext.Condition = f.condition
	rec.RequestContext.ApproximateInvokeCount = f.calls
	first, last := items[0], items[len(items)-1]
	rec.Batch = batchInfo{
		BatchSize: len(items), EventSourceARN: w.r.mapping.EventSourceARN, BootstrapServers: strings.Join(w.r.brokers, ","),
		PayloadSize: len(w.event(items)),
		RecordsInfo: map[string]rangeInfo{w.name: {
			FirstRecordOffset: strconv.FormatInt(first.offset, 10), LastRecordOffset: strconv.FormatInt(last.offset, 10),
			FirstRecordTimestamp: timestamp(first.timestamp), LastRecordTimestamp: timestamp(last.timestamp),
		}},
	}
	return rec
}

// topicRecord is the failure record of a single record that a Kafka topic gets,
// with the record itself.
// https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html
func (w *worker) topicRecord(it *item, f failure) *failureRecord {
	rec := w.failureRecord([]*item{it}, f)
	if f.condition == exhausted {
		rec.RequestContext.Condition = "RetriesExhausted" // so it is called there
	}
	if qualifier(w.r.mapping.FunctionARN) == "" {
		rec.RequestContext.FunctionARN += ":$LATEST"
	}
	rec.Batch.RecordsInfo = nil
	rec.Batch.RecordInfo = &recordInfo{strconv.FormatInt(it.offset, 10), timestamp(it.timestamp)}
	rec.Payload = w.event([]*item{it})
	return rec
}

// giveUp sends records to the on-failure destination, and drops them where there
// is none. It tries until they are there; false: the worker is to stop before.
func (w *worker) giveUp(items []*item, f failure) bool {
	w.log.Warn("records are given up", "records", len(items), "first", items[0].offset, "last", items[len(items)-1].offset, "why", f.condition)
	for pause := firstPause; w.r.mapping.OnFailure != ""; pause = min(2*pause, lastPause) {
		left, err := w.deliver(items, f)
		w.r.counts.delivered.Add(float64(len(items) - len(left)))
		items = left
		if err == nil {
			return true
		}
		if w.ctx.Err() != nil {
			return false
		}
		w.r.counts.deliveryErrors.Add(1)
		w.log.Error("the on-failure destination cannot be used", "destination", w.r.mapping.OnFailure, "error", err, "again", pause)
		w.r.processed(w, "PROBLEM: the on-failure destination "+w.r.mapping.OnFailure+" cannot be used: "+err.Error())
		if !w.wait(pause) {
			return false
		}
	}
	w.r.counts.dropped.Add(float64(len(items)))
	return true
}

// deliver returns the records that did not come to the destination.
func (w *worker) deliver(items []*item, f failure) (left []*item, err error) {
	topic, isTopic := strings.CutPrefix(w.r.mapping.OnFailure, kafkaDestination)
	if !isTopic {
		text, err := marshal(w.failureRecord(items, f))
		if err != nil {
			return items, err
		}
		if err := w.r.host.Destinations.Deliver(w.ctx, w.r.mapping, w.r.mapping.OnFailure, text); err != nil {
			return items, err
		}
		return nil, nil
	}
	for i, it := range items {
		rec := w.topicRecord(it, f)
		err := w.produce(topic, it.key, rec)
		if errors.Is(err, kerr.MessageTooLarge) {
			// In base64, and with what else there is to say, a record may be more
			// than the topic takes. It is still where rec says.
			w.log.Warn("a record is too large for the on-failure topic: only what is known of it is sent", "offset", it.offset, "topic", topic)
			rec.Payload = nil
			err = w.produce(topic, it.key, rec)
		}
		if err != nil {
			return items[i:], err
		}
	}
	return nil, nil
}

// produce sends a failure record to a topic. Those of records with the same key
// keep their order.
func (w *worker) produce(topic string, key []byte, rec *failureRecord) error {
	text, err := marshal(rec)
	if err != nil {
		return err
	}
	return w.r.cl.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Key: key, Value: text}).FirstErr()
}
