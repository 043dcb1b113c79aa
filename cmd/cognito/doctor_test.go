package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/basicauth"
)

// TestDoctor asks a pool from the command line: a right setup ends with 0, a wrong one
// with 1 and a line that says what to do, and one that cannot be read with 2.
func TestDoctor(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	for name, value := range map[string]string{
		"COGNITO_USER_POOL_DOMAIN": config.UserPoolDomain, "COGNITO_CLIENT_ID": config.ClientID, "COGNITO_USER_POOL_ID": config.UserPoolID,
		"COGNITO_ISSUER": config.Issuer, "COGNITO_BASE_URL": "http://localhost:8021", "COGNITO_SCOPES": "", "COGNITO_CLIENT_SECRET": "",
	} {
		t.Setenv(name, value)
	}
	ask := func(args ...string) (status int, out, complaint string) {
		var stdout, stderr bytes.Buffer
		status = run(append([]string{"doctor"}, args...), &stdout, &stderr)
		return status, stdout.String(), stderr.String()
	}
	if status, out, complaint := ask(); status != 0 || !strings.Contains(out, "Nothing is wrong") {
		t.Errorf("a right setup ends with %d: %s%s", status, out, complaint)
	}
	t.Setenv("COGNITO_BASE_URL", "")
	if status, out, _ := ask(); status != 0 || !strings.Contains(out, "addresses_not_asked") || !strings.Contains(out, "set BASE_URL") {
		t.Errorf("without the app's address it ends with %d: %s", status, out)
	}
	if status, out, _ := ask("-app", "http://localhost:1"); status != 1 || !strings.Contains(out, "callback_not_registered") || strings.Contains(out, "addresses_not_asked") {
		t.Errorf("the address of -app is not that of the callback: it ends with %d: %s", status, out)
	}
	for _, local := range []string{"http://127.0.0.1:1", "http://[::1]:1"} { // where no app runs
		pool.AllowOrigin(local)
		t.Setenv("COGNITO_BASE_URL", local)
		if status, out, _ := ask(); status != 0 || !strings.Contains(out, "Nothing is wrong") {
			t.Errorf("with an app at %s that has not started it ends with %d: %s", local, status, out)
		}
	}
	t.Setenv("COGNITO_BASE_URL", "http://localhost:8021")
	t.Setenv("COGNITO_CLIENT_SECRET", "hunter2")
	status, out, _ := ask()
	if status != 1 || !strings.Contains(out, "WRONG  secret_superfluous") || !strings.Contains(out, "leave ClientSecret out") || strings.Contains(out, "hunter2") {
		t.Errorf("a secret too many ends with %d: %s", status, out)
	}
	var report doctorReport
	if status, out, _ := ask("-json"); status != 1 || json.Unmarshal([]byte(out), &report) != nil || len(report.Findings) != 1 || report.Findings[0].Code != "secret_superfluous" {
		t.Errorf("as JSON it ends with %d: %s", status, out)
	}
	if status, _, complaint := ask("-client-id", "a client"); status != 2 || !strings.Contains(complaint, "COGNITO_CLIENT_ID") {
		t.Errorf("an impossible client ends with %d: %s", status, complaint)
	}
}

// TestDoctorAsksTheApp: what stands in front of an app shows in where its login leads.
func TestDoctorAsksTheApp(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	serve := func(handlers ...fiber.Handler) string { return serveApp(t, handlers...) }
	behind := config
	behind.BaseURL = "http://localhost:1"
	noHeader := func(name string) fiber.Handler {
		return func(c *fiber.Ctx) error {
			err := c.Next()
			c.Response().Header.Del(name)
			return err
		}
	}
	noOrigin := func(c *fiber.Ctx) error {
		c.Request().Header.Del("Origin")
		return c.Next()
	}
	for code, address := range map[string]string{
		"app_can_be_cached": serve(noHeader("Cache-Control"), cognito.New(config)),
		"app_sign_out_lost": serve(noOrigin, cognito.New(config)),
		"":                  serve(cognito.New(config)), "app_has_no_login": serve(func(c *fiber.Ctx) error { return c.SendString("hello") }),
		"app_base_url_differs": serve(cognito.New(behind)), "app_unreachable": "http://127.0.0.1:1", "app_cookie_lost": serve(noHeader("Set-Cookie"), cognito.New(config)),
	} {
		found := askApp(t.Context(), address, config)
		if code == "" && len(found) > 0 || code != "" && (len(found) != 1 || found[0].Code != code) {
			t.Errorf("%s: %q", code, found)
		}
	}
}

