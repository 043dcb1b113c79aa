// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"context"
	"fmt"

	"github.com/bar-tech/cognito/internal/doctor"
)

// Finding is one thing that is wrong, or may be, with the pool, the app client, the
// addresses or the storage: see [Auth.Check].
type Finding struct {
	// Code is a stable word, such as "callback_not_registered".
	Code string `json:"code"`
	// Breaks tells that logins, sessions or sign-outs fail because of it.
	Breaks bool `json:"breaks"`
	// Field is the Config field concerned, or "", and Value what it is set to, with
	// secrets redacted.
	Field string `json:"field,omitempty"`
	Value string `json:"value,omitempty"`
	// Problem says what is wrong, and Remedy what to do about it.
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

// String names field, value, problem and remedy. It is for the operator, not for
// visitors.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s %q: %s; %s", f.Code, f.Field, f.Value, f.Problem, f.Remedy)
}

// Check asks the pool and the storage what no check at the start can know: whether the
// domain is there, the app client exists, its callback and sign-out URLs, scopes and
// secret are right, the issuer and its keys are where they should be, the clocks agree,
// and the storage keeps what it is given. It signs nobody in and changes nothing. A right
// setup gives no findings; what breaks something comes first.
//
// It takes a few seconds, eight at most, and the answers are kept for half a minute, so
// a readiness probe may call it. The error is the context's, if that ends before, and [ErrUnavailable] after
// Close. Without
// BaseURL nothing is asked about the app's own addresses. "cognito doctor" asks the same
// from a command line. What Cognito answers is taken from AWS's documentation and public
// reports, and was never tried against AWS.
func (a *Auth) Check(ctx context.Context) ([]Finding, error) {
	found, err := a.engine.Check(ctx)
	if err != nil {
		return nil, err
	}
	return findingsOf(found), nil
}

func findingsOf(found []doctor.Finding) []Finding {
	findings := make([]Finding, len(found))
	for i, f := range found {
		findings[i] = Finding(f)
	}
	return findings
}
