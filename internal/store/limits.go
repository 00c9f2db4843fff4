package store

import "fmt"

// CheckWrites says, by an error that wraps ErrLimit, whether a transaction is
// outside the store's limits. It is for drivers.
func CheckWrites(writes []Write) error {
	for _, w := range writes {
		if err := CheckName("key", w.Key); err != nil {
			return err
		}
		if len(w.Value) > MaxValue {
			return fmt.Errorf("%w: the value of %q has %d bytes, and %d are the most", ErrLimit, w.Key, len(w.Value), MaxValue)
		}
	}
	return nil
}

// CheckName says, by an error that wraps ErrLimit, whether a key, or the name
// of a group or a stream, is empty or too long; what names it in the error. It
// is for drivers.
func CheckName(what, name string) error {
	if len(name) == 0 || len(name) > MaxKey {
		return fmt.Errorf("%w: a %s has 1 to %d bytes, and this one has %d", ErrLimit, what, MaxKey, len(name))
	}
	return nil
}
