package sqs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/store"
)

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	maxMessageSize       = 1 << 20 // bytes of a message's body and attributes, and of a batch's
	maxMessageAttributes = 10
	maxDelay             = 900 // seconds
	dedupWindow          = 5 * time.Minute
)

// metadata is what goes with a message beside its body.
type metadata struct {
	Sender     string                                `json:"s"`
	Dedup      string                                `json:"d,omitempty"`
	Trace      string                                `json:"t,omitempty"`
	Attributes map[string]*api.MessageAttributeValue `json:"a,omitempty"`
}

// outgoing is a message of SendMessage or an entry of SendMessageBatch.
type outgoing struct {
	body          string
	delay         *int32
	attributes    map[string]*api.MessageAttributeValue
	system        map[string]*api.MessageSystemAttributeValue
	dedup, group  *string
	attributesMD5 *string // set by prepare, as is the next
	systemMD5     *string
}

// size is what counts towards the limits, in bytes: system attributes do not.
func (m *outgoing) size() int {
	n := len(m.body)
	for name, a := range m.attributes {
		n += len(name) + len(a.BinaryValue)
		for _, s := range []*string{a.DataType, a.StringValue} {
			if s != nil {
				n += len(*s)
			}
		}
	}
	return n
}

// checkFIFO checks what a batch fails for as a whole.
func (m *outgoing) checkFIFO(q *queue) error {
	if !q.fifo() {
		return nil
	}
	if m.group == nil {
		return missing("MessageGroupId")
	}
	if m.dedup == nil && !q.settings.contentDedup {
		return invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return nil
}

var groupOrDedup = regexp.MustCompile("^[a-zA-Z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

// prepare checks a message and makes the store's of it.
func (m *outgoing) prepare(q *queue, sender string) (store.NewMessage, error) {
	var out store.NewMessage
	if err := m.check(q); err != nil {
		return out, err
	}
	meta := metadata{Sender: sender, Attributes: m.attributes}
	if len(m.attributes) > 0 {
		m.attributesMD5 = new(attributesMD5(m.attributes))
	}
	if t := m.system["AWSTraceHeader"]; t != nil {
		meta.Trace = *t.StringValue
		m.systemMD5 = new(attributesMD5(map[string]*api.MessageAttributeValue{"AWSTraceHeader": {DataType: t.DataType, StringValue: t.StringValue}}))
	}
	out.Body, out.Delay = m.body, q.settings.delay
	if m.delay != nil && !q.fifo() {
		out.Delay = time.Duration(*m.delay) * time.Second
	}
	if m.group != nil {
		out.Group = *m.group
	}
	if q.fifo() {
		meta.Dedup = dedupID(m)
		out.Dedup, out.DedupWindow = "q"+meta.Dedup, dedupWindow
		if q.settings.dedupPerGroup {
			out.Dedup = "g" + out.Group + "\x00" + meta.Dedup
		}
	}
	text, err := json.Marshal(meta)
	out.Attributes = string(text)
	return out, err
}

// dedupID is the sender's, or the hash of the body that stands for it.
func dedupID(m *outgoing) string {
	if m.dedup != nil {
		return *m.dedup
	}
	sum := sha256.Sum256([]byte(m.body))
	return hex.EncodeToString(sum[:])
}

func (m *outgoing) check(q *queue) error {
	if m.body == "" {
		return missing("MessageBody")
	}
	if !validText(m.body) {
		return &api.InvalidMessageContents{Message: new("Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")}
	}
	if err := checkMessageAttributes(m.attributes); err != nil {
		return err
	}
	if err := checkSystemAttributes(m.system); err != nil {
		return err
	}
	if m.size() > q.settings.maxSize {
		return invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.settings.maxSize)
	}
	if m.delay != nil {
		switch d := *m.delay; {
		case d < 0 || d > maxDelay:
			return invalid("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", d)
		case d != 0 && q.fifo():
			return invalid("Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.", d)
		}
	}
	if m.group != nil && !groupOrDedup.MatchString(*m.group) {
		return invalid("Value %s for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.", *m.group)
	}
	if m.dedup != nil {
		if !q.fifo() {
			return invalid("Value %s for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.", *m.dedup)
		}
		if !groupOrDedup.MatchString(*m.dedup) {
			return invalid("Value %s for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.", *m.dedup)
		}
	}
	return m.checkFIFO(q)
}

// validText says whether a text has only the characters of XML 1.0.
func validText(s string) bool {
	for i, r := range s {
		switch {
		case r >= 0x20 && r <= 0xD7FF, r == '\t', r == '\n', r == '\r', r >= 0xE000 && r < 0xFFFD, r >= 0x10000 && r <= 0x10FFFF:
		case r == utf8.RuneError:
			if _, width := utf8.DecodeRuneInString(s[i:]); width == 1 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

var attributeName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// checkMessageAttributes checks names, types and values.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func checkMessageAttributes(attributes map[string]*api.MessageAttributeValue) error {
	if n := len(attributes); n > maxMessageAttributes {
		return invalid("Number of message attributes [%d] exceeds the allowed maximum [%d].", n, maxMessageAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		lower := strings.ToLower(name)
		switch {
		case name == "":
			return invalid("The request must contain non-empty message attribute name.")
		case len(name) > 256:
			return invalid("Length of message attribute name must be less than 256 bytes.")
		case !attributeName.MatchString(name):
			return invalid("Invalid non-alphanumeric character was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.")
		case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
			return invalid("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
		case name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, ".."):
			return invalid("Invalid message attribute name: %s. It can't begin or end with a dot, or have dots in a row.", name)
		}
		if err := checkAttributeValue("Message (user)", name, attributes[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkAttributeValue checks one attribute's type and value.
func checkAttributeValue(kind, name string, a *api.MessageAttributeValue) error {
	dataType := ""
	if a.DataType != nil {
		dataType = *a.DataType
	}
	base, _, _ := strings.Cut(dataType, ".")
	switch {
	case dataType == "":
		return invalid("The message attribute '%s' must contain a non-empty message attribute type.", name)
	case len(dataType) > 256:
		return invalid("Length of message attribute type must be less than 256 bytes.")
	case len(a.StringListValues) > 0 || len(a.BinaryListValues) > 0:
		return &api.UnsupportedOperation{Message: new("Message attribute list values in SendMessage operation are not supported.")}
	case base == "Binary":
		if len(a.BinaryValue) == 0 || a.StringValue != nil {
			return invalid("%s attribute '%s' must contain a non-empty value of type 'Binary'.", kind, name)
		}
		return nil
	case base != "String" && base != "Number":
		return invalid("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case a.StringValue == nil || *a.StringValue == "" || a.BinaryValue != nil:
		return invalid("%s attribute '%s' must contain a non-empty value of type 'String'.", kind, name)
	case !validText(*a.StringValue):
		return invalid("%s attribute '%s' has characters that are not allowed.", kind, name)
	case base == "Number" && !validNumber(*a.StringValue):
		return invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	return nil
}

var number = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$`)

// validNumber says whether a text is a number of up to 38 digits of precision
// between -10^128 and 10^126.
func validNumber(text string) bool {
	if !number.MatchString(text) || len(text) > 1000 {
		return false
	}
	f, _, err := big.ParseFloat(text, 10, 200, big.ToNearestEven)
	if err != nil {
		return false
	}
	limit := new(big.Float).SetPrec(500).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(128), nil))
	return f.Abs(f).Cmp(limit) <= 0
}

func checkSystemAttributes(attributes map[string]*api.MessageSystemAttributeValue) error {
	for name, a := range attributes {
		if name != string(api.MessageSystemAttributeNameForSendsAWSTraceHeader) {
			return invalid("Message system attribute name '%s' is invalid.", name)
		}
		value := api.MessageAttributeValue{DataType: a.DataType, StringValue: a.StringValue, BinaryValue: a.BinaryValue,
			StringListValues: a.StringListValues, BinaryListValues: a.BinaryListValues}
		if err := checkAttributeValue("Message (system)", name, &value); err != nil {
			return err
		}
		if *a.DataType != "String" {
			return invalid("The type of message (system) attribute '%s' is invalid. You must use only the following supported type prefixes: String.", name)
		}
	}
	return nil
}

// md5Of is a text's MD5 as SQS writes it.
func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// How attributesMD5 tells values of strings (and numbers) from binary ones.
const (
	transportString = 1
	transportBinary = 2
)

// attributesMD5 is the digest of message attributes that clients compare.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func attributesMD5(attributes map[string]*api.MessageAttributeValue) string {
	var b []byte
	add := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(min(len(s), math.MaxUint32)))
		b = append(b, s...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add(name)
		add(*a.DataType)
		if strings.HasPrefix(*a.DataType, "Binary") {
			b = append(b, transportBinary)
			add(string(a.BinaryValue))
		} else {
			b = append(b, transportString)
			add(*a.StringValue)
		}
	}
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
