package engine

import (
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// TokenToForward is the access token of whoever sent a request, for a call in their
// name. If there is none, it answers the request as a guard does. A machine client's token
// will do.
func (a *Engine) TokenToForward(r Request) (token secret.Text, pass bool, err error) {
	id := a.Identity(r) // now: a token may have to be waited for, and the request be lost then
	if pass, err = a.Judge(r, []Demand{HasToken}); !pass {
		return "", false, err
	}
	raw, err := a.AccessToken(r)
	if err != nil {
		return "", false, a.turnAway(r, id, fault.From(err))
	}
	return secret.Text(raw), true, nil
}
