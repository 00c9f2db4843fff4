package lambda

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"

	api "github.com/paddock-run/paddock/internal/api/lambda"
	"github.com/paddock-run/paddock/internal/identity"
)

// maxPage is how many functions or versions one answer lists at most, whatever
// MaxItems asks for.
const maxPage = 50

// ListFunctions implements
// https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
func (s *Service) ListFunctions(ctx context.Context, in *api.ListFunctionsRequest) (*api.ListFunctionsResponse, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	name, number, err := parseMarker(in.Marker)
	if err != nil {
		return nil, err
	}
	out := &api.ListFunctionsResponse{Functions: []*api.FunctionConfiguration{}}
	if in.MasterRegion != nil && *in.MasterRegion != "ALL" {
		return out, nil // asks for replicas of Lambda@Edge functions only
	}
	limit := pageSize(in.MaxItems, maxPage)
	id := identity.Of(ctx)
	scope := s.index.scope(scopeKey{id.Account, id.Region}, false)
	if scope == nil {
		return out, nil
	}
	every := deref(in.FunctionVersion) == api.FunctionVersionAll
	r := ref{partition: id.Partition, account: id.Account, region: id.Region}
	// A marker within a function's versions begins with that function again.
	at, inclusive := name, number != ""
	for {
		names := scope.list(at, inclusive, limit+1)
		for _, n := range names {
			at, inclusive = n, false
			snap, err := s.index.lookup(id.Account, id.Region, n)
			if err != nil {
				return nil, err
			}
			if snap == nil {
				continue
			}
			r.name = n
			if !every {
				if len(out.Functions) == limit {
					return out, nil
				}
				out.Functions = append(out.Functions, snap.latest.listed(r, ""))
				out.NextMarker = marker(n, "")
				continue
			}
			for _, v := range snap.inOrder() {
				if n == name && number != "" && !versionLess(number, v.doc.Version) {
					continue
				}
				if len(out.Functions) == limit {
					return out, nil
				}
				out.Functions = append(out.Functions, v.listed(r, v.doc.Version))
				out.NextMarker = marker(n, v.doc.Version)
			}
		}
		if len(names) <= limit {
			out.NextMarker = nil // there is no more
			return out, nil
		}
	}
}

// inOrder returns a function's versions: $LATEST, then by number.
func (s *snapshot) inOrder() []*version {
	all := []*version{s.latest}
	for _, v := range s.versions {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b *version) int {
		switch {
		case versionLess(a.doc.Version, b.doc.Version):
			return -1
		case versionLess(b.doc.Version, a.doc.Version):
			return 1
		}
		return 0
	})
	return all
}

func versionLess(a, b string) bool { return versionNumber(a) < versionNumber(b) }

// versionNumber is 0 for $LATEST.
func versionNumber(v string) int {
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0
	}
	return n
}

// A marker is base64 of the last item of a page: a name, and where versions are
// listed the version after a colon.
func marker(name, number string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(name + ":" + number)))
}

func parseMarker(m *string) (name, number string, err error) {
	if deref(m) == "" {
		return "", "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*m)
	if err == nil {
		for i, c := range b {
			if c == ':' && i > 0 {
				return string(b[:i]), string(b[i+1:]), nil
			}
		}
	}
	return "", "", invalidParameter("The provided marker is not valid.")
}

// pageSize is how many items a page has: MaxItems, between 1 and most.
func pageSize(asked *int32, most int) int {
	if asked == nil || *asked < 1 || int(*asked) > most {
		return most
	}
	return int(*asked)
}
