package userpool

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"time"
)

// Sessions by the API, in a pool that tracks them: what applications have got, which are
// token sessions, and what browsers keep at the pool, which are SSO sessions.

const (
	sessionOfTokens  = "tkn"
	sessionOfBrowser = "sso"
)

// sessionName is what the API calls a session: 28 small letters and digits that tell
// neither a cookie nor a token.
func sessionName(kind, secret string) string {
	sum := sha256.Sum256([]byte(kind + secret))
	return kind + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:25]
}

type sessionRequest struct {
	ofPool
	AccessToken, Username, SessionID, RevokeAssociatedSessions string
}

// tracked is the error of a pool that tracks no sessions.
func (p *Pool) tracked() error {
	if p.maxSessions <= 0 {
		return refused("OperationNotEnabledException", "Session tracking is not enabled for this user pool.")
	}
	return nil
}

func (p *Pool) listOwnSessions(in sessionRequest) (any, error) {
	user, own, err := p.selfInSession(in.AccessToken)
	if err != nil {
		return nil, err
	}
	return p.apiSessions(user, own), nil
}

func (p *Pool) listUserSessions(in sessionRequest) (any, error) {
	user, err := p.sessionUser(in)
	if err != nil {
		return nil, err
	}
	return p.apiSessions(user, ""), nil
}

func (p *Pool) revokeOwnSession(in sessionRequest) (any, error) {
	user, own, err := p.selfInSession(in.AccessToken)
	if err != nil {
		return nil, err
	}
	if own != "" && own == in.SessionID {
		return nil, refused("InvalidParameterException", "The session of the access token cannot be revoked.")
	}
	return none{}, p.revokeSession(user, in)
}

func (p *Pool) revokeUserSession(in sessionRequest) (any, error) {
	user, err := p.sessionUser(in)
	if err != nil {
		return nil, err
	}
	return none{}, p.revokeSession(user, in)
}

// selfInSession is whose access token it is, and in which session it was issued.
func (p *Pool) selfInSession(token string) (user User, own string, err error) {
	if err := p.tracked(); err != nil {
		return User{}, "", err
	}
	if user, err = p.self(token); err != nil {
		return User{}, "", err
	}
	claims, err := p.verify(token)
	if origin, ok := claims["origin_jti"].(string); err == nil && ok {
		own = sessionName(sessionOfTokens, origin)
	}
	return user, own, nil
}

// sessionUser is the user whom an administrator names.
func (p *Pool) sessionUser(in sessionRequest) (User, error) {
	if err := p.tracked(); err != nil {
		return User{}, err
	}
	user, ok := p.anyUser(in.Username)
	if !ok {
		return User{}, refused("UserNotFoundException", "User does not exist.")
	}
	return user, nil
}

// sessionInAPI is a session in the API's form. Where it was used from is left out.
type sessionInAPI struct {
	SessionID       string  `json:"SessionId"`
	SessionType     string  `json:"SessionType"`
	ClientID        string  `json:"ClientId"`
	CreateDate      float64 `json:"CreateDate"`
	LastActiveDate  float64 `json:"LastActiveDate"`
	DeviceType      string  `json:"DeviceType"`
	OriginSessionID string  `json:"OriginSessionId,omitempty"`
	IsCurrent       bool    `json:"IsCurrentSession"`
}

// apiSessions are a user's sessions that are alive, the newest first.
func (p *Pool) apiSessions(user User, own string) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []sessionInAPI{}
	active := map[string]time.Time{} // by SSO session
	for _, f := range p.families {
		if !p.isTokenSession(f, user) {
			continue
		}
		name := sessionName(sessionOfTokens, f.originJTI)
		list = append(list, sessionInAPI{
			name, "TOKEN", f.clientID, apiTime(f.created), apiTime(f.used), "unknown", f.browser, name == own,
		})
		if f.used.After(active[f.browser]) {
			active[f.browser] = f.used
		}
	}
	for _, s := range p.sessions {
		if !p.isBrowserSession(s, user) {
			continue
		}
		used := s.authTime
		if active[s.name].After(used) {
			used = active[s.name]
		}
		list = append(list, sessionInAPI{s.name, "SSO", s.clientID, apiTime(s.authTime), apiTime(used), "unknown", "", false})
	}
	slices.SortFunc(list, func(a, b sessionInAPI) int {
		return cmp.Or(cmp.Compare(b.CreateDate, a.CreateDate), cmp.Compare(a.SessionID, b.SessionID))
	})
	return map[string]any{"Sessions": list}
}

// isTokenSession reports whether a login is a user's, and alive. Those of AccessToken and
// IDToken are no logins. The caller holds mu.
func (p *Pool) isTokenSession(f *family, user User) bool {
	return f.newest != nil && !f.revoked && p.Now().Before(f.expires) && p.fold(f.username) == p.fold(user.Username)
}

// isBrowserSession is isTokenSession for what a browser keeps. The caller holds mu.
func (p *Pool) isBrowserSession(s session, user User) bool {
	return p.Now().Before(s.expires) && p.fold(s.username) == p.fold(user.Username)
}

// revokeSession ends a session of a user, and with LINKED what it came from or what came
// of it.
func (p *Pool) revokeSession(user User, in sessionRequest) error {
	if !slices.Contains([]string{"", "NONE", "LINKED"}, in.RevokeAssociatedSessions) {
		return refused("InvalidParameterException", "RevokeAssociatedSessions is NONE or LINKED")
	}
	revoke := p.revokeTokenSession
	if strings.HasPrefix(in.SessionID, sessionOfBrowser) {
		revoke = p.revokeBrowserSession
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !revoke(user, in.SessionID, in.RevokeAssociatedSessions == "LINKED") {
		return refused("ResourceNotFoundException", "Session does not exist.")
	}
	return nil
}

// revokeTokenSession reports whether there was such a session. The caller holds mu.
func (p *Pool) revokeTokenSession(user User, name string, linked bool) bool {
	for _, f := range p.families {
		if !p.isTokenSession(f, user) || sessionName(sessionOfTokens, f.originJTI) != name {
			continue
		}
		f.revoked = true
		if linked {
			p.revokeBrowserSession(user, f.browser, false)
		}
		return true
	}
	return false
}

// revokeBrowserSession reports whether there was such a session. The caller holds mu.
func (p *Pool) revokeBrowserSession(user User, name string, linked bool) bool {
	found := false
	for id, s := range p.sessions {
		if p.isBrowserSession(s, user) && s.name == name {
			delete(p.sessions, id)
			found = true
		}
	}
	for _, f := range p.families {
		if found && linked && f.browser == name {
			f.revoked = true
		}
	}
	return found
}
