package validate_test

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/api/cognitoidp"
	"github.com/paddock-run/paddock/internal/api/iam"
	"github.com/paddock-run/paddock/internal/api/kms"
	"github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/awserr"
	"github.com/paddock-run/paddock/internal/wire/schema"
	"github.com/paddock-run/paddock/internal/wire/validate"
)

func inputOf(t testing.TB, svc *schema.Service, op string) schema.ShapeID {
	t.Helper()
	for i := range svc.Operations {
		if svc.Operations[i].Name == op {
			return svc.Operations[i].Input
		}
	}
	t.Fatalf("%s has no operation %s", svc.ID, op)
	return schema.NoShape
}

func createFunction() *lambda.CreateFunctionRequest {
	return &lambda.CreateFunctionRequest{
		FunctionName:  new("hello"),
		Runtime:       new(lambda.RuntimePython313),
		Role:          new("arn:aws:iam::000000000000:role/lambda-role"),
		Handler:       new("app.handler"),
		Code:          &lambda.FunctionCode{ZipFile: []byte("PK")},
		Description:   new("says hello"),
		Timeout:       new(int32(3)),
		MemorySize:    new(int32(128)),
		Publish:       new(true),
		Environment:   &lambda.Environment{Variables: map[string]string{"STAGE": "dev", "TABLE": "things"}},
		Tags:          map[string]string{"team": "one"},
		Layers:        []string{"arn:aws:lambda:us-east-1:000000000000:layer:deps:1"},
		Architectures: []lambda.Architecture{lambda.ArchitectureX8664},
		VpcConfig:     &lambda.VpcConfig{SubnetIds: []string{"subnet-1"}},
		FileSystemConfigs: []*lambda.FileSystemConfig{{
			Arn:            new("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0"),
			LocalMountPath: new("/mnt/data"),
		}},
	}
}

