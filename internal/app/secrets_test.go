package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paddock-run/paddock/internal/eventsource"
)

const aSecret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:kafka-AbCdEf"

func TestSecretsAreReadWhenTheyAreNeeded(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile("secret", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	s, err := newFileSecrets(map[string]string{aSecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("/") // what the file is was settled at the start
	if got, err := s.Secret(t.Context(), "", "", aSecret); got != "one\n" || err != nil {
		t.Errorf("it is %q, %v", got, err)
	}
	t.Chdir(filepath.Dir(s[aSecret]))
	write("two")
	if got, err := s.Secret(t.Context(), "", "", aSecret); got != "two" || err != nil {
		t.Errorf("after a change it is %q, %v", got, err)
	}
	if err := os.Remove("secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Secret(t.Context(), "", "", aSecret); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its file: %v", err)
	}
	_, err = s.Secret(t.Context(), "", "", aSecret+"x")
	if !errors.Is(err, eventsource.ErrNoSecret) || !strings.Contains(err.Error(), "--secret "+aSecret+"x=FILE") {
		t.Errorf("of an unknown secret: %v", err)
	}
}

func TestSecretsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good": "x", "empty": "", "largest": strings.Repeat("x", maxSecret), "large": strings.Repeat("x", maxSecret+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ arn, file, want string }{
		{aSecret, "good", ""},
		{aSecret, "largest", ""},
		{aSecret, "empty", "is empty"},
		{aSecret, "large", "more than the 65536 bytes"},
		{aSecret, "missing", "no such file"},
		{aSecret, ".", "is no file"},
		{"kafka", "good", "malformed ARN"},
		{"arn:aws:sqs:us-east-1:000000000000:kafka", "good", "the ARN of a secret is"},
	} {
		_, err := newFileSecrets(map[string]string{c.arn: filepath.Join(dir, c.file)})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s=%s: %v, want %q", c.arn, c.file, err, c.want)
		}
	}
}

func TestMappingsOfUnknownSecrets(t *testing.T) {
	known := eventsource.Access{Type: "BASIC_AUTH", URI: aSecret}
	unknown := eventsource.Access{Type: "SERVER_ROOT_CA_CERTIFICATE", URI: aSecret + "x"}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newFileSecrets(map[string]string{aSecret: file})
	if err != nil {
		t.Fatal(err)
	}
	check := func(topic, registry []eventsource.Access) error {
		return checkSecrets(s, &eventsource.Mapping{Topic: &eventsource.Topic{Access: topic, SchemaRegistry: &eventsource.SchemaRegistry{Access: registry}}})
	}
	network := eventsource.Access{Type: "VPC_SUBNET", URI: "subnet:subnet-1"}
	if err := check([]eventsource.Access{known, network}, []eventsource.Access{known}); err != nil {
		t.Error(err)
	}
	want := "Cannot access secret manager value " + aSecret + "x. Please ensure the role can perform the 'secretsmanager:GetSecretValue' action on your broker in IAM."
	for _, err := range []error{check([]eventsource.Access{known, unknown}, nil), check(nil, []eventsource.Access{unknown})} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
