package userpool

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// The part of the JSON API cognito-idp that SDKs and Amplify need. All operations have
// the same address; a header names the operation.

// idpTarget is what precedes an operation's name in the header X-Amz-Target.
const idpTarget = "AWSCognitoIdentityProviderService."

// operation is one operation of the API.
type operation struct {
	// admin operations are signed with AWS credentials in a pool. Here nobody checks
	// a signature, so they are kept from web pages and from other machines instead.
	admin bool
	do    func(body []byte) (any, error)
}

// idpError is an error in the API's own form.
type idpError struct {
	status        int
	kind, message string
}

func (e *idpError) Error() string { return e.kind + ": " + e.message }

// refused is the usual error, which has the status 400 whatever went wrong.
func refused(kind, message string) error {
	return &idpError{http.StatusBadRequest, kind, message}
}

// open makes an operation of a function that reads In, for everybody.
func open[In any](do func(In) (any, error)) operation {
	return operation{do: func(body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, refused("SerializationException", "the body is not the JSON that this operation takes")
		}
		return do(in)
	}}
}

// admin makes an operation of a function that reads In, for administrators.
func admin[In any](do func(In) (any, error)) operation {
	made := open(do)
	made.admin = true
	return made
}

// ofPool names the pool in a request.
type ofPool struct{ UserPoolID string }

func (o ofPool) poolID() string { return o.UserPoolID }

// within makes an operation of administrators on this pool alone.
func within[In interface{ poolID() string }](p *Pool, do func(In) (any, error)) operation {
	return admin(func(in In) (any, error) {
		if in.poolID() != p.id {
			return nil, refused("ResourceNotFoundException", "User pool "+in.poolID()+" does not exist.")
		}
		return do(in)
	})
}

// serveIDP returns the handler of the API.
func (p *Pool) serveIDP() http.HandlerFunc {
	operations := p.operations()
	return func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), idpTarget)
		wanted, ok := operations[name]
		if !ok {
			writeIDPError(w, refused("UnknownOperationException", "the pool does not know this operation"))
			return
		}
		if err := mayAsk(wanted, r); err != nil {
			writeIDPError(w, err)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			writeIDPError(w, refused("SerializationException", "the body cannot be read"))
			return
		}
		answer, err := wanted.do(body)
		if err != nil {
			writeIDPError(w, err)
			return
		}
		writeIDP(w, http.StatusOK, answer)
	}
}

// mayAsk refuses administration to web pages, which can reach a loopback address through
// a developer's browser, and to other machines. A browser names the page in Origin at
// every POST, even after DNS rebinding, when page and pool seem to have the same origin.
func mayAsk(wanted operation, r *http.Request) error {
	if strings.TrimSpace(strings.Split(r.Header.Get("Content-Type"), ";")[0]) != "application/x-amz-json-1.1" {
		// A browser asks before it sends this type, unlike those of forms.
		return refused("SerializationException", "the Content-Type is not application/x-amz-json-1.1")
	}
	if !wanted.admin {
		return nil
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	if err != nil || ip == nil || !ip.IsLoopback() {
		return &idpError{http.StatusForbidden, "ForbiddenException", "only this machine may administer the pool"}
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return &idpError{http.StatusForbidden, "ForbiddenException", "no web page may administer the pool"}
	}
	return nil
}

// writeIDP answers in the API's form.
func writeIDP(w http.ResponseWriter, status int, answer any) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.1")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Amzn-RequestId", newUUID())
	h.Set("Access-Control-Expose-Headers", "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may have left
}

// writeIDPError answers with an error. SDKs read its type from the header or the body.
func writeIDPError(w http.ResponseWriter, err error) {
	var known *idpError
	if !errors.As(err, &known) {
		known = &idpError{http.StatusInternalServerError, "InternalErrorException", "the pool failed"}
	}
	w.Header().Set("X-Amzn-ErrorType", known.kind+":")
	w.Header().Set("X-Amzn-ErrorMessage", known.message)
	writeIDP(w, known.status, map[string]string{"__type": known.kind, "message": known.message})
}
