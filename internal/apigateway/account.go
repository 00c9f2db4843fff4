package apigateway

import (
	"context"
	"encoding/json"
	"errors"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/store"
)

// The limits that an account's APIs share, unless the operator says otherwise:
// requests a second and at once.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	accountRate  float64 = 10_000
	accountBurst int32   = 5_000
)

// featureUsagePlans is the only feature of accounts.
const featureUsagePlans = "UsagePlans"

// account is what is stored of an account's settings in a region.
type account struct {
	CloudWatchRoleARN string `json:",omitempty"`
}

func accountKey(me *identity.Identity) string {
	return keyPrefix + "accounts/" + me.Account + "/" + me.Region
}

// GetAccount returns the account's settings in the caller's region.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetAccount.html
func (s *Service) GetAccount(ctx context.Context, _ *api.GetAccountRequest) (*api.Account, error) {
	a, _, err := s.loadAccount(ctx)
	if err != nil {
		return nil, err
	}
	return s.accountView(a), nil
}

// UpdateAccount changes the account's settings by patch operations.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateAccount.html
func (s *Service) UpdateAccount(ctx context.Context, in *api.UpdateAccountRequest) (*api.Account, error) {
	for {
		a, condition, err := s.loadAccount(ctx)
		if err != nil {
			return nil, err
		}
		feature := func(_, value string) error {
			if value != featureUsagePlans {
				return badRequest("Invalid feature specified: %s", value)
			}
			return nil
		}
		patches := patchTable{
			{path: "/cloudwatchRoleArn", replace: func(_, value string) error {
				if role, err := arn.Parse(value); value != "" && (err != nil || role.Service != "iam") {
					return badRequest("The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy.")
				}
				a.CloudWatchRoleARN = value
				return nil
			}, remove: clearText(&a.CloudWatchRoleARN)},
			{path: "/features", add: feature, replace: feature, remove: func(_, _ string) error {
				return badRequest("Usage Plans cannot be disabled once enabled")
			}},
		}
		if err := patches.apply(in.PatchOperations); err != nil {
			return nil, err
		}
		value, err := json.Marshal(a)
		if err != nil {
			return nil, err
		}
		_, err = s.docs.Write(ctx, store.Write{Key: accountKey(identity.Of(ctx)), Value: value, If: condition})
		if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrConflict) {
			continue // changed in the meantime: on top of that
		}
		if err != nil {
			return nil, err
		}
		return s.accountView(a), nil
	}
}

// loadAccount reads the settings, and says under which condition they may be
// written.
func (s *Service) loadAccount(ctx context.Context) (*account, store.Condition, error) {
	a := new(account)
	d, err := s.docs.Get(ctx, accountKey(identity.Of(ctx)))
	if errors.Is(err, store.ErrNotFound) {
		return a, store.Absent, nil
	}
	if err != nil {
		return nil, store.Always, err
	}
	return a, store.AtRevision(d.Revision), json.Unmarshal(d.Value, a)
}

func (s *Service) accountView(a *account) *api.Account {
	return &api.Account{
		CloudwatchRoleArn: optional(a.CloudWatchRoleARN),
		ThrottleSettings:  &api.ThrottleSettings{BurstLimit: new(s.throttle.Burst), RateLimit: new(s.throttle.Rate)},
		Features:          []string{featureUsagePlans},
		ApiKeyVersion:     new("4"),
	}
}
