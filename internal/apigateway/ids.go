package apigateway

import "crypto/rand"

// newID makes an identifier like AWS's: n lower-case letters and digits.
func newID(n int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// freshID is a newID that no key of taken has.
func freshID[T any](n int, taken map[string]T) string {
	for {
		id := newID(n)
		if _, ok := taken[id]; !ok {
			return id
		}
	}
}
