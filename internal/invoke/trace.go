package invoke

import (
	"crypto/rand"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// traceHeader is the X-Amzn-Trace-Id that the function gets: the caller's,
// completed, or a new one that is not sampled.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func traceHeader(given string, lineage string) string {
	if strings.Contains(given, "Root=") && strings.Contains(given, "Parent=") && strings.Contains(given, "Sampled=") {
		return given
	}
	var random [20]byte
	_, _ = rand.Read(random[:]) // never fails
	if given == "" {
		b := make([]byte, 0, 128)
		b = append(b, "Root=1-"...)
		b = strconv.AppendInt(b, time.Now().Unix(), 16)
		b = append(b, '-')
		b = hex.AppendEncode(b, random[:12])
		b = append(b, ";Parent="...)
		b = hex.AppendEncode(b, random[12:])
		b = append(b, ";Sampled=0;Lineage="...)
		return string(append(b, lineage...))
	}
	var root, parent, rest string
	sampled := "0"
	for part := range strings.SplitSeq(given, ";") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			continue
		}
		switch key {
		case "Root":
			root = value
		case "Parent":
			parent = value
		case "Sampled":
			if value == "1" {
				sampled = "1"
			}
		case "Lineage":
			lineage = value
		case "Self": // the load balancer's own
		default:
			rest += ";" + key + "=" + value
		}
	}
	if root == "" {
		root = "1-" + strconv.FormatInt(time.Now().Unix(), 16) + "-" + hex.EncodeToString(random[:12])
	}
	if parent == "" {
		parent = hex.EncodeToString(random[12:])
	}
	return "Root=" + root + ";Parent=" + parent + ";Sampled=" + sampled + ";Lineage=" + lineage + rest
}

// traceParts are what the REPORT line shows of a sampled trace.
func traceParts(header string) (root, parent string, sampled bool) {
	if !strings.Contains(header, "Sampled=1") {
		return "", "", false
	}
	for part := range strings.SplitSeq(header, ";") {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "Root":
			root = value
		case "Parent":
			parent = value
		}
	}
	return root, parent, true
}

// shortHash names a function in a trace's lineage.
func shortHash(arn string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(arn)) // never fails
	return hex.EncodeToString(h.Sum(nil))
}
