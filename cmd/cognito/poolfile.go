package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// The settings file of `cognito pool`. pool.schema.json describes it for editors.

type poolFile struct {
	Schema        string         `json:"$schema"`
	URL           string         `json:"url"`
	PoolID        string         `json:"poolId"`
	Name          string         `json:"name"`
	Issuer        string         `json:"issuer"`
	CaseSensitive bool           `json:"caseSensitive"`
	ClassicUI     bool           `json:"classicUi"`
	Unstyled      bool           `json:"unstyled"`
	ShowUsers     bool           `json:"showUsers"`
	Levels        bool           `json:"levels"`
	MaxSessions   int            `json:"maxSessions"`
	InvalidClient int            `json:"invalidClientStatus"`
	NoErrorState  bool           `json:"errorsWithoutState"`
	Registration  bool           `json:"registration"`
	OpenReg       bool           `json:"openRegistration"`
	RegScopes     []string       `json:"registrationScopes"`
	Clients       []clientFile   `json:"clients"`
	Users         []userFile     `json:"users"`
	Providers     []providerFile `json:"providers"`
}

type clientFile struct {
	ID              string   `json:"id"`
	Secret          string   `json:"secret"`
	SecondSecret    string   `json:"secondSecret"`
	CallbackURLs    []string `json:"callbackUrls"`
	LogoutURLs      []string `json:"logoutUrls"`
	Scopes          []string `json:"scopes"`
	Grants          []string `json:"grants"`
	ReadAttributes  []string `json:"readAttributes"`
	AccessTokenTTL  duration `json:"accessTokenLifetime"`
	IDTokenTTL      duration `json:"idTokenLifetime"`
	RefreshTokenTTL duration `json:"refreshTokenLifetime"`
	SessionTTL      duration `json:"sessionLifetime"`
	Rotate          bool     `json:"rotateRefreshTokens"`
	RotationGrace   duration `json:"rotationGrace"`
	RevocationOff   bool     `json:"revocationOff"`
	Providers       []string `json:"supportedIdentityProviders"`
}

type userFile struct {
	Username      string            `json:"username"`
	Password      string            `json:"password"`
	Subject       string            `json:"sub"`
	Name          string            `json:"name"`
	Email         string            `json:"email"`
	EmailVerified bool              `json:"emailVerified"`
	Groups        []string          `json:"groups"`
	Attributes    map[string]string `json:"attributes"`
	Roles         []string          `json:"roles"`
	PreferredRole string            `json:"preferredRole"`
	SecondFactor  bool              `json:"secondFactor"`
	Disabled      bool              `json:"disabled"`
}

// readPoolFile is the settings of a text, with every mistake by line and field.
func readPoolFile(text []byte) (poolFile, error) {
	var file poolFile
	at, err := decodeStrictly(text, &file)
	if err != nil {
		return poolFile{}, err
	}
	return file, file.check(at)
}

var poolIDShape = regexp.MustCompile(`^[\w-]+_[0-9a-zA-Z]+$`)

// check finds what the pool would refuse.
func (f poolFile) check(at lines) error {
	var problems []error
	// A field that is missing stands where its object begins.
	complain := func(path, format string, values ...any) {
		line, ok := at[path]
		for above := path; !ok && above != ""; line, ok = at[above] {
			above = above[:max(0, strings.LastIndexByte(above, '.'))]
		}
		problems = append(problems, fmt.Errorf("line %d: %s: %s", max(line, 1), path, fmt.Sprintf(format, values...)))
	}
	f.checkPool(complain)
	seen := map[string]bool{}
	for i, client := range f.Clients {
		path := fmt.Sprintf("clients[%d]", i)
		if client.ID == "" || seen["client "+client.ID] {
			complain(path+".id", "is %q, want a name that no other client has", client.ID)
		}
		seen["client "+client.ID] = true
		client.check(path, complain)
	}
	for i, user := range f.Users {
		if user.Username == "" || seen["user "+f.fold(user.Username)] {
			complain(fmt.Sprintf("users[%d].username", i), "is %q, want a name that no other user has", user.Username)
		}
		seen["user "+f.fold(user.Username)] = true
	}
	f.checkProviders(complain)
	return errors.Join(problems...)
}

// checkPool finds what is wrong beside clients and users.
func (f poolFile) checkPool(complain func(path, format string, values ...any)) {
	if f.URL != "" && !isOrigin(f.URL) {
		complain("url", "is %q, want an origin such as http://localhost:9229, without a path", f.URL)
	}
	if f.PoolID != "" && !poolIDShape.MatchString(f.PoolID) {
		complain("poolId", "is %q, want region_id such as eu-west-1_Example", f.PoolID)
	}
	if id := orElse(f.PoolID, defaultPoolID); f.Issuer != "" && !strings.HasSuffix(f.Issuer, "/"+id) {
		complain("issuer", "is %q, want it to end with /%s, the poolId", f.Issuer, id)
	}
	if f.MaxSessions < 0 {
		complain("maxSessions", "is %d, want 0 for no limit, or more", f.MaxSessions)
	}
	if f.InvalidClient != 0 && f.InvalidClient != http.StatusBadRequest && f.InvalidClient != http.StatusUnauthorized {
		complain("invalidClientStatus", "is %d, want 400 or 401", f.InvalidClient)
	}
	if len(f.RegScopes) > 0 && !f.Registration && !f.OpenReg {
		complain("registrationScopes", "has no effect without registration or openRegistration")
	}
	if f.ClassicUI && f.Unstyled {
		complain("unstyled", "is true, but has no effect with classicUi: only managed login has branding styles")
	}
	if f.ClassicUI && f.Levels {
		complain("levels", "is true, but has no effect with classicUi: only managed login has levels")
	}
}

