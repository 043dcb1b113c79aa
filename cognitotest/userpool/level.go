package userpool

import "fmt"

// Authentication levels, for step-up: which one a login reached, and what its tokens
// say of it (https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-step-up-authentication.html).

// The levels that this pool knows: a password, and a second factor besides.
const (
	levelPassword = 1
	levelFactors  = 3
)

func nameOfLevel(level int) string { return fmt.Sprintf("urn:cognito:loa:%d", level) }

// wantsFactors reports whether a request asks for more than a password. Its levels are
// in the order of preference, so the first that Cognito has decides.
func wantsFactors(a authorization) bool {
	for _, level := range a.levels {
		switch level {
		case nameOfLevel(levelPassword):
			return false
		case nameOfLevel(2), nameOfLevel(levelFactors), nameOfLevel(4):
			return true
		}
	}
	return false
}

// isHighEnough reports whether a visitor's session serves a request. Users who cannot go
// higher are let through as they are: what is asked for is a wish.
func (p *Pool) isHighEnough(visitor session, a authorization) bool {
	user, known := p.user(visitor.username)
	return !known || !wantsFactors(a) || !user.SecondFactor || visitor.level >= levelFactors
}

// levelOf is the level that a user reaches who has just given the password.
func (p *Pool) levelOf(user User, a authorization) int {
	if p.levels && wantsFactors(a) && user.SecondFactor {
		return levelFactors
	}
	return levelPassword
}

// addLevel says in a token what its login reached.
func (p *Pool) addLevel(claims map[string]any, g grant) {
	if !p.levels || p.classic || g.level == 0 {
		return
	}
	claims["acr"], claims["amr"] = nameOfLevel(g.level), []string{"pwd"}
	switch {
	case g.provider != "":
		claims["amr"] = []string{"fed"}
	case g.level >= levelFactors:
		claims["amr"] = []string{"pwd", "otp", "mfa"}
	}
}
