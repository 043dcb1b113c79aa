package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// What the control API can do to the pool.

// poolFirst is what the pool was started with.
type poolFirst struct {
	users   []userpool.User
	clients []userpool.Client
}

var endpoints = []userpool.Endpoint{
	userpool.Authorization, userpool.Login, userpool.Token, userpool.UserInfo,
	userpool.Revoke, userpool.Logout, userpool.JWKS, userpool.Discovery,
	userpool.SignUp, userpool.Forgotten, userpool.Confirm, userpool.IDP, userpool.Register,
	userpool.IDPResponse, userpool.SAMLResponse, userpool.SAMLLogout, userpool.ProviderPage,
}

// readBody fills into with the body, as strictly as the settings file is read.
func readBody(r *http.Request, into any) (lines, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return decodeStrictly(text, into)
}

// shownUser is a user without the password.
type shownUser struct {
	Username string   `json:"username"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
	Disabled bool     `json:"disabled"`
	Code     string   `json:"confirmationCode,omitempty"` // that ConfirmSignUp wants; nobody sends it
}

func (c *control) state(*http.Request) (any, error) {
	users := []shownUser{}
	for _, user := range c.pool.Users() {
		users = append(users, shownUser{
			user.Username, user.Email, append([]string{}, user.Groups...), user.Disabled, c.pool.ConfirmationCode(user.Username),
		})
	}
	clients := []string{}
	for _, client := range c.pool.Clients() {
		clients = append(clients, client.ID)
	}
	calls := map[userpool.Endpoint]int{}
	for _, endpoint := range endpoints {
		calls[endpoint] = c.pool.Calls(endpoint)
	}
	return map[string]any{
		"url": c.pool.URL(), "issuer": c.pool.Issuer(), "poolId": c.pool.UserPoolID(),
		"now": c.pool.Now().UTC(), "users": users, "clients": clients, "calls": calls,
	}, nil
}

// shownRequest is a request without its secrets.
type shownRequest struct {
	Endpoint userpool.Endpoint `json:"endpoint"`
	Method   string            `json:"method"`
	At       time.Time         `json:"at"`
	Query    map[string]string `json:"query"`
	Form     map[string]string `json:"form"`
}

// openParameters are those whose values are no secret. Whatever else there is may be
// a password, a code or a token.
var openParameters = []string{
	"client_id", "error", "grant_type", "lang", "logout_uri", "prompt", "redirect_uri",
	"resource", "response_type", "code_challenge_method", "scope", "token_type_hint", "username", "max_age",
}

func shown(values map[string][]string) map[string]string {
	parameters := map[string]string{}
	for name, all := range values {
		parameters[name] = "…"
		if slices.Contains(openParameters, name) {
			parameters[name] = strings.Join(all, " ")
		}
	}
	return parameters
}

// requests are the latest of all endpoints, newest first.
func (c *control) requests(*http.Request) (any, error) {
	const most = 100
	latest := []shownRequest{}
	for _, endpoint := range endpoints {
		seen := c.pool.Requests(endpoint)
		for _, r := range seen[max(0, len(seen)-most):] {
			latest = append(latest, shownRequest{endpoint, r.Method, r.At.UTC(), shown(r.Query), shown(r.Form)})
		}
	}
	slices.SortStableFunc(latest, func(a, b shownRequest) int { return b.At.Compare(a.At) })
	return latest[:min(most, len(latest))], nil
}

func (c *control) setUser(r *http.Request) (any, error) {
	var user userFile
	at, err := readBody(r, &user)
	if err != nil {
		return nil, err
	}
	if user.Username == "" {
		return nil, fmt.Errorf("line %d: username: is missing", at[""])
	}
	c.pool.SetUser(user.user())
	return nil, nil //nolint:nilnil // nothing to say
}

// user is who the path names.
func (c *control) user(r *http.Request) (userpool.User, error) {
	name := r.PathValue("username")
	for _, user := range c.pool.Users() {
		if user.Username == name {
			return user, nil
		}
	}
	return userpool.User{}, refusal{http.StatusNotFound, fmt.Sprintf("the pool has no user %q", name)}
}

func (c *control) removeUser(r *http.Request) (any, error) {
	user, err := c.user(r)
	if err == nil {
		c.pool.RemoveUser(user.Username)
	}
	return nil, err
}

func (c *control) setGroups(r *http.Request) (any, error) {
	user, err := c.user(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Groups []string `json:"groups"`
	}
	if _, err := readBody(r, &body); err != nil {
		return nil, err
	}
	user.Groups = body.Groups
	c.pool.SetUser(user)
	return nil, nil //nolint:nilnil // nothing to say
}

// revoke signs a user out everywhere.
func (c *control) revoke(r *http.Request) (any, error) {
	user, err := c.user(r)
	if err == nil {
		c.pool.EndSessions(user.Username)
	}
	return nil, err
}

func (c *control) setClient(r *http.Request) (any, error) {
	var client clientFile
	at, err := readBody(r, &client)
	if err != nil {
		return nil, err
	}
	var problems []error
	complain := func(path, format string, values ...any) {
		path = strings.TrimPrefix(path, ".")
		problems = append(problems, fmt.Errorf("line %d: %s: %s", max(at[path], 1), path, fmt.Sprintf(format, values...)))
	}
	if client.ID == "" {
		complain("id", "is missing")
	}
	client.check("", complain)
	known := []string{localUsers}
	for _, provider := range c.pool.Providers() {
		known = append(known, provider.Name)
	}
	client.checkProviders("", known, complain)
	if len(problems) == 0 {
		c.pool.SetClient(client.client())
	}
	return nil, errors.Join(problems...)
}

// advance moves the clock.
func (c *control) advance(r *http.Request) (any, error) {
	var body struct {
		Advance duration `json:"advance"`
	}
	if _, err := readBody(r, &body); err != nil {
		return nil, err
	}
	c.pool.Advance(time.Duration(body.Advance))
	return map[string]any{"now": c.pool.Now().UTC()}, nil
}

func (c *control) rotateKeys(*http.Request) (any, error) {
	c.pool.RotateKeys()
	return nil, nil //nolint:nilnil // nothing to say
}

func (c *control) dropKeys(*http.Request) (any, error) {
	c.pool.DropOldKeys()
	return nil, nil //nolint:nilnil // nothing to say
}

// reset brings back users, clients and clock of the start, ends every sign-in that can
// be refreshed, and all faults. Keys stay: an application would take it for an attack.
func (c *control) reset(*http.Request) (any, error) {
	c.pool.Heal()
	c.pool.Tamper(nil)
	c.pool.Advance(-time.Until(c.pool.Now()).Round(time.Second))
	first := map[string]bool{}
	for _, user := range c.first.users {
		first[user.Username] = true
		c.pool.SetUser(user)
	}
	for _, user := range c.pool.Users() {
		c.pool.EndSessions(user.Username)
		if !first[user.Username] {
			c.pool.RemoveUser(user.Username)
		}
	}
	firstClients := map[string]bool{}
	for _, client := range c.first.clients {
		firstClients[client.ID] = true
		c.pool.SetClient(client)
	}
	for _, client := range c.pool.Clients() {
		if !firstClients[client.ID] {
			c.pool.RemoveClient(client.ID)
		}
	}
	return nil, nil //nolint:nilnil // nothing to say
}

// merge writes changes into members; null removes one.
func merge(members, changes map[string]any) {
	maps.Copy(members, changes)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
}