const (
	functionNamePattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`
	layerPattern        = `arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+`
	tagKeyPattern       = `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`
	tagValuePattern     = `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`
)

func TestMessages(t *testing.T) {
	function := func(change func(*lambda.CreateFunctionRequest)) any {
		in := createFunction()
		change(in)
		return in
	}
	for _, tc := range []struct {
		name string
		svc  *schema.Service
		op   string
		in   any
		want string // without "1 validation error detected: "
		code string
	}{
		{"right", &lambda.Service, "CreateFunction", createFunction(), "", ""},
		{"required", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Role = nil
		}), "Value null at 'role' failed to satisfy constraint: Member must not be null", ""},
		{"long", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Description = new(strings.Repeat("é", 257))
		}), "Value '" + strings.Repeat("é", 257) + "' at 'description' failed to satisfy constraint: Member must have length less than or equal to 256", ""},
		{"as long as it may be", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Description = new(strings.Repeat("é", 256))
		}), "", ""},
		{"pattern and length", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.FunctionName = new("")
		}), "Value '' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + functionNamePattern +
			"; Value '' at 'functionName' failed to satisfy constraint: Member must have length greater than or equal to 1", ""},
		{"the whole value matches", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.FunctionName = new("hello\n")
		}), "Value 'hello\n' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + functionNamePattern, ""},
		{"range", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.MemorySize, in.Timeout = new(int32(127)), new(int32(0))
		}), "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; " +
			"Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128", ""},
		{"enum", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.PackageType = new(lambda.PackageType("Jar"))
		}), "Value 'Jar' at 'packageType' failed to satisfy constraint: Member must satisfy enum value set: [Zip, Image]", ""},
		{"first letters", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.KMSKeyArn = new("key")
		}), "Value 'key' at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", ""},
		{"elements of a list", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Layers = []string{"deps", "arn:aws:lambda:us-east-1:000000000000:layer:deps:1", ""}
		}), "Value '[deps, arn:aws:lambda:us-east-1:000000000000:layer:deps:1, ]' at 'layers' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must have length less than or equal to 140, " +
			"Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: " + layerPattern + ", Member must not be null]", ""},
		{"elements of a list of enums", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Architectures = []lambda.Architecture{"foo"}
		}), "Value '[foo]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: " +
			"[Member must satisfy enum value set: [x86_64, arm64], Member must not be null]", ""},
		{"length of a list", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Architectures = []lambda.Architecture{}
		}), "Value '[]' at 'architectures' failed to satisfy constraint: Member must have length greater than or equal to 1", ""},
		{"sensitive keys of a map", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Environment.Variables = map[string]string{"_SECRET": "hush", "1": "hush", "FINE": "yes"}
		}), "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: " +
			"[Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]", ""},
		{"structures in a list", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.FileSystemConfigs[0].LocalMountPath = nil
		}), "Value null at 'fileSystemConfigs.1.member.localMountPath' failed to satisfy constraint: Member must not be null", ""},
		{"null in a list", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.FileSystemConfigs = []*lambda.FileSystemConfig{nil}
		}), "Value '[null]' at 'fileSystemConfigs' failed to satisfy constraint: Member must satisfy constraint: [Member must not be null]", ""},
		{"keys and values of a map", &lambda.Service, "UpdateAlias", &lambda.UpdateAliasRequest{
			FunctionName: new("f"), Name: new("live"),
			RoutingConfig: &lambda.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"x": 1.5, "2": 0.25}},
		}, "Value '{2=0.25, x=1.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: " +
			"[Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, Member must not be null]; " +
			"Value '{2=0.25, x=1.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: " +
			"[Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]", ""},
		{"not a number", &lambda.Service, "UpdateAlias", &lambda.UpdateAliasRequest{
			FunctionName: new("f"), Name: new("live"),
			RoutingConfig: &lambda.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": math.NaN()}},
		}, "Value '{2=NaN}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: " +
			"[Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]", ""},
		{"IAM's code", &iam.Service, "CreateUser", &iam.CreateUserRequest{
			UserName: new("u"), Tags: []*iam.Tag{{Key: new("#￥%……&"), Value: new("@#$%^&*")}},
		}, "Value '#￥%……&' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: " + tagKeyPattern +
			"; Value '@#$%^&*' at 'tags.1.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern: " + tagValuePattern, "ValidationError"},
		{"sensitive strings", &cognitoidp.Service, "ConfirmForgotPassword", &cognitoidp.ConfirmForgotPasswordRequest{
			ClientId: new("abc"), Username: new("me"), ConfirmationCode: new(""), Password: new(" "),
		}, `Value '' at 'confirmationCode' failed to satisfy constraint: Member must satisfy regular expression pattern: [\S]+; ` +
			`Value '' at 'confirmationCode' failed to satisfy constraint: Member must have length greater than or equal to 1; ` +
			`Value at 'password' failed to satisfy constraint: Member must satisfy regular expression pattern: [\S]+`, "InvalidParameterException"},
		{"sensitive and missing", &cognitoidp.Service, "ConfirmForgotPassword", &cognitoidp.ConfirmForgotPasswordRequest{
			ClientId: new("abc"), Username: new("me"), ConfirmationCode: new("123456"),
		}, `Value at 'password' failed to satisfy constraint: Member must not be null`, "InvalidParameterException"},
		{"blobs", &kms.Service, "Decrypt", &kms.DecryptRequest{CiphertextBlob: []byte{}},
			"Value 'java.nio.HeapByteBuffer[pos=0 lim=0 cap=0]' at 'ciphertextBlob' failed to satisfy constraint: Member must have length greater than or equal to 1", ""},
		{"maps of structures", &sqs.Service, "SendMessage", &sqs.SendMessageRequest{
			QueueUrl: new("q"), MessageBody: new("b"), MessageAttributes: map[string]*sqs.MessageAttributeValue{"z": {}, "a": {}},
		}, "Value null at 'messageAttributes.a.member.dataType' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'messageAttributes.z.member.dataType' failed to satisfy constraint: Member must not be null", ""},
		{"what the service checks itself", &lambda.Service, "CreateFunction", function(func(in *lambda.CreateFunctionRequest) {
			in.Runtime = new(lambda.Runtime("haskell"))
		}), "", ""},
		{"API Gateway's bodies", &apigateway.Service, "PutMethod", &apigateway.PutMethodRequest{RestApiId: new("a"), ResourceId: new("b")},
			"Value null at 'httpMethod' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'putMethodInput.authorizationType' failed to satisfy constraint: Member must not be null", ""},
		{"API Gateway's lists", &apigateway.Service, "CreateRestApi", &apigateway.CreateRestApiRequest{
			Name: new("a"), EndpointConfiguration: &apigateway.EndpointConfiguration{Types: []apigateway.EndpointType{"NEAR"}},
		}, "Value '[NEAR]' at 'createRestApiInput.endpointConfiguration.types' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must satisfy enum value set: [REGIONAL, EDGE, PRIVATE]]", ""},
		{"no body at all", &lambda.Service, "UpdateFunctionCode", &lambda.UpdateFunctionCodeRequest{},
			"Value null at 'functionName' failed to satisfy constraint: Member must not be null", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 2 { // the second time from a plan that is there already
				err := validate.Input(tc.svc, inputOf(t, tc.svc, tc.op), tc.in)
				if tc.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					continue
				}
				var e *awserr.Error
				if !errors.As(err, &e) {
					t.Fatalf("got %v, want an *awserr.Error", err)
				}
				want := "1 validation error detected: " + tc.want
				if n := strings.Count(tc.want, " failed to satisfy"); n > 1 {
					want = string(rune('0'+n)) + " validation errors detected: " + tc.want
				}
				code := tc.code
				if code == "" {
					code = "ValidationException"
				}
				if e.Message != want || e.Code != code || e.Status != 400 {
					t.Errorf("got  %d %s %s\nwant 400 %s %s", e.Status, e.Code, e.Message, code, want)
				}
			}
		})
	}
}

func TestInputOfNoShape(t *testing.T) {
	if err := validate.Input(&lambda.Service, schema.NoShape, &schema.Unit{}); err != nil {
		t.Fatal(err)
	}
}

func TestViolations(t *testing.T) {
	in := createFunction()
	in.FunctionName = nil
	in.Layers = []string{"a", "b"}
	in.Tags = map[string]string{}
	got := validate.Violations(&lambda.Service, inputOf(t, &lambda.Service, "CreateFunction"), in)
	if len(got) != 3 {
		t.Fatalf("got %d violations, want 3: %+v", len(got), got)
	}
	name := got[0]
	if name.Kind != validate.NotNull || name.Value != nil || name.Shape.Name != "FunctionName" ||
		len(name.Path) != 1 || name.Path[0].Kind != validate.ToMember || name.Path[0].Member.Name != "FunctionName" {
		t.Errorf("got %+v", name)
	}
	layer := got[2]
	if layer.Kind != validate.Pattern || layer.Value != "b" || layer.Shape.Name != "LayerVersionArn" ||
		len(layer.Path) != 2 || layer.Path[1].Kind != validate.ToElement || layer.Path[1].Index != 1 {
		t.Errorf("got %+v", layer)
	}
	if got := validate.Violations(&lambda.Service, inputOf(t, &lambda.Service, "CreateFunction"), createFunction()); got != nil {
		t.Errorf("got %+v of a right input", got)
	}
}

// TestOddTypes checks shapes that no AWS model in use has, held by types that
// are not generated: sparse lists and maps, nested ones, a recursive shape.
func TestOddTypes(t *testing.T) {
	const (
		text schema.ShapeID = iota
		sparse
		nested
		node
		nodes
		document
	)
	svc := &schema.Service{ID: "odd", Shapes: []schema.Shape{
		{Name: "Text", Kind: schema.KindString, Constraint: &schema.Constraint{Max: 2, HasMax: true}},
		{Name: "Sparse", Kind: schema.KindMap, Traits: schema.Sparse, Members: []schema.Member{{Name: "key", Target: text}, {Name: "value", Target: text}}},
		{Name: "Nested", Kind: schema.KindList, Constraint: &schema.Constraint{Max: 1, HasMax: true}, Members: []schema.Member{{Name: "member", Target: sparse}}},
		{Name: "Node", Kind: schema.KindStructure, Members: []schema.Member{
			{Name: "Name", Target: text}, {Name: "Children", Target: nodes}, {Name: "Nested", Target: nested}, {Name: "Any", Target: document, Traits: schema.Required},
		}},
		{Name: "Nodes", Kind: schema.KindMap, Members: []schema.Member{{Name: "key", Target: text}, {Name: "value", Target: node}}},
		{Name: "Document", Kind: schema.KindDocument},
	}}
	type Node struct {
		Name     *string
		Children map[string]*Node
		Nested   []map[string]*string
		Any      any
	}
	in := &Node{
		Any:    1,
		Nested: []map[string]*string{{"a": nil, "b": new("fine")}},
		Children: map[string]*Node{
			"a": {Name: new("abc"), Any: ""},
			"b": {Children: map[string]*Node{"long": {Any: 1}}},
			"c": nil,
		},
	}
	const (
		failed = " failed to satisfy constraint: "
		want   = "5 validation errors detected: " +
			"Value 'abc' at 'children.a.member.name'" + failed + "Member must have length less than or equal to 2; " +
			"Value '{long=Node(name=null, children=null, nested=null, any=Document)}' at 'children.b.member.children'" + failed +
			"Map keys must satisfy constraint: [Member must have length less than or equal to 2]; " +
			"Value null at 'children.b.member.any'" + failed + "Member must not be null; " +
			"Value '{a=Node(name=abc, children=null, nested=null, any=Document), b=Node(name=null, children={long=Node(name=null, children=null, nested=null, any=Document)}, nested=null, any=null), c=null}'" +
			" at 'children'" + failed + "Map value must satisfy constraint: [Member must not be null]; " +
			"Value '{a=null, b=fine}' at 'nested.1.member'" + failed + "Map value must satisfy constraint: [Member must have length less than or equal to 2]"
	)
	var e *awserr.Error
	if err := validate.Input(svc, node, in); !errors.As(err, &e) || e.Message != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestAnswersStaySmall gives inputs that are wrong in a great many places, or
// in one that is very long.
func TestAnswersStaySmall(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	many := make([]string, 1<<20)
	tags := map[string]*sqs.MessageAttributeValue{long: {}}
	users := make([]*iam.Tag, 1<<16)
	for i := range users {
		users[i] = &iam.Tag{}
	}
	for name, tc := range map[string]struct {
		svc *schema.Service
		op  string
		in  any
	}{
		"long string": {&lambda.Service, "CreateFunction", func() any {
			in := createFunction()
			in.FunctionName, in.Description = &long, &long
			return in
		}()},
		"long list": {&lambda.Service, "CreateFunction", func() any {
			in := createFunction()
			in.Layers = many
			return in
		}()},
		"long key":        {&sqs.Service, "SendMessage", &sqs.SendMessageRequest{QueueUrl: new("q"), MessageBody: new("b"), MessageAttributes: tags}},
		"many structures": {&iam.Service, "CreateUser", &iam.CreateUserRequest{UserName: new("u"), Tags: users}},
	} {
		err := validate.Input(tc.svc, inputOf(t, tc.svc, tc.op), tc.in)
		var e *awserr.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", name, err)
		} else if len(e.Message) > 64<<10 || !utf8.ValidString(e.Message) {
			t.Errorf("%s: a message of %d bytes, valid UTF-8: %v", name, len(e.Message), utf8.ValidString(e.Message))
		}
	}
}

// TestConcurrentFirstUse compiles the same plans from many goroutines at once.
func TestConcurrentFirstUse(t *testing.T) {
	svc := lambda.Service // a service of its own has no plans yet
	id := inputOf(t, &svc, "CreateFunction")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			in := createFunction()
			if i%2 == 0 {
				in.Role = nil
			}
			if err := validate.Input(&svc, id, in); (err == nil) != (in.Role != nil) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
}

func rightInputs() map[string]any {
	return map[string]any{
		"CreateFunction": createFunction(),
		"Invoke": &lambda.InvocationRequest{
			FunctionName:   new("hello"),
			InvocationType: new(lambda.InvocationTypeRequestResponse),
			LogType:        new(lambda.LogTypeTail),
			Payload:        []byte(`{"name":"you"}`),
			Qualifier:      new("live"),
		},
		"UpdateAlias": &lambda.UpdateAliasRequest{
			FunctionName: new("f"), Name: new("live"),
			RoutingConfig: &lambda.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"1": 0.5, "2": 0.25}},
		},
	}
}

func BenchmarkInput(b *testing.B) {
	for name, in := range rightInputs() {
		b.Run(name, func(b *testing.B) {
			id := inputOf(b, &lambda.Service, name)
			b.ReportAllocs()
			for b.Loop() {
				if err := validate.Input(&lambda.Service, id, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWrong(b *testing.B) {
	in := createFunction()
	in.FunctionName, in.Layers = new("a b"), []string{"x"}
	id := inputOf(b, &lambda.Service, "CreateFunction")
	b.ReportAllocs()
	for b.Loop() {
		if err := validate.Input(&lambda.Service, id, in); err == nil {
			b.Fatal("no error")
		}
	}
}
