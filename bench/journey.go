package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
)

// The login itself, which happens once in many thousand requests.

const (
	mostLogins    = 256 // a round: each leaves a record of a kilobyte for ten minutes
	mostCallbacks = 12  // a round: each takes milliseconds, most of them at the pool
)

var foundLine = []byte("HTTP/1.1 302 ")

// login is the redirect to the pool.
func login(l *lab) (*row, error) {
	s, err := newSite(l.pool(), func(c *cognito.Config) { c.Storage, c.Keys = l.memory(), benchKeys })
	if err != nil {
		return nil, err
	}
	request := get("/login")
	target := []byte("\r\nLocation: " + l.pool().URL() + "/oauth2/authorize?")
	sent := script{
		request: func(int) []byte { return request },
		check: func(_ int, answer []byte) bool {
			return bytes.HasPrefix(answer, foundLine) && bytes.Contains(answer, target)
		},
	}
	r := against(s.app, sent)
	r.most = mostLogins
	return r, nil
}

// callback is the way back: one call to the pool's token endpoint, two tokens
// to verify, a session to store. The unit is the bare call to that endpoint,
// which no one can save; the pool, in the same process, signs two tokens in it.
func callback(l *lab) (*row, error) {
	s, err := newSite(l.pool())
	if err != nil {
		return nil, err
	}
	who := newVisitor(l.pool(), userName(0))
	var ready [][]byte
	sent := script{
		request: func(turn int) []byte { return ready[turn%len(ready)] },
		check: func(_ int, answer []byte) bool {
			return bytes.HasPrefix(answer, foundLine) && bytes.Contains(answer, []byte("\r\nSet-Cookie: __Host-"+cookieName+"="))
		},
	}
	var codes []string
	r := &row{most: mostCallbacks, work: serving(s.app, sent)}
	r.unit = func(n int) error {
		for _, code := range codes[:n] {
			if _, err := redeem(l.pool(), code); err != nil {
				return err
			}
		}
		return nil
	}
	r.prepare = func(n int) error {
		ready, codes = nil, nil
		for range n {
			request, err := s.readyCallback(who)
			if err != nil {
				return err
			}
			code, err := who.code(l.pool())
			if err != nil {
				return err
			}
			ready, codes = append(ready, request), append(codes, code)
		}
		return nil
	}
	return r, nil
}

// readyCallback takes a login as far as the request that ends it.
func (s *site) readyCallback(who *visitor) ([]byte, error) { return readyCallback(s.app, who) }

func readyCallback(at app, who *visitor) ([]byte, error) {
	begun, err := ask(at, get("/login"))
	if err != nil {
		return nil, err
	}
	back, err := who.callback(begun.Header.Get("Location"))
	if err != nil {
		return nil, err
	}
	return asCookies(back, begun)
}

// tokenSet is what the pool's token endpoint answers.
type tokenSet struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// The client's side of PKCE, for logins by hand.
var (
	verifier  = strings.Repeat("verifier-", 6)
	challenge = sha256.Sum256([]byte(verifier))
)

// code gets an authorization code by hand.
func (v *visitor) code(pool *cognitotest.Pool) (string, error) {
	back, err := v.callback(pool.URL() + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {appURL + "/login/redirect"},
		"scope": {"openid email profile"}, "state": {"a state"}, "nonce": {"a nonce"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		return "", err
	}
	_, query, _ := strings.Cut(back, "?")
	values, err := url.ParseQuery(query)
	return values.Get("code"), err
}

// redeem trades a code for tokens.
func redeem(pool *cognitotest.Pool, code string) (t tokenSet, err error) {
	answer, err := http.PostForm(pool.URL()+"/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code},
		"code_verifier": {verifier}, "redirect_uri": {appURL + "/login/redirect"},
	})
	if err != nil {
		return t, err
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(&t); err != nil {
		return t, err
	}
	if t.Access == "" || t.ID == "" || t.Refresh == "" {
		return t, fmt.Errorf("the token endpoint answers %d without tokens", answer.StatusCode)
	}
	return t, nil
}

// logIn is a whole login by hand, for apps that have none of their own.
func logIn(pool *cognitotest.Pool, user string) (tokenSet, error) {
	code, err := newVisitor(pool, user).code(pool)
	if err != nil {
		return tokenSet{}, err
	}
	return redeem(pool, code)
}
