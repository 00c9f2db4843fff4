package apigateway

import (
	"cmp"
	"encoding/base64"
	"slices"
)

// Page sizes of the Get…s operations.
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetResources.html
const (
	defaultPage = 25
	maxPage     = 500
)

// page cuts out of items, which it sorts by key, those that position and limit
// ask for. Keys must be unique. next is nil where nothing follows. Positions
// are opaque to clients; one that names an item that is gone goes on where that
// item stood.
func page[T any](items []T, key func(T) string, position *string, limit *int32) (out []T, next *string, err error) {
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	n := defaultPage
	if limit != nil {
		if *limit < 1 {
			return nil, nil, badRequest("Invalid limit specified: %d", *limit)
		}
		n = min(int(*limit), maxPage)
	}
	if position != nil && *position != "" {
		after, err := base64.RawURLEncoding.DecodeString(*position)
		if err != nil {
			return nil, nil, badRequest("Invalid position parameter specified")
		}
		i, found := slices.BinarySearchFunc(items, string(after), func(item T, k string) int { return cmp.Compare(key(item), k) })
		if found {
			i++
		}
		items = items[i:]
	}
	if len(items) > n {
		items = items[:n]
		next = new(base64.RawURLEncoding.EncodeToString([]byte(key(items[n-1]))))
	}
	return items, next, nil
}