// serveApp is the address of an app that is running.
func serveApp(t *testing.T, handlers ...fiber.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	for _, handler := range handlers {
		app.Use(handler)
	}
	go func() { _ = app.Listener(listener) }()
	t.Cleanup(func() { _ = app.Shutdown(); _ = listener.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return "http://localhost:" + port
}

// TestDoctorLearnsFromTheApp: an operator who knows no more than where the app is, and
// the pool's ID, has the app's own words asked about.
func TestDoctorLearnsFromTheApp(t *testing.T) {
	for _, name := range []string{
		"USER_POOL_DOMAIN", "CLIENT_ID", "CLIENT_SECRET", "SCOPES", "RESOURCE", "BASE_URL", "REDIRECT_PATH", "AFTER_LOGOUT", "LOGIN_PATH", "LOGOUT_PATH",
	} {
		t.Setenv("COGNITO_"+name, "")
	}
	t.Setenv("BASE_URL", "")
	forget := func() {
		for _, name := range []string{"USER_POOL_DOMAIN", "CLIENT_ID", "SCOPES", "BASE_URL", "REDIRECT_PATH", "AFTER_LOGOUT"} {
			_ = os.Setenv("COGNITO_"+name, "")
		}
	}
	for _, secret := range []string{"", "s3cret"} {
		forget()
		var app fiber.Handler
		address := serveApp(t, func(c *fiber.Ctx) error { return app(c) })
		pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{
			ID: "app", Secret: secret, Scopes: []string{"openid", "orders/read"},
			CallbackURLs: []string{address + "/back"}, LogoutURLs: []string{address + "/bye"},
		}}})
		t.Cleanup(pool.Close)
		config := pool.Config()
		config.BaseURL, config.RedirectPath, config.AfterLogout, config.Scopes = address, "/back", "/bye", []string{"openid", "orders/read"}
		app = cognito.New(config)
		var out bytes.Buffer
		status := run([]string{"doctor", "-pool-id", config.UserPoolID, "-issuer", config.Issuer, address + "/"}, &out, &out)
		said := "Nothing is wrong with app client app"
		if secret != "" {
			said = "note   secret_not_asked"
		}
		if status != 0 || !strings.Contains(out.String(), said) || strings.Contains(out.String(), "WRONG") {
			t.Errorf("it ends with %d: %s", status, &out)
		}
	}
	forget()
	var out bytes.Buffer
	if status := run([]string{"doctor", serveApp(t, func(c *fiber.Ctx) error { return c.SendString("hello") })}, &out, &out); status != 2 || !strings.Contains(out.String(), "does not lead to a login") {
		t.Errorf("what is no app ends with %d: %s", status, &out)
	}
	if status := run([]string{"doctor", "http://127.0.0.1:1", "http://127.0.0.1:2"}, &out, &out); status != 2 || !strings.Contains(out.String(), "unexpected") {
		t.Errorf("two apps end with %d: %s", status, &out)
	}
}

// TestDoctorShowsNoPassword: a staging server in front of an app may want a password, in the
// app's address. It is sent there, and is neither printed, as findings are for bug reports,
// nor taken for a part of the address that browsers use.
func TestDoctorShowsNoPassword(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	staging := serveApp(t, basicauth.New(basicauth.Config{Users: map[string]string{"user": "hunter2"}}), cognito.New(config))
	with := func(user, address string) string { return strings.Replace(address, "://", "://"+user+"@", 1) }
	if found := askApp(t.Context(), with("user:hunter2", staging), config); len(found) > 0 {
		t.Errorf("with the password: %q", found)
	}
	behind := config
	behind.BaseURL = "http://localhost:1"
	for code, address := range map[string]string{
		"app_has_no_login":     with("user:hunter2!", staging),
		"app_base_url_differs": with("hunter2", serveApp(t, cognito.New(behind))),
		"app_unreachable":      with("user:hunter2", "http://127.0.0.1:1"),
	} {
		found := askApp(t.Context(), address, config)
		if len(found) != 1 || found[0].Code != code || strings.Contains(fmt.Sprint(found), "hunter2") {
			t.Errorf("%s: %q", code, found)
		}
	}
	for _, address := range []string{with("user:hunter2", "http://127.0.0.1:1"), with("user:%zzhunter2", staging), with("user:hunter2", serveApp(t, func(c *fiber.Ctx) error { return c.SendString("hello") }))} {
		var out bytes.Buffer
		if status := run([]string{"doctor", address}, &out, &out); status != 2 || strings.Contains(out.String(), "hunter2") {
			t.Errorf("it ends with %d: %s", status, &out)
		}
	}
}

