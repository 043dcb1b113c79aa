// Package doctor asks a user pool what no check at the start can know: whether the app
// client, its URLs, its scopes and its secret are what the app believes. It signs nobody
// in and changes nothing.
//
// What Cognito answers is taken from AWS's documentation and from public reports; none
// of it was tried against AWS.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
)

// Finding is one thing that is wrong, or may be.
type Finding struct {
	Code    string // a stable word, such as "callback_not_registered"; once in an answer
	Breaks  bool   // logins, sessions or sign-outs fail because of it
	Field   string // the setting concerned, or ""
	Value   string // what it is; never a secret
	Problem string
	Remedy  string
}

// App is what the app believes.
type App struct {
	Endpoints    pool.Endpoints
	Issuers      pool.Issuers
	PoolID       string
	ClientID     string
	ClientSecret secret.Text
	Scopes       []string
	Resource     string
	Parameters   map[string]string // further ones of every login
	RedirectURI  string            // "" if that is not known: then nothing is asked about it
	LogoutURI    string
	Challenge    string // any of PKCE's, since codes are never redeemed
	Client       *pool.Client
	Now          func() time.Time
}

// timeout bounds all questions together: they are asked at once, after the first.
const timeout = 8 * time.Second

// Question asks one thing. It finds nothing if all is well, or if another question tells.
type Question func(ctx context.Context, app App) []Finding

// Ask asks all questions, and returns what is wrong. What breaks something comes first.
func Ask(ctx context.Context, app App, more ...Question) []Finding {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if found := askDomain(ctx, app); len(found) > 0 {
		return found // nothing else can be known
	}
	questions := append([]Question{askAuthorize, askLogout, askToken, askIssuer}, more...)
	answers := make([][]Finding, len(questions))
	var all sync.WaitGroup
	for i, ask := range questions {
		all.Go(func() { // each writes to its own place of answers
			// An app's transport or storage that panics must not end the app's process.
			defer func() {
				if p := recover(); p != nil {
					answers[i] = []Finding{{Code: codeNotAsked, Breaks: true, Problem: fmt.Sprintf("the check panicked: %v", p), Remedy: "fix the HTTPClient or the Storage in Config"}}
				}
			}()
			answers[i] = ask(ctx, app)
		})
	}
	all.Wait()
	return sorted(slices.Concat(answers...))
}

// sorted puts first what breaks something. Of findings with one code it keeps the first,
// since two questions may find the same, and of a client that does not exist nothing else
// that follows from that.
func sorted(found []Finding) []Finding {
	slices.SortStableFunc(found, func(a, b Finding) int {
		switch {
		case a.Breaks == b.Breaks:
			return 0
		case a.Breaks:
			return -1
		}
		return 1
	})
	unknown := slices.ContainsFunc(found, func(f Finding) bool { return f.Code == codeClientUnknown })
	seen := map[string]bool{}
	return slices.DeleteFunc(found, func(f Finding) bool {
		twice := seen[f.Code]
		seen[f.Code] = true
		return twice || unknown && f.Code != codeClientUnknown && followsFromUnknown[f.Code]
	})
}

// followsFromUnknown is what a client that does not exist also fails at.
var followsFromUnknown = map[string]bool{
	codeSecretMissing: true, codeSecretWrong: true, codeSecretSuperfluous: true, codeSignOutURL: true, codeCallbackURL: true, codeLoginRefused: true,
}
