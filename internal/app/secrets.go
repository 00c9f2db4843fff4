package app

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/eventsource"
)

// maxSecret is how many bytes a secret has at most.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const maxSecret = 65536

// fileSecrets stand for Secrets Manager: the operator's files, by the ARNs of the
// secrets that they hold. A file is read each time its secret is needed, so that a
// password can be changed while Paddock runs.
type fileSecrets map[string]string

// newFileSecrets looks whether every secret can be read now: later, that would
// only show in the state of a mapping.
func newFileSecrets(files map[string]string) (fileSecrets, error) {
	s := fileSecrets{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		a, err := arn.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("--secret %s=%s: %w", name, files[name], err)
		}
		if a.Service != "secretsmanager" || !strings.HasPrefix(a.Resource, "secret:") {
			return nil, fmt.Errorf("--secret %s=%s: the ARN of a secret is arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME", name, files[name])
		}
		if s[name], err = filepath.Abs(files[name]); err != nil {
			return nil, fmt.Errorf("--secret %s: %w", name, err)
		}
		if _, err := s.read(name); err != nil {
			return nil, fmt.Errorf("--secret %s: %w", name, err)
		}
	}
	return s, nil
}

// Secret implements eventsource.Secrets.
func (s fileSecrets) Secret(_ context.Context, _, _, name string) (string, error) {
	if s[name] == "" {
		return "", fmt.Errorf("%w: start Paddock with --secret %s=FILE", eventsource.ErrNoSecret, name)
	}
	return s.read(name)
}

// read returns what a file holds. Its errors name the file and show nothing of it.
func (s fileSecrets) read(name string) (string, error) {
	f, err := os.Open(s[name])
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file", s[name])
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(text) == 0:
		return "", fmt.Errorf("%s is empty", s[name])
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s has more than the %d bytes that a secret may have", s[name], maxSecret)
	}
	return string(text), nil
}
