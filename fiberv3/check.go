// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"context"
	"fmt"

	"github.com/bar-tech/cognito/internal/doctor"
)

// Finding is one thing that is wrong, or may be wrong, with the pool, the app client,
// the addresses or the storage. See [Auth.Check].
type Finding struct {
	// Code is a stable word, such as "callback_not_registered".
	Code string `json:"code"`
	// Breaks reports whether logins, sessions or sign-outs fail because of it.
	Breaks bool `json:"breaks"`
	// Field is the Config field concerned, or "". Value is what it is set to, with
	// secrets redacted.
	Field string `json:"field,omitempty"`
	Value string `json:"value,omitempty"`
	// Problem says what is wrong, and Remedy what to do about it.
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

// String returns the code, field, value, problem and remedy. It is for operators, not
// for visitors.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s %q: %s; %s", f.Code, f.Field, f.Value, f.Problem, f.Remedy)
}

// Check checks the settings against the pool and the storage, which [New] cannot do
// without network calls. It checks that the domain responds, that the app client exists
// and its callback and sign-out URLs, scopes and secret are right, that the issuer and
// its keys can be reached, that the clocks agree, and that the storage returns what was
// stored. It signs nobody in and changes nothing. If everything is right, there are no
// findings. Findings that break something come first.
//
// Check takes at most eight seconds, and its results are cached for half a minute, so a
// readiness probe may call it. The error is the context's if that ends first, and
// [ErrUnavailable] after Close. Without BaseURL, nothing is checked that takes the app's
// own addresses: the app client, its URLs and scopes, and the login pages. "cognito
// doctor" runs the same checks from the command line. Cognito's responses are known from
// AWS's documentation and public reports; they have not been tested against AWS.
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
