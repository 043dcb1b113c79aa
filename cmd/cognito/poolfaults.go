package main

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// Faults as far as JSON can say them.

// faultFile is a fault of an endpoint.
type faultFile struct {
	Endpoint    string         `json:"endpoint"`
	Times       int            `json:"times"`
	GrantType   string         `json:"grantType"`
	Delay       duration       `json:"delay"`
	Hang        bool           `json:"hang"`
	Status      int            `json:"status"`
	ContentType string         `json:"contentType"`
	Body        string         `json:"body"`
	LoseAnswer  bool           `json:"loseAnswer"`
	Set         map[string]any `json:"set"`
}

// fault is what the pool is told.
func (f faultFile) fault() (userpool.Fault, error) {
	switch {
	case !slices.Contains(endpoints, userpool.Endpoint(f.Endpoint)):
		return userpool.Fault{}, fmt.Errorf("endpoint: is %q, want one of %v", f.Endpoint, endpoints)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return userpool.Fault{}, fmt.Errorf("status: is %d, want 200 to 599", f.Status)
	case f.Times < 0 || f.Delay < 0:
		return userpool.Fault{}, fmt.Errorf("times and delay: must not be negative")
	}
	fault := userpool.Fault{
		Times: f.Times, Delay: time.Duration(f.Delay), Hang: f.Hang, Status: f.Status,
		ContentType: f.ContentType, Body: f.Body, LoseAnswer: f.LoseAnswer,
	}
	if f.GrantType != "" {
		fault.Match = func(r userpool.Request) bool { return r.Form.Get("grant_type") == f.GrantType }
	}
	if f.Set != nil {
		fault.Rewrite = func(answer map[string]any) { merge(answer, f.Set) }
	}
	return fault, nil
}

func (c *control) breakEndpoint(r *http.Request) (any, error) {
	var body faultFile
	if _, err := readBody(r, &body); err != nil {
		return nil, err
	}
	fault, err := body.fault()
	if err == nil {
		c.pool.Break(userpool.Endpoint(body.Endpoint), fault)
	}
	return nil, err
}

// heal ends the faults of the endpoint in the query, or all.
func (c *control) heal(r *http.Request) (any, error) {
	if endpoint := r.URL.Query().Get("endpoint"); endpoint != "" {
		c.pool.Heal(userpool.Endpoint(endpoint))
	} else {
		c.pool.Heal()
	}
	return nil, nil //nolint:nilnil // nothing to say
}

// tamper changes every token that is signed from now on.
func (c *control) tamper(r *http.Request) (any, error) {
	var body struct {
		Use    string         `json:"use"`
		Header map[string]any `json:"header"`
		Claims map[string]any `json:"claims"`
	}
	if _, err := readBody(r, &body); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "id", "access"}, body.Use) {
		return nil, fmt.Errorf("use: is %q, want id, access, or nothing for both", body.Use)
	}
	c.pool.Tamper(func(t *userpool.UnsignedToken) {
		if body.Use == "" || body.Use == t.Use {
			merge(t.Header, body.Header)
			merge(t.Claims, body.Claims)
		}
	})
	return nil, nil //nolint:nilnil // nothing to say
}

func (c *control) stopTampering(*http.Request) (any, error) {
	c.pool.Tamper(nil)
	return nil, nil //nolint:nilnil // nothing to say
}

// failNextLogin makes the next right password end as a failing trigger does, or the next
// answer of an identity provider.
func (c *control) failNextLogin(r *http.Request) (any, error) {
	var body struct {
		Error       string `json:"error"`
		Description string `json:"description"`
		Provider    string `json:"provider"`
	}
	if _, err := readBody(r, &body); err != nil {
		return nil, err
	}
	if body.Provider != "" {
		return nil, c.failProvider(body.Provider, body.Error, body.Description)
	}
	c.pool.FailNextLogin(orElse(body.Error, "invalid_request"), body.Description)
	return nil, nil //nolint:nilnil // nothing to say
}

func (c *control) failProvider(name, code, description string) error {
	known := []string{}
	for _, provider := range c.pool.Providers() {
		known = append(known, provider.Name)
	}
	if !slices.Contains(known, name) {
		return fmt.Errorf("provider: is %q, want one of %q, which the settings file names", name, known)
	}
	c.pool.FailProvider(name, code, description)
	return nil
}
