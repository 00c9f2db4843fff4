package function

import "fmt"

// Image is a container image that is unpacked on this host, as a version runs it.
type Image struct {
	Digest string   // "sha256:…": of its manifest; of its configuration where it came without one
	Layers []string // host folders of its layers, in order: later ones cover earlier ones
	// EntryPoint and Command together are what is started: the image's own, unless
	// the function's ImageConfig says otherwise.
	EntryPoint, Command []string
	WorkingDir          string   // absolute inside; empty: "/"
	Env                 []string // "KEY=value", of the image
	// Extensions are the names of the files in the image's /opt/extensions, sorted.
	Extensions []string
}

// ImageErrorKind says what is wrong with an image, or with its name.
type ImageErrorKind int

const (
	ImageInvalid  ImageErrorKind = iota // it cannot be run: damaged, or of a kind that Lambda does not take
	ImageMissing                        // there is no such image
	ImageDenied                         // its registry, or Paddock's operator, does not let us have it
	ImageBadName                        // the URI names no place that images come from
	ImageTooLarge                       // unpacked it is over Lambda's 10 GB
)

// ImageError is an image's fault, not this machine's. Reason is for the
// function's owner.
type ImageError struct {
	Kind   ImageErrorKind
	Reason string
}

func (e *ImageError) Error() string { return e.Reason }

// NewImageError makes one with a formatted reason.
func NewImageError(kind ImageErrorKind, format string, args ...any) *ImageError {
	return &ImageError{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}
