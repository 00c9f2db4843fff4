package sqs

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/paddock-run/paddock/internal/api/sqs"
)

// The names of attributes that the code reads by name.
const (
	attrPolicy        = string(api.QueueAttributeNamePolicy)
	attrRedrive       = string(api.QueueAttributeNameRedrivePolicy)
	attrRedriveAllow  = string(api.QueueAttributeNameRedriveAllowPolicy)
	attrFIFO          = string(api.QueueAttributeNameFifoQueue)
	attrContentDedup  = string(api.QueueAttributeNameContentBasedDeduplication)
	attrDedupScope    = string(api.QueueAttributeNameDeduplicationScope)
	attrThroughput    = string(api.QueueAttributeNameFifoThroughputLimit)
	attrKMSKey        = string(api.QueueAttributeNameKmsMasterKeyId)
	attrKMSReuse      = string(api.QueueAttributeNameKmsDataKeyReusePeriodSeconds)
	attrManagedSSE    = string(api.QueueAttributeNameSqsManagedSseEnabled)
	attrDelay         = string(api.QueueAttributeNameDelaySeconds)
	attrMaxSize       = string(api.QueueAttributeNameMaximumMessageSize)
	attrRetention     = string(api.QueueAttributeNameMessageRetentionPeriod)
	attrWait          = string(api.QueueAttributeNameReceiveMessageWaitTimeSeconds)
	attrVisibility    = string(api.QueueAttributeNameVisibilityTimeout)
	scopeMessageGroup = "messageGroup"
	perMessageGroup   = "perMessageGroupId"
)

// ranged are the attributes that are numbers, with the least, the largest and
// the default value.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
var ranged = map[string]struct{ min, max, standard int }{
	attrDelay:      {0, 900, 0},
	attrMaxSize:    {1024, maxMessageSize, maxMessageSize},
	attrRetention:  {60, 1_209_600, 345_600},
	attrWait:       {0, 20, 0},
	attrVisibility: {0, maxVisibility, 30},
	attrKMSReuse:   {60, 86_400, 300},
}

// choices are the attributes that are one of some words; the first is the
// default.
var choices = map[string][]string{
	attrFIFO:         {"false", "true"},
	attrContentDedup: {"false", "true"},
	attrManagedSSE:   {"true", "false"},
	attrDedupScope:   {"queue", scopeMessageGroup},
	attrThroughput:   {"perQueue", perMessageGroup},
}

// settings are a queue's attributes as the hot paths want them.
type settings struct {
	visibility, delay, wait, retention time.Duration
	maxSize                            int // bytes
	contentDedup, dedupPerGroup        bool
	redrive                            *redrivePolicy
}

func (q *queue) compile() settings {
	seconds := func(name string) time.Duration { return time.Duration(q.number(name)) * time.Second }
	c := settings{
		visibility: seconds(attrVisibility), delay: seconds(attrDelay), wait: seconds(attrWait), retention: seconds(attrRetention),
		maxSize:       q.number(attrMaxSize),
		contentDedup:  q.Attributes[attrContentDedup] == "true",
		dedupPerGroup: q.Attributes[attrDedupScope] == scopeMessageGroup,
	}
	if text := q.Attributes[attrRedrive]; text != "" {
		// It was checked when it was set.
		if p, err := parseRedrive(text); err == nil {
			c.redrive = p
		}
	}
	return c
}

func (q *queue) number(name string) int {
	if n, err := strconv.Atoi(q.Attributes[name]); err == nil {
		return n
	}
	return ranged[name].standard
}

// attribute is the value of an attribute that can be set, and whether the queue
// has it: by default, or because it was set.
func (q *queue) attribute(name string) (string, bool) {
	if value, ok := q.Attributes[name]; ok {
		return value, true
	}
	_, kms := q.Attributes[attrKMSKey]
	switch name {
	case attrPolicy, attrRedrive, attrRedriveAllow, attrKMSKey:
		return "", false
	case attrFIFO, attrContentDedup, attrDedupScope, attrThroughput:
		if !q.fifo() {
			return "", false
		}
		return choices[name][0], true
	case attrKMSReuse:
		return strconv.Itoa(ranged[name].standard), kms
	case attrManagedSSE:
		return strconv.FormatBool(!kms), true
	}
	r, ok := ranged[name]
	return strconv.Itoa(r.standard), ok
}