// TestDoctorSendsTheSecretToNobodyElse: whoever answers at an app's address names a pool of
// their own, so that the doctor checks the operator's client secret there.
func TestDoctorSendsTheSecretToNobodyElse(t *testing.T) {
	for _, name := range []string{"USER_POOL_DOMAIN", "CLIENT_ID", "SCOPES", "RESOURCE", "BASE_URL", "REDIRECT_PATH", "AFTER_LOGOUT", "LOGIN_PATH", "LOGOUT_PATH"} {
		t.Setenv("COGNITO_"+name, "")
	}
	t.Setenv("BASE_URL", "")
	t.Setenv("COGNITO_CLIENT_SECRET", "s3cret")
	client := cognitotest.Client{ID: "app", Secret: "s3cret"}
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{client}})
	t.Cleanup(pool.Close)
	address := serveApp(t, cognito.New(pool.Config()))
	pool.AllowOrigin(address)
	ask := func(args ...string) (status int, out bytes.Buffer) {
		status = run(append([]string{"doctor", "-pool-id", pool.UserPoolID(), "-issuer", pool.Issuer()}, append(args, address)...), &out, &out)
		return status, out
	}
	if status, out := ask(); status != 2 || pool.Calls(cognitotest.Token) != 0 || !strings.Contains(out.String(), "COGNITO_USER_POOL_DOMAIN") || strings.Contains(out.String(), "s3cret") {
		t.Errorf("the pool was sent %d secrets, and it ends with %d: %s", pool.Calls(cognitotest.Token), status, &out)
	}
	if status, out := ask("-domain", pool.URL()); status != 0 || pool.Calls(cognitotest.Token) == 0 {
		t.Errorf("with the domain it ends with %d: %s", status, &out)
	}
}

// TestDoctorAsksForEveryCode: each finding that there can be answers a question of those
// that are listed, or has a reason to stand outside.
func TestDoctorAsksForEveryCode(t *testing.T) {
	t.Parallel()
	outside := []string{"not_asked", "storage_fails", "storage_keeps_no_lifetimes"} // of the app's own process
	var asked []string
	for _, q := range doctorQuestions {
		asked = append(asked, q.codes...)
	}
	found := 0
	for _, file := range []string{"../../internal/doctor/judge.go", "../../internal/engine/check.go", "doctorapp.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range regexp.MustCompile(`(?:\bcode\w+ += |finding\(|return )"([a-z]+_[a-z_]+)"`).FindAllSubmatch(source, -1) {
			found++
			if name := string(code[1]); slices.Contains(asked, name) == slices.Contains(outside, name) {
				t.Errorf("%s is asked for by no question, or is one that stands outside", name)
			}
		}
	}
	if found < 25 {
		t.Errorf("only %d codes were found", found)
	}
}

// TestDoctorSaysWhatItCouldNotAsk: a mistake hides others, and is not praise for them.
func TestDoctorSaysWhatItCouldNotAsk(t *testing.T) {
	t.Parallel()
	for code, test := range map[string]struct{ ok, unknown int }{
		"": {18, 0}, "client_unknown": {9, 8}, "callback_not_registered": {13, 4}, "domain_unreachable": {3, 14},
		"login_refused": {10, 7}, "issuer_differs": {15, 2}, "secret_not_asked": {17, 1}, "app_cookie_lost": {16, 1}, "not_asked": {0, 1},
	} {
		report := doctorReport{address: true, app: true}
		if code != "" {
			report.Findings = []cognito.Finding{{Code: code}}
		}
		var out bytes.Buffer
		report.print(&out)
		ok, unknown := strings.Count(out.String(), "ok     "), strings.Count(out.String(), "?      ")
		if ok != test.ok || unknown != test.unknown {
			t.Errorf("%q: %d are right and %d unknown, want %d and %d:\n%s", code, ok, unknown, test.ok, test.unknown, &out)
		}
	}
	var out bytes.Buffer
	doctorReport{}.print(&out) // without the app's address
	if said := out.String(); strings.Contains(said, "ok     the callback") || !strings.Contains(said, "?      not checked whether the callback URL is registered") {
		t.Errorf("without an address it says\n%s", said)
	}
}
