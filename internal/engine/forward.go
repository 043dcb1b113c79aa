package engine

import (
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// TokenToForward is the access token of whoever sent a request, for a call in their
// name. If there is none, it answers the request as a guard does. A machine client's token
// will do.
func (a *Engine) TokenToForward(r Request) (token secret.Text, pass bool, err error) {
	if pass, err = a.Judge(r, []Demand{HasToken}); !pass {
		return "", false, err
	}
	raw, err := a.AccessToken(r)
	if err != nil {
		return "", false, a.turnAway(r, a.Identity(r), fault.From(err))
	}
	return secret.Text(raw), true, nil
}
