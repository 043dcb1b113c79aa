package faults_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// TestRefreshPathIsUse: a page whose script asks for nothing but new tokens is in use.
func TestRefreshPathIsUse(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InMemory, func(c *cognito.Config) { c.IdleTimeout = 3 * time.Hour })
	alice := s.SignIn("alice")
	for range 6 {
		s.Pool.Advance(50 * time.Minute)
		if res := s.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
			t.Fatalf("the refresh path answered %s", lab.StatusLine(res))
		}
	}
	s.MustBe("alice", alice)
	s.Pool.Advance(4 * time.Hour)
	if res := s.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after IdleTimeout the refresh path answers %s", lab.StatusLine(res))
	}
}

// TestRefreshPath: which requests renew, and what each is answered.
func TestRefreshPath(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	s := lab.Serve(t, func(c *cognito.Config) {
		c.AllowedOrigins = []string{"https://admin.example.com"}
		c.Next = func(*fiber.Ctx) bool { arrived.Add(1); return false }
	}, lab.InMemory)
	alice := s.SignIn("alice")
	before := s.Pool.Now()
	s.Pool.Advance(10 * time.Minute)

	res := s.Send(lab.RenewNow(alice))
	at, err := time.Parse(time.RFC3339, fmt.Sprint(lab.Decode(t, res.Text)["expires_at"]))
	if res.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("a renewal answered %s: %v", lab.StatusLine(res), err)
	}
	if life := at.Sub(before); life < 65*time.Minute || life > 75*time.Minute {
		t.Errorf("the tokens expire %s after the login, want 70 minutes", life)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q, want no-store", got)
	}
	s.MustRenew(1)

	from := func(site, origin string) map[string]string {
		header := map[string]string{}
		if site != "" {
			header["Sec-Fetch-Site"] = site
		}
		if origin != "" {
			header["Origin"] = origin
		}
		return header
	}
	junk := &http.Cookie{Name: alice.Name, Value: strings.Repeat("A", 43)}
	for _, row := range []struct {
		name   string
		method string
		header map[string]string
		cookie *http.Cookie
		status int
		code   string
		renews int
	}{
		{"no cookie", http.MethodPost, nil, nil, 401, "not_signed_in", 0},
		{"a cookie that leads nowhere", http.MethodPost, nil, junk, 401, "session_ended", 0},
		{"another site", http.MethodPost, from("cross-site", "https://evil.example"), alice, 403, "cross_origin", 0},
		{"a sibling subdomain", http.MethodPost, from("same-site", "https://evil.example"), alice, 403, "cross_origin", 0},
		{"another site's origin alone", http.MethodPost, from("", "https://evil.example"), alice, 403, "cross_origin", 0},
		{"an opaque origin", http.MethodPost, from("", "null"), alice, 403, "cross_origin", 0},
		{"another site, and nobody", http.MethodPost, from("cross-site", "https://evil.example"), nil, 403, "cross_origin", 0},
		{"GET", http.MethodGet, nil, alice, 405, "method_not_allowed", 0},
		{"PUT", http.MethodPut, nil, alice, 405, "method_not_allowed", 0},
		{"HEAD", http.MethodHead, nil, alice, 405, "", 0},
		{"OPTIONS", http.MethodOptions, nil, alice, 405, "method_not_allowed", 0},
		{"an allowed origin", http.MethodPost, from("cross-site", "https://admin.example.com"), alice, 200, "", 1},
		{"the own origin", http.MethodPost, from("", s.URL), alice, 200, "", 1},
		{"no browser", http.MethodPost, nil, alice, 200, "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
			before := len(lab.RenewalsAt(s.Pool))
			r := lab.Request{Method: row.method, Path: "/token/refresh", Header: row.header}
			if row.cookie != nil {
				r.Cookies = []*http.Cookie{row.cookie}
			}
			res := s.Send(r)
			if res.StatusCode != row.status {
				t.Errorf("answered %s, want %d", lab.StatusLine(res), row.status)
			}
			if row.code != "" && res.Problem(t)["code"] != row.code {
				t.Errorf("the reason is %s, want %s", res.Text, row.code)
			}
			if row.status == http.StatusMethodNotAllowed && res.Header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q, want POST", res.Header.Get("Allow"))
			}
			if renewed := len(lab.RenewalsAt(s.Pool)) - before; renewed != row.renews {
				t.Errorf("%d renewals, want %d", renewed, row.renews)
			}
			if len(res.Cookies()) > 0 || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the answer sets %v and allows %q", res.Cookies(), res.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}

	t.Run("expired", func(t *testing.T) {
		before := len(lab.RenewalsAt(s.Pool))
		s.Pool.Advance(lab.JustExpired)
		if res := s.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
			t.Errorf("answered %s", lab.StatusLine(res))
		}
		if calls := len(lab.RenewalsAt(s.Pool)) - before; calls != 1 {
			t.Errorf("one request for new tokens made %d calls, want 1", calls)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
		before := len(lab.RenewalsAt(s.Pool))
		held := park(t, s.Pool)
		first := s.Later(1, lab.RenewNow(alice))
		lab.Eventually(t, "the first one asks", func() bool { return len(lab.RenewalsAt(s.Pool)) == before+1 })
		arrived.Store(0)
		others := s.Later(20, lab.RenewNow(alice))
		lab.Eventually(t, "all others are there", func() bool { return arrived.Load() == 20 })
		s.MustBe("alice", alice)
		s.MustRenew(before + 1)
		held.Open()
		for _, got := range slices.Concat(first(), others()) {
			if got.Err != nil || got.StatusCode != http.StatusOK {
				t.Errorf("answered %s", got)
			}
		}
	})
}
