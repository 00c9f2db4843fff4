// Package metrics is the seam through which Paddock's parts say what CloudWatch
// would know of them: AWS/Lambda, AWS/SQS, AWS/ApiGateway and the rest.
package metrics

// Dimension is a name and a value that tell a series from others of its name.
type Dimension struct{ Name, Value string }

// ID names a series.
type ID struct {
	Account, Region string
	Namespace       string // "AWS/SQS"
	Name            string // "NumberOfMessagesSent"
	Unit            string // "Count", "Milliseconds", "Bytes", "Seconds", "Percent", "None"
	Dimensions      []Dimension
}

// Recorder takes figures. It is safe for concurrent use.
type Recorder interface {
	// Series returns the series of that name. Callers on a hot path keep it.
	Series(id ID) Series
}

// Series is one metric of one thing.
type Series interface {
	// Add records a value of now. It takes no lock that a reader holds for long,
	// allocates nothing, and does not fail.
	Add(value float64)
}

// Discard takes figures and forgets them.
var Discard Recorder = discard{}

type discard struct{}

func (discard) Series(ID) Series { return discard{} }
func (discard) Add(float64)      {}
