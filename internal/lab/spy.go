package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// ClientSecret has characters that every encoding treats differently.
const ClientSecret = "canary/of+a=client-secret"

// SpyTransport carries calls to the pool and notes the tokens that come back.
// It can be told to panic, with a text that quotes all that it was given.
type SpyTransport struct {
	http.Transport
	Panics atomic.Pointer[string] // the path at which it does

	mu     sync.Mutex // guards issued
	issued []string
}

// Spy lets an app use a SpyTransport.
func Spy(t *testing.T) (*SpyTransport, func(*cognito.Config)) {
	transport := &SpyTransport{}
	t.Cleanup(transport.CloseIdleConnections)
	return transport, func(c *cognito.Config) { c.HTTPClient = &http.Client{Transport: transport} }
}

func (s *SpyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if path := s.Panics.Load(); path != nil && strings.HasSuffix(r.URL.Path, *path) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		panic(fmt.Sprintf("cannot send %v with %s", r.Header, body))
	}
	res, err := s.Transport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/oauth2/token") {
		return res, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	s.note(body)
	return res, err
}

func (s *SpyTransport) note(body []byte) {
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{"access_token", "id_token", "refresh_token"} {
		if token, ok := answer[name].(string); ok {
			s.issued = append(s.issued, token)
		}
	}
}

// Tokens are those that the pool has issued so far.
func (s *SpyTransport) Tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

// ShowDetail is an error handler that tells everything to everybody.
func ShowDetail(c *fiber.Ctx, err error) error {
	var e *cognito.Error
	if !errors.As(err, &e) {
		return err
	}
	return c.Status(e.Status()).SendString(e.Detail())
}

// MustAnswer wants an answer with a status.
func (s *Site) MustAnswer(res *Answer, status int) {
	s.Helper()
	if res.StatusCode != status {
		s.Errorf("%s answered %s, want %d", res.Request.URL.Path, StatusLine(res), status)
	}
}
