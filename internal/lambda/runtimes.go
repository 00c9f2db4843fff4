package lambda

import (
	"slices"
	"strings"
	"sync"

	api "github.com/paddock-run/paddock/internal/api/lambda"
)

// knownRuntimes are the runtime identifiers of the model, those that AWS has
// deprecated included: old functions are what people keep running at home.
var knownRuntimes = sync.OnceValue(func() []string {
	for i := range api.Service.Shapes {
		if s := &api.Service.Shapes[i]; s.Name == "Runtime" {
			return s.Enum
		}
	}
	return nil
})

func checkRuntime(name api.Runtime) error {
	known := knownRuntimes()
	if slices.Contains(known, string(name)) {
		return nil
	}
	return invalidParameter("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", name, strings.Join(known, ", "))
}
