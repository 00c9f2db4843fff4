package authorizer

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/paddock-run/paddock/internal/arn"
	"github.com/paddock-run/paddock/internal/gateway/rest"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/wire/sigv4"
)

// maxSigned is how many bytes of body may be kept in memory to be verified: a
// request's limit.
const maxSigned = 10 << 20

// iam is AWS_IAM authorization: the request must be signed. Without IAM there are
// no policies of callers: whoever holds a key may do all that the account may.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/permissions.html
type iam struct {
	owner    *Authorizers
	verifier *sigv4.Verifier // nil: signatures are not verified
}

func newIAM(owner *Authorizers) *iam {
	i := &iam{owner: owner}
	if owner.Lookup != nil {
		i.verifier = &sigv4.Verifier{Lookup: owner.Lookup, MaxBody: maxSigned}
	}
	return i
}

// Authorize implements rest.Authorizer.
func (i *iam) Authorize(ctx context.Context, r *rest.Request) (*rest.Decision, *rest.Failure) {
	if !sigv4.Signed(r.HTTP) {
		return nil, failed(rest.TypeMissingToken, "The request is not signed")
	}
	signed, err := i.verify(r.HTTP)
	if err != nil {
		return nil, signatureFailure(err)
	}
	who, err := i.caller(ctx, r, signed)
	if err != nil {
		return nil, &rest.Failure{Type: rest.TypeAccessDenied, Detail: "It cannot be told who calls: " + err.Error()}
	}
	d := &rest.Decision{Caller: who}
	if who.AccountID != r.API.Account {
		d.Silent = refused(r, who, false) // another account's API must itself let it in
	}
	return d, nil
}

func (i *iam) test(ctx context.Context, r *rest.Request) (*rest.Decision, string, *rest.Failure) {
	d, f := i.Authorize(ctx, r)
	return d, "", f
}

func (i *iam) verify(r *http.Request) (*sigv4.Verified, error) {
	if i.verifier == nil {
		return sigv4.Inspect(r, "execute-api")
	}
	v, err := i.verifier.Verify(r, "execute-api")
	if err == nil && r.Body != nil && r.Body != http.NoBody {
		r.Body = watchedBody{r.Body}
	}
	return v, err
}

// watchedBody tells the gateway that a body is not the one that was signed.
type watchedBody struct{ io.ReadCloser }

func (b watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if refusal, ok := errors.AsType[*sigv4.Error](err); ok {
		err = signatureFailure(refusal)
	}
	return n, err
}

// signatureFailure is what API Gateway makes of a signature that is not good.
func signatureFailure(err error) *rest.Failure {
	refusal, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return &rest.Failure{Detail: "The signature could not be verified: " + err.Error()}
	}
	f := &rest.Failure{Type: rest.TypeInvalidSignature, Message: refusal.Message, Detail: refusal.Message}
	switch refusal.Reason {
	case sigv4.Missing:
		f.Type, f.Message = rest.TypeMissingToken, ""
	case sigv4.Incomplete, sigv4.IncompleteQuery:
		f.Code = "IncompleteSignatureException"
	case sigv4.UnknownKey:
		f.Code = "UnrecognizedClientException"
	case sigv4.ExpiredToken:
		f.Type = rest.TypeExpiredToken
	case sigv4.TooLarge:
		f.Type, f.Message = "REQUEST_TOO_LARGE", ""
	}
	return f
}

// caller finds out who signed. A key of the operator's is the account's own; a
// function's environment has its role.
func (i *iam) caller(ctx context.Context, r *rest.Request, signed *sigv4.Verified) (*rest.Caller, error) {
	id := identity.Of(ctx)
	account := signed.Account
	if account == "" {
		account = id.Account
	}
	partition := arn.PartitionOf(r.API.Region)
	who := &rest.Caller{AccountID: account, AccessKey: signed.AccessKey}
	if id.FunctionARN == "" || !strings.HasPrefix(signed.AccessKey, "ASIA") {
		who.Caller, who.User = account, account
		who.UserARN = "arn:" + partition + ":iam::" + account + ":root"
		return who, nil
	}
	v, _, err := i.owner.Functions.Resolve(ctx, account, id.Region, id.FunctionARN)
	if err != nil {
		return nil, err
	}
	_, role, ok := strings.Cut(v.Role, ":role/")
	if !ok {
		return nil, errors.New("the function " + v.ARN + " has no role")
	}
	role = role[strings.LastIndexByte(role, '/')+1:]
	who.RoleARN = v.Role
	who.UserARN = "arn:" + partition + ":sts::" + account + ":assumed-role/" + role + "/" + v.Name
	who.Caller = roleID(v.Role) + ":" + v.Name
	who.User = who.Caller
	return who, nil
}

// roleID is a role's unique ID, of the form that IAM gives them.
func roleID(roleARN string) string {
	sum := sha256.Sum256([]byte(roleARN))
	return "AROA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// replaceAccount changes the fifth part of an ARN.
func replaceAccount(text, account string) string {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) == 6 {
		parts[4] = account
	}
	return strings.Join(parts, ":")
}
