package apigateway

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/store"
)

// ImportApiKeys makes keys, and puts them into usage plans, as the lines of a CSV
// file say: Name and Key, and perhaps Description, Enabled, UsagePlanIds. A key
// whose value there is already, or whose line is wrong, is a warning and is left
// out; with failOnWarnings nothing is made then.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-key-file-format.html
func (s *Service) ImportApiKeys(ctx context.Context, in *api.ImportApiKeysRequest) (*api.ApiKeyIds, error) {
	if *in.Format != api.ApiKeysFormatCsv {
		return nil, badRequest("Invalid format specified. Must be csv")
	}
	lines, warnings, err := s.readKeys(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 && truth(in.FailOnWarnings) {
		return nil, badRequest("Warnings found during import:\n\t%s", strings.Join(warnings, "\n\t"))
	}
	out := &api.ApiKeyIds{Ids: []string{}, Warnings: warnings}
	for _, k := range lines {
		made, err := s.createKey(ctx, k)
		var taken *api.ConflictException
		if errors.As(err, &taken) {
			out.Warnings = append(out.Warnings, "API Key '"+k.Name+"' already exists. Ignoring.")
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Ids = append(out.Ids, made.ID)
	}
	return out, nil
}

// readKeys reads the lines of a CSV file.
func (s *Service) readKeys(ctx context.Context, body []byte) (keys []apiKey, warnings []string, err error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))))
	r.TrimLeadingSpace, r.FieldsPerRecord = true, -1
	head, err := r.Read()
	if err != nil {
		return nil, nil, badRequest("Invalid CSV file: a header with the columns Name and Key is required")
	}
	column := map[string]int{}
	for i, name := range head {
		column[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, name := range []string{"name", "key"} {
		if _, ok := column[name]; !ok {
			return nil, nil, badRequest("Invalid CSV file: the column %s is missing", name)
		}
	}
	values := map[string]bool{}
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return keys, warnings, nil
		}
		if err != nil {
			return nil, nil, badRequest("Invalid CSV file: %v", err)
		}
		at := func(name string) string {
			if i, ok := column[name]; ok && i < len(line) {
				return strings.TrimSpace(line[i])
			}
			return ""
		}
		k := apiKey{Name: at("name"), Value: at("key"), Description: at("description"), Enabled: true}
		problem := s.readKey(ctx, &k, at("enabled"), at("usageplanids"))
		if problem == "" && values[k.Value] {
			problem = "its value is there twice"
		}
		if problem == "" {
			if _, err := s.docs.Get(ctx, valueKey(ctx, k.Value)); err == nil {
				problem = "API Key already exists"
			} else if !errors.Is(err, store.ErrNotFound) {
				return nil, nil, err
			}
		}
		if problem != "" {
			n, _ := r.FieldPos(0)
			warnings = append(warnings, fmt.Sprintf("Line %d: %s. Ignoring API Key '%s'.", n, problem, k.Name))
			continue
		}
		values[k.Value] = true
		keys = append(keys, k)
	}
}

// readKey reads the columns of a line that need more than a look, and says what
// is wrong with it.
func (s *Service) readKey(ctx context.Context, k *apiKey, enabled, plans string) (problem string) {
	if k.Name == "" {
		return "the name is missing"
	}
	if err := checkKeyValue(k.Value); err != nil {
		return messageOf(err)
	}
	if enabled != "" {
		b, err := patchBool(enabled)
		if err != nil {
			return messageOf(err)
		}
		k.Enabled = b
	}
	for id := range strings.SplitSeq(plans, ",") {
		if id = strings.TrimSpace(id); id == "" || slices.Contains(k.Plans, id) {
			continue
		}
		if _, _, err := usagePlans.get(ctx, s, id); err != nil {
			return "Invalid Usage Plan ID specified: " + id
		}
		k.Plans = append(k.Plans, id)
	}
	return ""
}

// messageOf is what an error of ours tells the client, without its type.
func messageOf(err error) string {
	var bad *api.BadRequestException
	if errors.As(err, &bad) {
		return bad.ErrorMessage()
	}
	return err.Error()
}
