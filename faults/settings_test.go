package faults_test

import (
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// settingChanges are a new value for every field of the config.
var settingChanges = map[string]func(*cognito.Config){
	"UserPoolDomain": func(c *cognito.Config) {
		c.UserPoolDomain = strings.Replace(c.UserPoolDomain, "127.0.0.1", "localhost", 1)
	},
	"ClientID": func(c *cognito.Config) { c.ClientID = "another" },
	"UserPoolID": func(c *cognito.Config) {
		c.Issuer = strings.Replace(c.Issuer, c.UserPoolID, "us-east-1_Another", 1)
		c.UserPoolID = "us-east-1_Another"
	},
	"ClientSecret":    func(c *cognito.Config) { c.ClientSecret = "new" },
	"Issuer":          nil, // TestIssuerSwitched
	"Regions":         nil, // TestFailover
	"Scopes":          func(c *cognito.Config) { c.Scopes = []string{"openid", "phone"} },
	"Resource":        func(c *cognito.Config) { c.Resource = "https://api.example.com" },
	"LoginParameters": func(c *cognito.Config) { c.LoginParameters = map[string]string{"lang": "de"} },

	"BaseURL":             func(c *cognito.Config) { c.BaseURL = "http://localhost:8021" },
	"LoginPath":           func(c *cognito.Config) { c.LoginPath = "/in" },
	"RedirectPath":        func(c *cognito.Config) { c.RedirectPath = "/in/redirect" },
	"LogoutPath":          func(c *cognito.Config) { c.LogoutPath = "/out" },
	"RefreshPath":         func(c *cognito.Config) { c.RefreshPath = "/renew" },
	"UserPath":            func(c *cognito.Config) { c.UserPath = "/user" },
	"AfterLogin":          func(c *cognito.Config) { c.AfterLogin = "/welcome" },
	"AfterLogout":         func(c *cognito.Config) { c.AfterLogout = "/bye" },
	"AppName":             func(c *cognito.Config) { c.AppName = "Acme" },
	"AllowedOrigins":      func(c *cognito.Config) { c.AllowedOrigins = []string{"https://admin.example.com"} },
	"AllowAmbiguousPaths": func(c *cognito.Config) { c.AllowAmbiguousPaths = true },

	"Storage":         func(c *cognito.Config) { lab.On(lab.NewStore())(c) },
	"CookieSessions":  func(c *cognito.Config) { c.Storage, c.CookieSessions = nil, true },
	"RenewInRequest":  func(c *cognito.Config) { c.RenewInRequest = true },
	"MaxSessions":     func(c *cognito.Config) { c.MaxSessions = 1 },
	"Keys":            func(c *cognito.Config) { c.Keys = []string{lab.OtherKey} },
	"CookieName":      func(c *cognito.Config) { c.CookieName = "session" },
	"BrowserSession":  func(c *cognito.Config) { c.BrowserSession = true },
	"SameSite":        nil, // TestSameSiteIsChanged: it needs an https BaseURL
	"IdleTimeout":     func(c *cognito.Config) { c.IdleTimeout = 2 * time.Hour },
	"AbsoluteTimeout": func(c *cognito.Config) { c.AbsoluteTimeout = 30 * 24 * time.Hour },

	"Bearer":          func(c *cognito.Config) { c.Bearer = true },
	"BearerClientIDs": func(c *cognito.Config) { c.Bearer, c.BearerClientIDs = true, []string{"another"} },
	"Audience":        func(c *cognito.Config) { c.Bearer, c.Audience = true, "https://api.example.com" },
	"UserInfo":        func(c *cognito.Config) { c.UserInfo = true },
	"Next":            func(c *cognito.Config) { c.Next = func(*fiber.Ctx) bool { return false } },
	"ErrorHandler":    func(c *cognito.Config) { c.ErrorHandler = cognito.DefaultErrorHandler },
	"OnLogin": func(c *cognito.Config) {
		c.OnLogin = func(*fiber.Ctx, *cognito.User) error { return cognito.ErrNotAdmitted }
	},
	"OnLogout":  func(c *cognito.Config) { c.OnLogout = func(*fiber.Ctx, *cognito.User) {} },
	"OnRefresh": func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) {} },
	"OnEvent":   func(c *cognito.Config) { c.OnEvent = func(cognito.Event) {} },
	"Logger":    func(c *cognito.Config) { c.Logger = slog.New(slog.DiscardHandler) },
	"HTTPClient": func(c *cognito.Config) {
		c.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	},
	"Now": func(c *cognito.Config) { now := c.Now; c.Now = func() time.Time { return now().Add(10 * time.Second) } },
}

