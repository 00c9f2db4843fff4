package badinput

import (
	"strings"
	"testing"
)

func signedFor(service string) string {
	return "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=00"
}

// nested is JSON of a depth that would exhaust the stack of a careless parser.
var nested = strings.Repeat(`{"a":`, 100_000)

func TestRestJSON(t *testing.T) {
	post := func(name, body string, status int, code, says string, header ...string) request {
		return request{name, "POST", functions, body, append([]string{"Content-Type", jsonType}, header...), status, code, says}
	}
	const valid = `"Runtime":"python3.13","Handler":"a.b","Role":"arn:aws:iam::000000000000:role/any"`
	each(t, []request{
		post("no body", "", 400, "ValidationException", "validation error"),
		post("not JSON", "{{{", 400, "SerializationException", ""),
		post("half an object", `{"FunctionName":"f"`, 400, "SerializationException", ""),
		post("an array", `[]`, 400, "SerializationException", ""),
		post("a string", `"x"`, 400, "SerializationException", ""),
		post("two values", `{} {}`, 400, "SerializationException", ""),
		post("not UTF-8", "{\"FunctionName\":\"\xff\xfe\"}", 400, "SerializationException", ""),
		post("deep", nested, 400, "SerializationException", ""),
		post("a number for a string", `{"FunctionName":7}`, 400, "SerializationException", ""),
		post("a string for a number", `{"FunctionName":"f","Timeout":"3"}`, 400, "SerializationException", ""),
		post("a fraction", `{"FunctionName":"f","Timeout":3.5}`, 400, "SerializationException", ""),
		post("a huge number", `{"FunctionName":"f","Timeout":1e400}`, 400, "SerializationException", ""),
		post("over 32 bits", `{"FunctionName":"f","Timeout":4294967296}`, 400, "SerializationException", ""),
		post("an object for a list", `{"FunctionName":"f","Layers":{}}`, 400, "SerializationException", ""),
		post("not base64", `{"FunctionName":"f",`+valid+`,"Code":{"ZipFile":"***"}}`, 400, "SerializationException", ""),
		post("missing members", `{}`, 400, "ValidationException", "Value null at 'functionName' failed to satisfy constraint: Member must not be null"),
		post("several violations", `{"FunctionName":"!","Role":"x","Code":{},"Timeout":0}`, 400, "ValidationException", "3 validation errors detected"),
		post("unknown runtime", `{"FunctionName":"f","Runtime":"cobol85","Handler":"a.b","Role":"arn:aws:iam::000000000000:role/any","Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}`, 400, "InvalidParameterValueException", "cobol85"),
		post("no handler", `{"FunctionName":"f","Runtime":"python3.13","Role":"arn:aws:iam::000000000000:role/any","Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}`, 400, "InvalidParameterValueException", "Handler"),
		post("no code", `{"FunctionName":"f",`+valid+`,"Code":{}}`, 400, "InvalidParameterValueException", "source for function code"),
		post("memory", `{"FunctionName":"f",`+valid+`,"Code":{},"MemorySize":1}`, 400, "ValidationException", "'memorySize'"),
		post("timeout", `{"FunctionName":"f",`+valid+`,"Code":{},"Timeout":901}`, 400, "InvalidParameterValueException", "'timeout'"),
		post("gzip that is none", `{}`, 400, "SerializationException", "gzip", "Content-Encoding", "gzip"),
		post("another content type", `<a/>`, 415, "UnsupportedMediaTypeException", "", "Content-Type", "text/xml"),
		{"no such function", "GET", functions + "/nobody", "", nil, 404, "ResourceNotFoundException", "Function not found"},
		{"a name that is none", "GET", functions + "/%00%ff", "", nil, 400, "ValidationException", ""},
		{"a path out", "GET", functions + "/..%2f..%2fetc", "", nil, 400, "ValidationException", ""},
		{"no such path", "GET", functions + "/f/nothing/here", "", []string{"Authorization", signedFor("lambda")}, 404, "UnknownOperationException", ""},
		{"no such method", "PATCH", functions, "", []string{"Authorization", signedFor("lambda")}, 404, "UnknownOperationException", ""},
		{"a page of -1", "GET", functions + "/?MaxItems=-1", "", nil, 400, "ValidationException", "'maxItems'"},
		{"a page of words", "GET", functions + "/?MaxItems=many", "", nil, 400, "SerializationException", ""},
		{"a payload that is no JSON", "POST", functions + "/f/invocations", "{", nil, 400, "InvalidRequestContentException", "Could not parse request body into json"},
		{"an API without a name", "POST", "/v2/apis", `{"protocolType":"HTTP"}`, []string{"Content-Type", jsonType}, 400, "ValidationException", "'name'"},
		{"an API that is no JSON", "POST", "/v2/apis", `{"name":`, []string{"Content-Type", jsonType}, 400, "SerializationException", ""},
	})
}

