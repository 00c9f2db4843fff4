package restapi

import "time"

// API is a REST API as the gateway serves it. The same pointer means that
// nothing has changed.
type API struct {
	Account, Region string
	ID              string
	Name            string
	Stages          map[string]*ServedStage
}

// ServedStage is a stage with the definitions that its deployments froze.
type ServedStage struct {
	Stage
	Definition *Definition
	// CanaryDefinition is that of the canary's deployment; nil: there is no canary.
	CanaryDefinition *Definition
	// ClientCertificate is PEM, its key PKCS #8: what HTTP backends are shown.
	ClientCertificate, ClientKey []byte
	// CacheEpoch changes when the stage's cache is flushed.
	CacheEpoch int64
	// AuthorizersEpoch changes when the stage's cache of authorizers' answers is flushed.
	AuthorizersEpoch int64
}

// Key is an API key.
type Key struct {
	ID         string
	Value      string
	Name       string
	CustomerID string
	Enabled    bool
	Plans      []*Plan // those that the key belongs to
}

// Plan is a usage plan.
type Plan struct {
	ID       string
	Name     string
	Stages   []PlanStage
	Throttle *Throttle // nil: no limit
	Quota    *Quota    // nil: none
}

// PlanStage is a stage that a plan's keys open.
type PlanStage struct {
	APIID, Stage string
	// Throttle is by "{resource path}/{METHOD}", as "/pets/GET".
	Throttle map[string]Throttle
}

// Throttle is a token bucket.
type Throttle struct {
	Rate  float64 // requests a second
	Burst int32   // requests
}

// Quota is how many requests a key may make in a period.
type Quota struct {
	Limit  int32
	Offset int32  // requests that are taken off the first period
	Period string // "DAY", "WEEK", "MONTH"
}

// Domain is a custom domain name.
type Domain struct {
	Account, Region string
	Name            string
	Mappings        []Mapping
	// Truststore is PEM: the authorities of mutual TLS; nil: none is asked for.
	Truststore []byte
	// Certificate is PEM with its key; nil: the operator's own.
	Certificate, PrivateKey []byte
	SecurityPolicy          string // "TLS_1_0", "TLS_1_2", "SecurityPolicy_TLS13_1_3_2025_09", …
}

// Mapping is what a base path of a domain leads to.
type Mapping struct {
	BasePath string // "" is the root ("(none)" on the wire)
	APIID    string
	Stage    string // empty: the first segment of the path below
}

// Use is what a key used of a plan on a day.
type Use struct {
	PlanID, KeyID string
	Day           time.Time // midnight UTC
	Used          int64     // requests
	Remaining     int64     // of the quota, at the end of that day
}