// checkAttributes checks what a request wants to set. Policies that name other
// queues are for the caller to check.
func checkAttributes(wanted map[string]string, fifo, creating bool) error {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if err := checkAttribute(name, wanted[name], fifo, creating); err != nil {
			return err
		}
	}
	if wanted[attrKMSKey] != "" && wanted[attrManagedSSE] == "true" {
		return &api.InvalidAttributeName{Message: new("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")}
	}
	return nil
}

func checkAttribute(name, value string, fifo, creating bool) error {
	switch name {
	case attrFIFO:
		if !fifo || value != "true" && creating {
			return unknownAttribute(name)
		}
		if value != "true" {
			return &api.InvalidAttributeValue{Message: new("Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")}
		}
	case attrContentDedup:
		if !fifo {
			return unknownAttribute(name)
		}
	case attrDedupScope, attrThroughput:
		if !fifo {
			return &api.InvalidAttributeName{Message: new("You can specify the " + name + " only when FifoQueue is set to true.")}
		}
	case attrPolicy:
		return checkPolicy(value)
	case attrRedrive, attrRedriveAllow:
		return nil // with the queues they name
	case attrKMSKey:
		if len(value) > 2048 {
			return invalidAttribute(name)
		}
		return nil
	}
	if r, ok := ranged[name]; ok {
		n, err := strconv.Atoi(value)
		if err != nil || n < r.min || n > r.max {
			return invalidAttribute(name)
		}
		return nil
	}
	words, ok := choices[name]
	if !ok {
		return unknownAttribute(name)
	}
	if value != words[0] && value != words[1] {
		return invalidAttribute(name)
	}
	return nil
}

// maxStatements is how many statements a queue's policy may have.
const maxStatements = 20

func checkPolicy(value string) error {
	if value == "" {
		return nil
	}
	p, err := parsePolicy(value)
	if err != nil {
		return invalidAttribute(attrPolicy)
	}
	if n := len(p.Statement); n > maxStatements {
		return &api.OverLimit{Message: new(strconv.Itoa(n) + " statements were found in the submitted policy, max allowed is 20")}
	}
	return nil
}

// set applies checked attributes to a queue. An empty policy or key is none.
func (q *queue) set(wanted map[string]string) error {
	q.Attributes = maps.Clone(q.Attributes)
	if q.Attributes == nil {
		q.Attributes = map[string]string{}
	}
	for name, value := range wanted {
		switch name {
		case attrPolicy, attrRedrive, attrRedriveAllow, attrKMSKey:
			if value == "" {
				delete(q.Attributes, name)
				continue
			}
		case attrFIFO:
			continue // its name says it
		}
		q.Attributes[name] = value
	}
	switch {
	case wanted[attrKMSKey] != "":
		delete(q.Attributes, attrManagedSSE)
	case wanted[attrManagedSSE] == "true":
		delete(q.Attributes, attrKMSKey)
		delete(q.Attributes, attrKMSReuse)
	}
	if throughput, _ := q.attribute(attrThroughput); throughput == perMessageGroup {
		if scope, _ := q.attribute(attrDedupScope); scope != scopeMessageGroup {
			return &api.InvalidAttributeValue{Message: new("The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup")}
		}
	}
	return nil
}

// differs names an attribute that a request gives another value than the queue
// has.
func (q *queue) differs(wanted map[string]string) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		value := wanted[name]
		have, _ := q.attribute(name)
		if name == attrFIFO {
			have = strconv.FormatBool(q.fifo())
		}
		if have != value && !sameJSON(have, value) {
			return name, true
		}
	}
	return "", false
}

// sameJSON says whether two texts are one JSON object, written differently.
func sameJSON(a, b string) bool {
	var x, y any
	if !strings.HasPrefix(strings.TrimSpace(a), "{") || json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	m, err1 := json.Marshal(x)
	n, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && string(m) == string(n)
}
