package cognito_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/claims"
)

// What a User and a Payload make of claims. A token is signed by the pool, but
// what is in it was partly written by its user.

func userWith(raw string) *cognito.User { return (*cognito.User)(claimSet([]byte(raw))) }

func payloadWith(raw string) *cognito.Payload { return (*cognito.Payload)(claimSet([]byte(raw))) }

func claimSet(raw []byte) *claims.Set { return claims.New(claims.Text{Bytes: raw}, "", nil) }

// TestClaimsHaveStandardNames proves that each accessor reads its own claim.
func TestClaimsHaveStandardNames(t *testing.T) {
	user := userWith(`{
		"sub": "s", "cognito:username": "u", "username": "not this", "email": "e", "email_verified": true,
		"phone_number": "+44", "phone_number_verified": true, "name": "n", "given_name": "g", "family_name": "f",
		"preferred_username": "p", "picture": "https://i", "locale": "en-GB", "cognito:groups": ["a", "b"], "auth_time": 1700000000
	}`)
	got := []any{
		user.Subject(), user.Username(), user.Email(), user.EmailVerified(), user.PhoneNumber(), user.PhoneNumberVerified(), user.Name(),
		user.GivenName(), user.FamilyName(), user.PreferredUsername(), user.Picture(), user.Locale(), user.Groups(), user.AuthTime().Unix(), user.String(),
	}
	if want := "[s u e true +44 true n g f p https://i en-GB [a b] 1700000000 user s]"; fmt.Sprint(got) != want {
		t.Errorf("the user is %v, want %s", got, want)
	}
	payload := payloadWith(`{
		"sub": "s", "client_id": "c", "username": "u", "jti": "j", "scope": "openid api/read", "cognito:groups": ["a"],
		"iat": 1, "exp": 2, "auth_time": 3
	}`)
	got = []any{
		payload.Subject(), payload.ClientID(), payload.Username(), payload.TokenID(), payload.Scopes(), payload.Groups(),
		payload.IssuedAt().Unix(), payload.ExpiresAt().Unix(), payload.AuthTime().Unix(), payload.String(),
	}
	if want := "[s c u j [openid api/read] [a] 1 2 3 access token of s]"; fmt.Sprint(got) != want {
		t.Errorf("the payload is %v, want %s", got, want)
	}
}

// TestClaimsOfTheWrongType proves that a claim of another type is no claim: a
// truthy string verifies no address, a number is no name, and no accessor
// panics, whatever is there.
func TestClaimsOfTheWrongType(t *testing.T) {
	for _, value := range []string{`"true"`, `"1"`, `1`, `0`, `-1`, `1e300`, `{}`, `[]`, `[true]`, `{"a":1}`, `null`, `"" `, `false`} {
		names := []string{"email_verified", "phone_number_verified"}
		claims := fmt.Sprintf(`{"sub":%s,"email":%[1]s,"email_verified":%[1]s,"phone_number_verified":%[1]s,"auth_time":%[1]s,"cognito:groups":%[1]s,"scope":%[1]s}`, value)
		user, payload := userWith(claims), payloadWith(claims)
		if user.EmailVerified() || user.PhoneNumberVerified() {
			t.Errorf("%v of %s are true", names, value)
		}
		if len(user.Groups()) != 0 || user.InGroup("a") || user.InGroup("") || payload.InGroup("true") {
			t.Errorf("%s is the groups %q", value, user.Groups())
		}
		if value[0] != '"' && (user.Subject() != "" || user.Email() != "" || len(payload.Scopes()) != 0) {
			t.Errorf("%s is the subject %q and the scopes %q", value, user.Subject(), payload.Scopes())
		}
		if isNumber := strings.ContainsAny(value[:1], "-01"); !isNumber && !user.AuthTime().IsZero() {
			t.Errorf("%s is the time %s", value, user.AuthTime())
		}
	}
	for _, broken := range []string{``, `null`, `[]`, `"x"`, `1`, `{`, `{"sub":"a"`, "\xff", strings.Repeat(`{"a":`, 20000)} {
		user, payload := userWith(broken), payloadWith(broken)
		if user.Subject() != "" || user.InGroup("a") || payload.HasScope("a") || user.Claim("sub") != nil || payload.Claim("sub") != nil {
			t.Errorf("%.20q has claims", broken)
		}
	}
	if zero := new(cognito.User); zero.Subject() != "" || zero.Groups() == nil || len(zero.Groups()) != 0 || new(cognito.Payload).HasScope("") {
		t.Error("the zero user is somebody")
	}
}

