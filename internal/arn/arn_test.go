package arn_test

import (
	"errors"
	"testing"

	"github.com/paddock-run/paddock/internal/arn"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]arn.ARN{
		"arn:aws:lambda:us-east-1:123456789012:function:f:PROD": {"aws", "lambda", "us-east-1", "123456789012", "function:f:PROD"},
		"arn:aws:s3:::bucket/key:with/colon":                    {"aws", "s3", "", "", "bucket/key:with/colon"},
		"arn:aws-cn:iam::123456789012:role/path/name":           {"aws-cn", "iam", "", "123456789012", "role/path/name"},
		"arn:aws:apigateway:eu-west-1::/restapis/a1b2":          {"aws", "apigateway", "eu-west-1", "", "/restapis/a1b2"},
	} {
		got, err := arn.Parse(s)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("String of %q = %q", s, got.String())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "arn", "arn:", "function", "ARN:aws:lambda:us-east-1:123456789012:function:f",
		"arn:aws:lambda:us-east-1:123456789012", "arn:aws:lambda:us-east-1:123456789012:",
		"arn::lambda:us-east-1:123456789012:function:f", "arn:aws::us-east-1:123456789012:function:f",
	} {
		if got, err := arn.Parse(s); !errors.Is(err, arn.ErrMalformed) {
			t.Errorf("Parse(%q) = %+v, %v; want ErrMalformed", s, got, err)
		}
	}
}

func TestPartitionOf(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "aws", "": "aws", "local": "aws", "cn-north-1": "aws-cn",
		"us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b",
		"eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
	} {
		if got := arn.PartitionOf(region); got != want {
			t.Errorf("PartitionOf(%q) = %q, want %q", region, got, want)
		}
	}
}

func TestIsAccount(t *testing.T) {
	for s, want := range map[string]bool{
		"000000000000": true, "123456789012": true, "": false, "12345678901": false,
		"1234567890123": false, "12345678901a": false, "AKIAIOSFODNN": false, "１２３４": false,
	} {
		if got := arn.IsAccount(s); got != want {
			t.Errorf("IsAccount(%q) = %v", s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:lambda:us-east-1:123456789012:function:f:PROD")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := arn.Parse(s)
		if err == nil && a.String() != s {
			t.Errorf("%q came back as %q", s, a)
		}
	})
}
