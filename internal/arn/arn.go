// Package arn parses and formats Amazon Resource Names.
package arn

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMalformed is what the errors of Parse wrap.
var ErrMalformed = errors.New("malformed ARN")

// ARN is an Amazon Resource Name, arn:partition:service:region:account:resource.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
type ARN struct {
	Partition string // "aws", "aws-cn", "aws-us-gov"
	Service   string // "lambda"
	Region    string // empty for global resources and S3 buckets
	Account   string // twelve digits; empty where the service leaves it out
	Resource  string // everything after the fifth colon, colons and slashes included
}

// Parse reads an ARN. It wants the six parts, and a partition, a service and a
// resource that are not empty; what a service asks of its own ARNs beyond that
// is the service's to check. Its errors wrap ErrMalformed.
func Parse(s string) (ARN, error) {
	rest, ok := strings.CutPrefix(s, "arn:")
	if !ok {
		return ARN{}, fmt.Errorf("%w: %q does not begin with \"arn:\"", ErrMalformed, s)
	}
	var a ARN
	for _, part := range []*string{&a.Partition, &a.Service, &a.Region, &a.Account} {
		if *part, rest, ok = strings.Cut(rest, ":"); !ok {
			return ARN{}, fmt.Errorf("%w: %q has fewer than six parts", ErrMalformed, s)
		}
	}
	a.Resource = rest
	switch {
	case a.Partition == "":
		return ARN{}, fmt.Errorf("%w: %q has no partition", ErrMalformed, s)
	case a.Service == "":
		return ARN{}, fmt.Errorf("%w: %q has no service", ErrMalformed, s)
	case a.Resource == "":
		return ARN{}, fmt.Errorf("%w: %q has no resource", ErrMalformed, s)
	}
	return a, nil
}

// String returns the ARN's text. Parse(a.String()) gives a back, where none of
// the first four parts holds a colon.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// PartitionOf returns the partition that a region belongs to, "aws" for any
// region that is not of another one's naming.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
func PartitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(region, "us-iso-"):
		return "aws-iso"
	case strings.HasPrefix(region, "us-isob-"):
		return "aws-iso-b"
	case strings.HasPrefix(region, "eu-isoe-"):
		return "aws-iso-e"
	case strings.HasPrefix(region, "us-isof-"), strings.HasPrefix(region, "eu-isof-"):
		return "aws-iso-f"
	case strings.HasPrefix(region, "eusc-"):
		return "aws-eusc"
	}
	return "aws"
}

// IsAccount reports whether s is an account ID: exactly twelve digits.
func IsAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