func (f poolFile) fold(username string) string {
	if f.CaseSensitive {
		return username
	}
	return strings.ToLower(username)
}

// check finds what the pool would refuse of a client, or what could never match.
func (c clientFile) check(path string, complain func(path, format string, values ...any)) {
	for name, addresses := range map[string][]string{"callbackUrls": c.CallbackURLs, "logoutUrls": c.LogoutURLs} {
		for i, address := range addresses {
			if u, err := url.Parse(address); err != nil || u.Scheme == "" || strings.Contains(address, "#") {
				complain(fmt.Sprintf("%s.%s[%d]", path, name, i), "is %q, want an absolute URL without a fragment", address)
			}
		}
	}
	if c.SecondSecret != "" && (c.Secret == "" || c.Secret == c.SecondSecret) {
		complain(path+".secondSecret", "needs a secret too, and must differ from it")
	}
	known := []string{"code", "implicit", "client_credentials"}
	for i, grant := range c.Grants {
		if !slices.Contains(known, grant) {
			complain(fmt.Sprintf("%s.grants[%d]", path, i), "is %q, want one of %s", grant, strings.Join(known, ", "))
		}
	}
	if slices.Contains(c.Grants, "client_credentials") && (len(c.Grants) > 1 || c.Secret == "") {
		complain(path+".grants", "client_credentials needs a secret, and must be the only grant")
	}
	for name, lifetime := range map[string]duration{
		"accessTokenLifetime": c.AccessTokenTTL, "idTokenLifetime": c.IDTokenTTL,
		"refreshTokenLifetime": c.RefreshTokenTTL, "rotationGrace": c.RotationGrace,
	} {
		if lifetime < 0 {
			complain(path+"."+name, "is negative")
		}
	}
}

// isOrigin reports whether an address has a scheme of the web and a host alone.
func isOrigin(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") &&
		address == u.Scheme+"://"+u.Host
}

// options are what the pool is started with.
func (f poolFile) options() userpool.Options {
	options := userpool.Options{
		PublicURL: f.URL, UserPoolID: orElse(f.PoolID, defaultPoolID), Name: f.Name, Issuer: f.Issuer,
		CaseSensitive: f.CaseSensitive, ClassicHostedUI: f.ClassicUI, Unstyled: f.Unstyled, ShowUsers: f.ShowUsers,
		Levels: f.Levels, MaxSessions: f.MaxSessions, InvalidClientStatus: f.InvalidClient, ErrorsWithoutState: f.NoErrorState,
		Registration: f.Registration, OpenRegistration: f.OpenReg, RegistrationScopes: f.RegScopes,
	}
	for _, client := range f.Clients {
		options.Clients = append(options.Clients, client.client())
	}
	if len(f.Clients) == 0 {
		options.Clients = []userpool.Client{{
			ID:           "1example23456789", // 3000 is what most frameworks choose, and 8021 what this library's manual does
			CallbackURLs: []string{"http://localhost:3000/login/redirect", "http://localhost:8021/login/redirect"},
			LogoutURLs:   []string{"http://localhost:3000/", "http://localhost:8021/"},
		}}
	}
	for _, provider := range f.Providers {
		options.Providers = append(options.Providers, provider.provider())
	}
	if f.Users == nil {
		return options
	}
	options.Users = []userpool.User{}
	for _, user := range f.Users {
		options.Users = append(options.Users, user.user())
	}
	return options
}

func (c clientFile) client() userpool.Client {
	return userpool.Client{
		ID: c.ID, Secret: c.Secret, SecondSecret: c.SecondSecret, CallbackURLs: c.CallbackURLs, LogoutURLs: c.LogoutURLs,
		Scopes: c.Scopes, Grants: c.Grants, ReadAttributes: c.ReadAttributes,
		AccessTokenTTL: time.Duration(c.AccessTokenTTL), IDTokenTTL: time.Duration(c.IDTokenTTL),
		RefreshTokenTTL: time.Duration(c.RefreshTokenTTL), SessionTTL: time.Duration(c.SessionTTL),
		RotateRefreshTokens: c.Rotate, RotationGrace: time.Duration(c.RotationGrace),
		RevocationOff: c.RevocationOff, SupportedIdentityProviders: c.Providers,
	}
}

func (u userFile) user() userpool.User {
	return userpool.User{
		Username: u.Username, Password: u.Password, Subject: u.Subject, Name: u.Name, Email: u.Email,
		EmailVerified: u.EmailVerified, Groups: u.Groups, Attributes: u.Attributes,
		Roles: u.Roles, PreferredRole: u.PreferredRole, SecondFactor: u.SecondFactor, Disabled: u.Disabled,
	}
}
