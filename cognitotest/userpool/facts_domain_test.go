package userpool_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// Small facts of FACTS.md §6 and §7 that no story of another file tells.

// TestLogoutKeepsTokens (FACTS.md §6): it is the browser that is signed out, and what
// the application holds goes on working.
func TestLogoutKeepsTokens(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	code := b.Login(p.authorizeURL(nil), "alice", "wonderland").URL.Query().Get("code")
	tokens := p.post("/oauth2/token", p.codeForm(code)).members
	page := b.Get(p.pool.URL() + "/logout?" + url.Values{"client_id": {"client1"}, "logout_uri": {p.origin + "/"}}.Encode())
	if page.URL.String() != p.origin+"/" {
		t.Fatalf("the logout ended at %s", page.URL)
	}
	access, _ := tokens["access_token"].(string)
	p.get(p.pool.URL()+"/oauth2/userInfo", access).wantOK(t)
	p.refresh(tokens["refresh_token"]).wantOK(t)
}

// TestLogoutToLoginKeepsLittle (FACTS.md §6): of a login's parameters only the documented
// ones go on to it, PKCE and the choice of a provider not, and none means all scopes.
func TestLogoutToLoginKeepsLittle(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	sent := url.Values{
		"client_id": {"client1"}, "redirect_uri": {p.redirectURI()}, "response_type": {"code"}, "state": {"s"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
		"identity_provider": {"Google"}, "idp_identifier": {"x.org"},
	}
	where, q := splitLocation(t, p.get(p.pool.URL()+"/logout?"+sent.Encode(), ""))
	if got := slices.Sorted(maps.Keys(q)); where != "/login" ||
		!slices.Equal(got, []string{"client_id", "redirect_uri", "response_type", "state"}) {
		t.Errorf("sent to %s with %v", where, got)
	}
	page := p.pool.NewBrowser().Login(p.pool.URL()+"/logout?"+sent.Encode(), "alice", "wonderland")
	form := p.codeForm(page.URL.Query().Get("code"))
	form.Del("code_verifier")
	a := p.post("/oauth2/token", form)
	a.wantOK(t)
	_, access := decode(t, a.members["access_token"])
	wantClaims(t, access, map[string]any{"scope": "openid email profile phone aws.cognito.signin.user.admin"})
}

// TestLogoutErrors (FACTS.md §6): the words that are known.
func TestLogoutErrors(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	for query, want := range map[string]string{
		"logout_uri=" + p.origin + "/":       "Required String parameter 'client_id' is not present",
		"client_id=client1":                  "Required parameters missing",
		"client_id=client1&logout_uri=https": "redirect_mismatch",
	} {
		if where, q := splitLocation(t, p.get(p.pool.URL()+"/logout?"+query, "")); where != "/error" || q.Get("error") != want {
			t.Errorf("%s: sent to %s with %v", query, where, q)
		}
	}
}

// TestKeyMembers (FACTS.md §7.2): the members of a published key, and no others.
func TestKeyMembers(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	var set struct{ Keys []map[string]string }
	a := p.get(p.pool.Issuer()+"/.well-known/jwks.json", "")
	if err := json.Unmarshal([]byte(a.body), &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("the keys are %s (%v)", a.body, err)
	}
	if set.Keys[0]["n"] == set.Keys[1]["n"] {
		t.Error("the two are one")
	}
	for _, key := range set.Keys {
		modulus, err := base64.RawURLEncoding.DecodeString(key["n"])
		if err != nil || len(modulus) != 256 || key["kty"] != "RSA" || key["e"] != "AQAB" || len(key) != 6 {
			t.Errorf("a key is %v (%v)", key, err)
		}
	}
	if a.header.Get("Cache-Control") != "" {
		t.Errorf("whoever keeps the keys by Cache-Control %q relies on what nobody has documented", a.header.Get("Cache-Control"))
	}
}

// TestIssuerSwitches (FACTS.md §7.3, §12b): the next tokens say the other form, those of
// a refresh as well, with the same keys, and the old ones still serve.
func TestIssuerSwitches(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Issuer: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1"})
	login := p.tokens(nil)
	header, _ := decode(t, login["id_token"])
	for _, next := range []string{
		"https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1",
		"https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_TestPool1", // a replica
	} {
		p.pool.SetIssuer(next)
		for _, answer := range []map[string]any{p.refresh(login["refresh_token"]).members, p.tokens(nil)} {
			after, claims := decode(t, answer["id_token"])
			_, access := decode(t, answer["access_token"])
			if claims["iss"] != next || access["iss"] != next || after["kid"] != header["kid"] {
				t.Errorf("after the switch: %v by key %v, want %s by key %v", claims["iss"], after["kid"], next, header["kid"])
			}
		}
		if a := p.get(p.pool.Home()+"/.well-known/openid-configuration", ""); a.members["issuer"] != next {
			t.Errorf("discovery says %v", a.members["issuer"])
		}
	}
	old, _ := login["access_token"].(string)
	p.get(p.pool.URL()+"/oauth2/userInfo", old).wantOK(t)
}

// TestSlashesInClaims (FACTS.md §7.2): iss is written with escaped slashes.
func TestSlashesInClaims(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(p.pool.IDToken("", "alice", nil), ".")[1])
	if err != nil || !strings.Contains(string(raw), `"iss":"http:\/\/`) {
		t.Errorf("the claims are %s (%v)", raw, err)
	}
}

// TestHostsOfAmazon (FACTS.md §7.3, §7.4, §12b): an application finds the keys in every
// partition, by either issuer, and other hosts are not the pool's.
func TestHostsOfAmazon(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	client := &http.Client{Transport: p.pool.Transport()}
	t.Cleanup(client.CloseIdleConnections)
	serves := func(host string) bool {
		got, err := client.Get("https://" + host + "/us-east-1_TestPool1/.well-known/jwks.json")
		if err != nil {
			return false
		}
		return got.Body.Close() == nil && got.StatusCode == http.StatusOK
	}
	for _, host := range []string{
		"cognito-idp.us-east-1.amazonaws.com", "issuer-cognito-idp.eu-west-1.amazonaws.com",
		"cognito-idp-fips.us-gov-west-1.amazonaws.com", "cognito-idp.us-gov-west-1.amazonaws.com",
		"cognito-idp.eusc-de-east-1.amazonaws.eu", "cognito-idp.cn-north-1.amazonaws.com.cn",
	} {
		if !serves(host) {
			t.Errorf("%s: no keys there", host)
		}
	}
	if landed, err := client.Get(p.origin + "/us-east-1_TestPool1/.well-known/jwks.json"); err != nil {
		t.Error(err)
	} else if body, _ := io.ReadAll(landed.Body); landed.Body.Close() != nil || string(body) != "landed" {
		t.Errorf("the pool takes what is for the application: %s", body)
	}
	p.pool.SetRegionDown("eu-west-1", true)
	if serves("issuer-cognito-idp.eu-west-1.amazonaws.com") || !serves("cognito-idp.us-east-1.amazonaws.com") {
		t.Error("one Region that is down takes another with it, or answers")
	}
}

// TestTLSVersions (FACTS.md §7.4): what speaks TLS 1.1 is turned away.
func TestTLSVersions(t *testing.T) {
	t.Parallel()
	pool := userpool.NewUnstarted(userpool.Options{})
	t.Cleanup(pool.Close)
	pool.StartTLS()
	trusted := x509.NewCertPool()
	trusted.AddCert(pool.Certificate())
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(pool.URL(), "https://"),
			&tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS10, MaxVersion: version}) //nolint:gosec // the point
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}
