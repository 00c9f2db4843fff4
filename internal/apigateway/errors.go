package apigateway

import (
	"context"
	"errors"
	"fmt"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/identity"
)

func badRequest(format string, args ...any) error {
	return &api.BadRequestException{Message: new(fmt.Sprintf(format, args...))}
}

func conflict(format string, args ...any) error {
	return &api.ConflictException{Message: new(fmt.Sprintf(format, args...))}
}

func notFound(format string, args ...any) error {
	return &api.NotFoundException{Message: new(fmt.Sprintf(format, args...))}
}

func limitExceeded(format string, args ...any) error {
	return &api.LimitExceededException{Message: new(fmt.Sprintf(format, args...))}
}

func apiNotFound(ctx context.Context, apiID string) error {
	return notFound("Invalid API identifier specified %s:%s", identity.Of(ctx).Account, apiID)
}

func isNotFound(err error) bool {
	_, ok := errors.AsType[*api.NotFoundException](err)
	return ok
}
