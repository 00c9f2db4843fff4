package lambda

import (
	"strings"
	"testing"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

func TestParseName(t *testing.T) {
	for in, want := range map[string]ref{
		"f":                                 {name: "f"},
		"f:prod":                            {name: "f", qualifier: "prod"},
		"f:$LATEST":                         {name: "f", qualifier: "$LATEST"},
		"function":                          {name: "function"},
		"function:f":                        {name: "f"},
		"function:f:3":                      {name: "f", qualifier: "3"},
		"111111111111:function:f":           {account: account, name: "f"},
		"111111111111:function:f:prod":      {account: account, name: "f", qualifier: "prod"},
		"us-east-1:111111111111:function:f": {region: region, account: account, name: "f"},
		arnBase + "f":                       {partition: "aws", region: region, account: account, name: "f"},
		arnBase + "f:7":                     {partition: "aws", region: region, account: account, name: "f", qualifier: "7"},
		"arn:aws-cn:lambda:cn-north-1:111111111111:function:f": {partition: "aws-cn", region: "cn-north-1", account: account, name: "f"},
		"arn:aws:lambda:us-gov-west-1:111111111111:function:f": {partition: "aws", region: "us-gov-west-1", account: account, name: "f"},
		"111111111111": {name: "111111111111"},
	} {
		got, err := parseName(in)
		if err != nil || got != want {
			t.Errorf("parseName(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "*", "my function", "f:", "f:1:2", ":f", "invalid:function:name", "f:a b", arnBase + "f:1:2", "arn:aws:ec2:us-east-1:111111111111:instance:i-1", "arn:aws:lambda:us-east-1:111111111111:function:", "a/b", "../x"} {
		if got, err := parseName(in); err == nil {
			t.Errorf("parseName(%q) = %+v, want an error", in, got)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("arn:aws:lambda:us-east-1:111111111111:function:f:prod")
	f.Add("111111111111:function:f")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := parseName(in)
		if err == nil && (r.name == "" || strings.ContainsAny(r.name+r.account+r.region, "/: ") || strings.Contains(r.qualifier, "/")) {
			t.Errorf("%q parsed to %+v", in, r)
		}
	})
}

func TestNamesInRequests(t *testing.T) {
	w := newWorld(t)
	w.create("f", func(in *api.CreateFunctionRequest) { in.Publish = new(true) })
	if _, err := w.CreateAlias(ctx(), &api.CreateAliasRequest{FunctionName: new("f"), Name: new("prod"), FunctionVersion: new("1")}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, qualifier, arn, err string }{
		{"f", "", arnBase + "f", ""},
		{"f:$LATEST", "", arnBase + "f:$LATEST", ""},
		{"f", "1", arnBase + "f:1", ""},
		{"f:prod", "", arnBase + "f:prod", ""},
		{"f:prod", "prod", arnBase + "f:prod", ""},
		{arnBase + "f:1", "", arnBase + "f:1", ""},
		{"111111111111:function:f", "prod", arnBase + "f:prod", ""},
		{"f:prod", "1", "", "InvalidParameterValueException: The derived qualifier from the function name does not match the specified qualifier."},
		{"nope", "", "", "ResourceNotFoundException: Function not found: " + arnBase + "nope"},
		{"nope", "$LATEST", "", "ResourceNotFoundException: Function not found: " + arnBase + "nope:$LATEST"},
		{"f", "9", "", "ResourceNotFoundException: Function not found: " + arnBase + "f:9"},
		{"f:none", "", "", "ResourceNotFoundException: Function not found: " + arnBase + "f:none"},
		{"f:$latest", "", "", "ResourceNotFoundException: Function not found: " + arnBase + "f:$latest"},
		{strings.Repeat("a", 65), "", "", "ResourceNotFoundException: Function not found: " + arnBase + strings.Repeat("a", 65)},
		{"arn:aws:lambda:eu-west-1:111111111111:function:f", "", "", "ResourceNotFoundException: Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"},
		{"222222222222:function:f", "", "", "403 AccessDeniedException: User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:GetFunctionConfiguration on resource: …"},
	} {
		in := &api.GetFunctionConfigurationRequest{FunctionName: new(tt.name)}
		if tt.qualifier != "" {
			in.Qualifier = new(tt.qualifier)
		}
		out, err := w.GetFunctionConfiguration(ctx(), in)
		if tt.err != "" {
			wantErr(t, err, tt.err)
		} else if err != nil || *out.FunctionArn != tt.arn {
			t.Errorf("%s %s: %v %v, want %s", tt.name, tt.qualifier, out, err, tt.arn)
		}
	}
}

func TestAccountsAndRegionsAreApart(t *testing.T) {
	w := newWorld(t)
	w.create("f")
	for _, other := range [][2]string{{"222222222222", region}, {account, "eu-west-1"}} {
		c := ctxFor(other[0], other[1])
		if _, err := w.GetFunction(c, &api.GetFunctionRequest{FunctionName: new("f")}); err == nil {
			t.Errorf("%v sees the function", other)
		}
		out, err := w.ListFunctions(c, &api.ListFunctionsRequest{})
		if err != nil || len(out.Functions) != 0 {
			t.Errorf("%v lists %v, %v", other, out, err)
		}
		if _, err := w.CreateFunction(c, createRequest(t, "f")); err != nil {
			t.Errorf("%v cannot have its own: %v", other, err)
		}
	}
}