// signOut are the settings that the manual names as those which sign everybody out.
var signOut = []string{"UserPoolID", "ClientID", "BaseURL", "Storage", "CookieSessions", "Keys", "CookieName", "SameSite"}

// TestSettingsChange: an operator deploys another value of a setting, on one instance after
// the other, and takes it back. With most, visitors stay signed in at either instance, and past
// the life of their tokens.
func TestSettingsChange(t *testing.T) {
	t.Parallel()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[cognito.Config]()) {
		change, known := settingChanges[field.Name]
		if !known {
			t.Errorf("what happens when %s changes?", field.Name)
		}
		if change == nil {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t)
			pool.SetClient(cognitotest.Client{ID: "another"})
			storage := lab.NewStore()
			before := lab.ServeWith(t, pool, lab.On(storage))
			alice, bob := before.SignIn("alice"), before.SignIn("bob")
			if field.Name == "ClientSecret" {
				pool.SetClient(cognitotest.Client{ID: lab.NewPoolClientID, Secret: "new"})
			}
			after := lab.ServeWith(t, pool, lab.On(storage), change)
			if slices.Contains(signOut, field.Name) {
				after.MustBe("", alice)
				before.MustBe("alice", alice)
				return
			}
			after.MustBe("alice", alice)
			pool.Advance(lab.JustExpired)
			after.MustBe("alice", alice)
			before.MustBe("alice", alice)
			if field.Name != "ClientSecret" {
				before.MustBe("bob", bob)
			}
			after.MustBe("bob", bob)
		})
	}
}

// TestInstancesKeepSessionsApart: while old and new instances run side by side that do not
// keep sessions in one place, a visitor is handed to and fro. The visitor is stopped, and the
// operator reads which settings to compare.
func TestInstancesKeepSessionsApart(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	old := lab.ServeWith(t, pool, lab.On(lab.NewStore()))
	young := lab.ServeWith(t, pool, settingChanges["CookieSessions"], lab.WithKeys(lab.Key))
	var cookies []*http.Cookie // of one browser: the newest of each name
	for i := range 8 {
		s := []*lab.Site{old, young}[i%2]
		s.MustBe("", sessionOf(cookies))
		begun := s.Send(lab.Request{Path: "/login", Cookies: cookies})
		if begun.StatusCode != http.StatusFound {
			if i < 3 || !strings.Contains(s.Logged.String(), "do all instances have the same Storage, CookieSessions, Keys, CookieName and BaseURL?") {
				t.Errorf("login %d answers %s", i, lab.StatusLine(begun))
			}
			return
		}
		res := s.Finish(s.Answered("alice"), cookies...)
		for _, set := range res.Cookies() {
			cookies = slices.DeleteFunc(cookies, func(c *http.Cookie) bool { return c.Name == set.Name })
			if set.Value != "" {
				cookies = append(cookies, set)
			}
		}
	}
	t.Error("the visitor signs in again and again")
}

// sessionOf is the session's cookie among others, or a cookie of nobody.
func sessionOf(cookies []*http.Cookie) *http.Cookie {
	for _, cookie := range cookies {
		if lab.IsSessionCookie(cookie.Name) {
			return cookie
		}
	}
	return &http.Cookie{Name: "none", Value: "none"}
}