// TestNumbersKeepTheirDigits proves that claims pass through as they were
// signed: a large number is not rounded on its way through a float64.
func TestNumbersKeepTheirDigits(t *testing.T) {
	claims, err := claims.OfUser([]byte(`{"sub":"s","custom:account":12345678901234567891,"custom:rate":0.10}`), []byte(`{"custom:other":1e2}`))
	if err != nil {
		t.Fatal(err)
	}
	written, err := json.Marshal(userWith(string(claims)))
	if want := `{"custom:account":12345678901234567891,"custom:other":1e2,"custom:rate":0.10,"sub":"s"}`; err != nil || string(written) != want {
		t.Errorf("the user is %s (%v), want %s", written, err, want)
	}
	var typed struct {
		Account uint64 `json:"custom:account"`
	}
	if err := userWith(string(claims)).Decode(&typed); err != nil || typed.Account != 12345678901234567891 {
		t.Errorf("decoded as %d (%v)", typed.Account, err)
	}
}

// TestUserAsJSON proves what an app shows with c.JSON(user): the claims under
// their own names, empty custom ones too, without the protocol's own, and
// userInfo's textual booleans as booleans. The ID token, which is signed, wins.
func TestUserAsJSON(t *testing.T) {
	raw, err := claims.OfUser([]byte(`{
		"sub": "s", "iss": "i", "aud": "a", "exp": 1, "iat": 1, "nonce": "n", "at_hash": "h", "jti": "j", "origin_jti": "o", "event_id": "e",
		"token_use": "id", "auth_time": 5, "cognito:groups": ["g"], "custom:plan": "", "email": "signed@example.com", "name": "<b>"
	}`), []byte(`{
		"sub": "other", "email": "unsigned@example.com", "email_verified": "true", "phone_number_verified": "false", "username": "u", "iss": "x", "custom:note": "true"
	}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"auth_time":5,"cognito:groups":["g"],"custom:note":"true","custom:plan":"","email":"signed@example.com","email_verified":true,` +
		`"name":"\u003cb\u003e","phone_number_verified":false,"sub":"s","username":"u"}`
	if written, err := json.Marshal(userWith(string(raw))); err != nil || string(written) != want {
		t.Errorf("the user is %s (%v), want %s", written, err, want)
	}
	for _, value := range []string{`"TRUE"`, `"yes"`, `"1"`, `1`, `["true"]`} {
		claims, err := claims.OfUser([]byte(`{}`), fmt.Appendf(nil, `{"email_verified":%s}`, value))
		if want := `{"email_verified":` + value + `}`; err != nil || string(claims) != want || userWith(string(claims)).EmailVerified() {
			t.Errorf("%s became %s (%v)", value, claims, err)
		}
	}
	payload := `{"iss":"i","aud":"https://api.example.com","jti":"j"}`
	if written, err := json.Marshal(payloadWith(payload)); err != nil || string(written) != payload {
		t.Errorf("the payload is %s (%v), want all of %s", written, err, payload)
	}
}

// TestTypedClaims proves that an app reads claims into a type of its own, and
// learns about it when a claim is of another type.
func TestTypedClaims(t *testing.T) {
	type tenant struct {
		Subject string            `json:"sub"`
		Plan    string            `json:"custom:plan"`
		Seats   int               `json:"custom:seats,string"`
		Groups  []string          `json:"cognito:groups"`
		Missing *string           `json:"custom:missing"`
		Nested  struct{ A []int } `json:"nested"`
	}
	claims := `{"sub":"s","custom:plan":"gold","custom:seats":"7","cognito:groups":["a","b"],"nested":{"A":[1,2]}}`
	for _, from := range []interface{ Decode(any) error }{userWith(claims), payloadWith(claims)} {
		var got tenant
		if err := from.Decode(&got); err != nil || fmt.Sprintf("%+v", got) != "{Subject:s Plan:gold Seats:7 Groups:[a b] Missing:<nil> Nested:{A:[1 2]}}" {
			t.Errorf("decoded as %+v (%v)", got, err)
		}
		var any map[string]any
		if err := from.Decode(&any); err != nil || any["custom:plan"] != "gold" {
			t.Errorf("decoded as %v (%v)", any, err)
		}
		var wrong struct {
			Plan int `json:"custom:plan"`
		}
		if from.Decode(&wrong) == nil {
			t.Error("a text was decoded as a number")
		}
	}
	for _, nobody := range []interface{ Decode(any) error }{(*cognito.User)(nil), (*cognito.Payload)(nil)} {
		if err := nobody.Decode(new(tenant)); !errors.Is(err, cognito.ErrNotSignedIn) {
			t.Errorf("a stranger's claims: %v, want %v", err, cognito.ErrNotSignedIn)
		}
	}
}

// TestClaimsAreCopies: whatever an accessor returned may be written to, down to the
// depths, and the claims stay as they are.
func TestClaimsAreCopies(t *testing.T) {
	const claims = `{"sub":"s","cognito:groups":["a","b"],"deep":{"list":[{"x":[1]}],"map":{"y":{"z":1}}},"scope":"p q"}`
	user, payload := userWith(claims), payloadWith(claims)
	for range 2 {
		for _, list := range [][]string{user.Groups(), payload.Groups(), payload.Scopes()} {
			list[0] = "changed"
			_ = append(list[:1], "changed")
		}
		for _, claim := range []any{user.Claim("deep"), payload.Claim("deep")} {
			deep := claim.(map[string]any)
			deep["list"].([]any)[0].(map[string]any)["x"].([]any)[0] = "changed"
			deep["map"].(map[string]any)["y"].(map[string]any)["z"] = "changed"
			delete(deep, "map")
			deep["list"] = nil
		}
		user.Claim("cognito:groups").([]any)[0] = "changed"
		for _, marshal := range []func() ([]byte, error){user.MarshalJSON, payload.MarshalJSON} {
			text, _ := marshal()
			clear(text)
		}
		var decoded struct {
			Deep json.RawMessage `json:"deep"`
		}
		_, _ = user.Decode(&decoded), payload.Decode(&decoded)
		clear(decoded.Deep)
	}
	for name, from := range map[string]json.Marshaler{"user": user, "payload": payload} {
		if text, err := from.MarshalJSON(); err != nil || string(text) != claims {
			t.Errorf("the %s became %s (%v)", name, text, err)
		}
	}
	if got := fmt.Sprint(user.Groups(), payload.Groups(), payload.Scopes(), user.Claim("deep"), payload.Claim("deep")); got != "[a b] [a b] [p q] map[list:[map[x:[1]]] map:map[y:map[z:1]]] map[list:[map[x:[1]]] map:map[y:map[z:1]]]" {
		t.Errorf("the claims became %s", got)
	}
}

// TestClaimsInTemplates proves that a user works in html/template, where a
// name that its owner chose is text, in a page as in a script, and that nobody
// is nobody.
func TestClaimsInTemplates(t *testing.T) {
	page := template.Must(template.New("").Parse(
		`{{with .User}}{{.Name}} {{.Email}}{{if .InGroup "admin"}} admin{{end}}{{range .Groups}} <i>{{.}}</i>{{end}} {{.Claim "custom:plan"}} {{.}} ` +
			`<script>who({{.}}, {{.Name}})</script>{{else}}nobody{{end}}`))
	render := func(user *cognito.User) string {
		var b bytes.Buffer
		if err := page.Execute(&b, map[string]any{"User": user}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	got := render(userWith(`{"sub":"s","name":"</script><b>","email":"e","cognito:groups":["admin","<x>"],"custom:plan":"<gold>"}`))
	const text = `&lt;/script&gt;&lt;b&gt; e admin <i>admin</i> <i>&lt;x&gt;</i> &lt;gold&gt; user s `
	const script = `<script>who({"sub":"s","name":"\u003c/script\u003e\u003cb\u003e","email":"e","cognito:groups":["admin","\u003cx\u003e"],"custom:plan":"\u003cgold\u003e"}, "\u003c/script\u003e\u003cb\u003e")</script>`
	if got != text+script {
		t.Errorf("the page is\n%s\nwant\n%s", got, text+script)
	}
	if got := render(nil); got != "nobody" {
		t.Errorf("without a user the page is %s", got)
	}
}

// FuzzClaims gives the accessors arbitrary claims. None may panic, and who is
// in a group or has a scope must agree with a reading of the JSON that knows
// nothing of this package.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"sub":"s","cognito:groups":["admin"],"scope":"openid api/read","auth_time":1700000000,"email_verified":true}`,
		`{"cognito:groups":"admin","scope":["openid"]}`, `{"cognito:groups":["admin",1],"scope":"openid\u00a0admin"}`,
		`{"cognito:groups":["admins","Admin"," admin","admin "],"scope":" admin  admin,x\tadmin "}`, `{"cognito:groups":[["admin"]],"scope":""}`,
		`{"cognito:groups":["a"],"cognito:groups":["admin"]}`, `{"Cognito:Groups":["admin"],"SCOPE":"admin"}`,
		`{"auth_time":1e400}`, `{"auth_time":-9.3e18,"exp":9.3e18,"iat":1e-9}`, `{"custom:x":{"a":[{"b":null}]}}`, `[]`, `null`, `"admin"`, ``, "{\"sub\":\"\xff\"}",
	} {
		f.Add([]byte(seed), "admin")
	}
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		before := bytes.Clone(raw)
		user, payload := (*cognito.User)(claimSet(raw)), (*cognito.Payload)(claimSet(raw))
		touchClaims(user, payload)
		var claims map[string]any
		if json.Unmarshal(raw, &claims) != nil {
			claims = nil
		}
		if got, want := user.InGroup(name), listedGroup(claims, name); got != want || payload.InGroup(name) != want || slices.Contains(user.Groups(), name) != want {
			t.Errorf("InGroup(%q) is %t in %s, want %t", name, got, raw, want)
		}
		if got, want := payload.HasScope(name), listedScope(claims, name); got != want || slices.Contains(payload.Scopes(), name) != want {
			t.Errorf("HasScope(%q) is %t in %s, want %t", name, got, raw, want)
		}
		if got := user.EmailVerified(); got != (claims["email_verified"] == true) {
			t.Errorf("EmailVerified() is %t in %s", got, raw)
		}
		if sub, _ := claims["sub"].(string); user.Subject() != sub || payload.Subject() != sub {
			t.Errorf("Subject() is %q in %s", user.Subject(), raw)
		}
		if !bytes.Equal(raw, before) {
			t.Error("the claims were changed")
		}
	})
}

