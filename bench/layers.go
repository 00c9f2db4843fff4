package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"
)

// layers measures what five layers add to a cold start: first invocations of
// functions with and without them, in turn.
func (b *bench) layers() error {
	const count, files = 5, 40
	p, err := b.startPaddock(filepath.Join(b.dir, "layers"))
	if err != nil {
		return err
	}
	defer p.stop()
	client := &http.Client{Timeout: time.Minute}
	var arns []string
	for n := range count {
		arn, err := publishLayer(client, p, fmt.Sprint("layer", n), files)
		if err != nil {
			return err
		}
		arns = append(arns, arn)
	}
	settings, err := json.Marshal(map[string]any{"Layers": arns})
	if err != nil {
		return err
	}
	var with, without []time.Duration
	for n := range 2 * (1 + 10*b.rounds) {
		name := fmt.Sprint("layered", n)
		if err := b.create(p, name); err != nil {
			return err
		}
		layered := n%2 == 1
		if layered {
			if err := once(client, http.StatusOK, http.MethodPut, p.url+functions+"/"+name+"/configuration", settings); err != nil {
				return err
			}
		}
		began := time.Now()
		if err := once(client, http.StatusOK, http.MethodPost, p.url+functions+"/"+name+"/invocations", []byte(`{}`)); err != nil {
			return err
		}
		switch took := time.Since(began); {
		case n < 2: // unpacks the code and the layers, which the others share
		case layered:
			with = append(with, took)
		default:
			without = append(without, took)
		}
	}
	fmt.Printf("\n| cold start of a Go function, request to response | p50 of %d |\n|---|---|\n| no layers (%s) | %s |\n| %d layers of %d files | %s |\n",
		len(with), b.sandbox, ms(median(without)), count, files, ms(median(with)))
	return nil
}

// publishLayer makes a layer of files that share a folder with those of the
// others, and returns its version's ARN.
func publishLayer(client *http.Client, p *server, name string, files int) (string, error) {
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for n := range files {
		f, err := z.Create(fmt.Sprintf("python/%s_%d.py", name, n))
		if err != nil {
			return "", err
		}
		if _, err := fmt.Fprintf(f, "value = %d\n", n); err != nil {
			return "", err
		}
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{"Content": map[string]string{"ZipFile": base64.StdEncoding.EncodeToString(archive.Bytes())}})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest(http.MethodPost, p.url+"/2018-10-31/layers/"+name+"/versions", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", signed)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var out struct{ LayerVersionArn string }
	if err := json.Unmarshal(text, &out); err != nil || out.LayerVersionArn == "" {
		return "", fmt.Errorf("PublishLayerVersion: %s: %.300s", res.Status, text)
	}
	return out.LayerVersionArn, nil
}
