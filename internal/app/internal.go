package app

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/paddock-run/paddock/internal/lambda"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// internal serves /_paddock/: what is Paddock's own and no AWS API.
func (d *daemon) internal() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_paddock/code/{token}", d.serveCode)
	mux.HandleFunc("POST /_paddock/reset", d.serveReset)
	return mux
}

// serveCode answers the URL in GetFunction's Code.Location.
func (d *daemon) serveCode(w http.ResponseWriter, r *http.Request) {
	code, err := d.lambda.CodeByToken(r.Context(), r.PathValue("token"))
	if errors.Is(err, lambda.ErrCodeToken) {
		http.Error(w, "the link is not valid, or older than ten minutes: call GetFunction again", http.StatusForbidden)
		return
	}
	if err != nil {
		d.log.Error("a code archive cannot be served", "error", err)
		http.Error(w, "the archive cannot be read", http.StatusInternalServerError)
		return
	}
	defer code.Content.Close()
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": code.FileName}))
	http.ServeContent(w, r, "", time.Time{}, code.Content)
}

// serveReset empties everything, for test suites, where the operator allows it.
func (d *daemon) serveReset(w http.ResponseWriter, r *http.Request) {
	if !d.cfg.AllowReset {
		http.Error(w, "reset is not allowed: start Paddock with --allow-reset", http.StatusForbidden)
		return
	}
	if err := d.mayReset(r); err != nil {
		http.Error(w, "reset wants a request that is signed for the service paddock with one of the access keys (curl --aws-sigv4 aws:amz:us-east-1:paddock --user ID:SECRET): "+err.Error(), http.StatusForbidden)
		return
	}
	if err := d.reset(r); err != nil {
		d.log.Error("reset failed", "error", err)
		http.Error(w, "the state could not be emptied: see Paddock's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(map[string]string{"status": "reset"}); err != nil {
		d.log.Debug("a client went away", "error", err)
	}
}

// mayReset checks the signature where requests must be signed: only the
// operator's own keys count, never those of functions.
func (d *daemon) mayReset(r *http.Request) error {
	if len(d.cfg.AccessKeys) == 0 {
		return nil
	}
	operators := newAccessKeys(d.cfg.AccessKeys)
	v := &sigv4.Verifier{Lookup: operators.lookup(), MaxBody: 1 << 10}
	_, err := v.Verify(r, "paddock")
	return err
}

func (d *daemon) reset(r *http.Request) error {
	if err := d.lambda.Reset(r.Context()); err != nil {
		return err
	}
	if err := d.logs.Flush(r.Context()); err != nil {
		return err
	}
	if err := d.state.Reset(r.Context()); err != nil {
		return err
	}
	return d.ecr.Reset()
}