func TestAWSJSON(t *testing.T) {
	post := func(name, target, body string, status int, code, says string) request {
		return request{name, "POST", "/", body, []string{"Content-Type", json11, "X-Amz-Target", target}, status, code, says}
	}
	const logs = "Logs_20140328."
	each(t, []request{
		post("no body", logs+"CreateLogGroup", "", 400, "InvalidParameterException", "'logGroupName'"),
		post("not JSON", logs+"CreateLogGroup", "nonsense", 400, "SerializationException", ""),
		post("half", logs+"CreateLogGroup", `{"logGroupName":`, 400, "SerializationException", ""),
		post("deep", logs+"CreateLogGroup", nested, 400, "SerializationException", ""),
		post("wrong type", logs+"CreateLogGroup", `{"logGroupName":{}}`, 400, "SerializationException", ""),
		post("wrong pattern", logs+"CreateLogGroup", `{"logGroupName":"a b"}`, 400, "InvalidParameterException", "'logGroupName'"),
		post("no such operation", logs+"Nonsense", `{}`, 400, "UnknownOperationException", ""),
		post("no such service", "Nonsense_20200101.Do", `{}`, 501, "NotImplementedException", "Nonsense_20200101"),
		post("a target of one word", "Nonsense", `{}`, 501, "NotImplementedException", ""),
		post("no such group", logs+"DeleteLogGroup", `{"logGroupName":"missing"}`, 400, "ResourceNotFoundException", ""),
		{"GET", "GET", "/", "", []string{"X-Amz-Target", logs + "DescribeLogGroups"}, 404, "UnknownOperationException", ""},
	})
}

func TestQuery(t *testing.T) {
	post := func(name, body string, status int, code, says string) request {
		return request{name, "POST", "/", body, []string{"Content-Type", formType, "Authorization", signedFor("iam")}, status, code, says}
	}
	each(t, []request{
		post("no action", "", 400, "MissingAction", ""),
		post("no such action", "Action=Nonsense&Version=2010-05-08", 400, "InvalidAction", ""),
		post("broken escapes", "Action=GetRole&Version=2010-05-08&RoleName=%zz", 400, "MalformedInput", ""),
		post("missing member", "Action=GetRole&Version=2010-05-08", 400, "ValidationError", "'roleName'"),
		post("huge index", "Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.999999999.Key=k", 400, "ValidationError", ""),
		{"no service", "POST", "/", "Action=Nonsense&Version=1999-01-01", []string{"Content-Type", formType}, 501, "NotImplementedException", "Nonsense"},
	})
}

func TestRestXML(t *testing.T) {
	put := func(name, body string, status int, code string) request {
		return request{name, "PUT", "/a-bucket", body, []string{"Content-Type", "application/xml", "Authorization", signedFor("s3")}, status, code, ""}
	}
	each(t, []request{
		put("not XML", "nonsense", 400, "MalformedXML"),
		put("half", "<CreateBucketConfiguration><Loc", 400, "MalformedXML"),
		put("deep", strings.Repeat("<CreateBucketConfiguration>", 100_000), 400, "MalformedXML"),
		put("an entity of the document's own", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><CreateBucketConfiguration><LocationConstraint>&x;</LocationConstraint></CreateBucketConfiguration>`, 400, "MalformedXML"),
	})
}

func TestCBOR(t *testing.T) {
	post := func(name, body string, status int, code, says string) request {
		return request{
			name, "POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", body,
			[]string{"Content-Type", cborType, "Smithy-Protocol", "rpc-v2-cbor"}, status, code, says,
		}
	}
	each(t, []request{
		post("no body", "", 400, "ValidationError", "'namespace'"),
		post("a text", "\x61a", 400, "SerializationException", ""),
		post("half a map", "\xa1", 400, "SerializationException", ""),
		post("a length that is not there", "\xa1\x69Namespace\x7b\x7f\xff\xff\xff\xff\xff\xff\xff", 400, "SerializationException", ""),
		post("a map of 2^60", "\xbb\x10\x00\x00\x00\x00\x00\x00\x00", 400, "SerializationException", ""),
		post("deep", strings.Repeat("\x81", 100_000), 400, "SerializationException", ""),
		post("wrong type", "\xa1\x69Namespace\x01", 400, "SerializationException", ""),
		post("no text", "\xa1\x69Namespace\x62\xff\xff", 400, "SerializationException", ""),
		{
			"no such operation", "POST", "/service/GraniteServiceVersion20100801/operation/Nonsense", "\xa0",
			[]string{"Content-Type", cborType, "Smithy-Protocol", "rpc-v2-cbor"}, 404, "UnknownOperationException", "",
		},
	})
}
