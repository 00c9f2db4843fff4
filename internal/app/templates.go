package app

import "github.com/paddock-run/paddock/internal/gateway/mapping"

// checkTemplate says where a mapping template does not parse, as the data plane
// will parse it.
func checkTemplate(template string) error {
	_, err := mapping.Compile(template)
	return err
}
