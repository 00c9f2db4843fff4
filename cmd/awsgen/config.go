package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/paddock-run/paddock/internal/awsmodel"
)

// botocoreVersion is the version of the models; scripts/fetch-models.sh pins it too.
const botocoreVersion = "1.43.11"

//go:embed services.json
var servicesJSON []byte

// serviceConfig is an entry of services.json.
type serviceConfig struct {
	ID      string `json:"id"`      // botocore's folder name
	Version string `json:"version"` // the API's version: a folder below
	Package string `json:"package"` // Go package and folder where it is not ID
	awsmodel.Overlay
}

func (c *serviceConfig) packageName() string {
	if c.Package != "" {
		return c.Package
	}
	return c.ID
}

func loadConfig() ([]serviceConfig, error) {
	var cs []serviceConfig
	dec := json.NewDecoder(bytes.NewReader(servicesJSON))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cs); err != nil {
		return nil, fmt.Errorf("services.json: %w", err)
	}
	for _, c := range cs {
		if strings.ContainsAny(c.packageName(), "-_.") {
			return nil, fmt.Errorf("services.json: %s is no good package name", c.packageName())
		}
	}
	return cs, nil
}