// touchClaims calls everything that must not panic.
func touchClaims(user *cognito.User, payload *cognito.Payload) {
	_ = fmt.Sprint(user, payload, user.Username(), user.Email(), user.PhoneNumberVerified(), user.AuthTime(), payload.ExpiresAt(), payload.IssuedAt())
	_ = time.Since(user.AuthTime()) + time.Since(payload.ExpiresAt())
	_, _ = json.Marshal(user)
	_, _ = json.Marshal(payload)
	for name := range (*claims.Set)(payload).Parsed() {
		_ = user.Claim(name)
		_ = payload.Claim(name)
	}
	if raw, err := claims.OfUser((*claims.Set)(user).Source().Bytes, (*claims.Set)(payload).Source().Bytes); err == nil {
		_ = (*cognito.User)(claimSet(raw)).Decode(new(map[string]any))
	}
}

// listedGroup and listedScope are the plain meaning of the claims.
func listedGroup(claims map[string]any, name string) bool {
	list, _ := claims["cognito:groups"].([]any)
	for _, item := range list {
		if _, isText := item.(string); !isText {
			return false
		}
	}
	return slices.Contains(list, any(name))
}

func listedScope(claims map[string]any, name string) bool {
	scope, _ := claims["scope"].(string)
	return name != "" && slices.Contains(strings.Split(scope, " "), name)
}
