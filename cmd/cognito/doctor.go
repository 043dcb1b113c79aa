package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bar-tech/cognito"
)

const doctorUsage = `Usage: cognito doctor [flags]

Asks a user pool whether an app's settings are right. It needs no AWS credentials, signs
nobody in and changes nothing. Settings come from COGNITO_* variables, as cognito.FromEnv
reads them, and from these flags:

`

const doctorEnd = `
What Cognito answers is known from AWS's documentation and public reports, and was never
tried against AWS. If a finding is wrong, or one is missing, please report it with the
output of "cognito doctor --json".
`

// doctorReport is what --json prints.
type doctorReport struct {
	Domain   string            `json:"domain"`
	ClientID string            `json:"client_id"`
	Findings []cognito.Finding `json:"findings"`
}

// runDoctor prints a line for each finding. The status is 1 if one of them breaks
// something, and 2 if nothing could be asked.
func runDoctor(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, doctorUsage)
		flags.PrintDefaults()
		_, _ = fmt.Fprint(stderr, doctorEnd)
	}
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	app := flags.String("app", "", "the running app's public address, which is asked as well; BaseURL unless it is named")
	for _, setting := range doctorSettings {
		flags.Func(setting.flag, setting.says, func(value string) error { return os.Setenv(setting.variable, value) })
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	report, err := diagnose(*app)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(report)
	} else {
		report.print(stdout)
	}
	for _, f := range report.Findings {
		if f.Breaks {
			return 1
		}
	}
	return 0
}

// doctorSettings are those that have a flag.
var doctorSettings = []struct{ flag, variable, says string }{
	{"domain", "COGNITO_USER_POOL_DOMAIN", "the pool's domain, such as https://auth.example.com"},
	{"client-id", "COGNITO_CLIENT_ID", "the app client's id"},
	{"pool-id", "COGNITO_USER_POOL_ID", "the pool's id, such as eu-west-2_AbCdEfGhI"},
	{"issuer", "COGNITO_ISSUER", "the issuer, for test pools"},
	{"base-url", "COGNITO_BASE_URL", "the app's public address, for its callback and sign-out URLs"},
	{"scopes", "COGNITO_SCOPES", "the scopes, separated by spaces"},
}

// diagnose asks the pool, and the app if its address is known.
func diagnose(app string) (doctorReport, error) {
	config, err := cognito.FromEnv()
	if err != nil {
		return doctorReport{}, err
	}
	config.Logger = slog.New(slog.DiscardHandler)
	config = addressed(config, app)
	auth, err := cognito.NewAuth(config)
	if err != nil {
		return doctorReport{}, err
	}
	defer func() { _ = auth.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	found, err := auth.Check(ctx)
	if err != nil {
		return doctorReport{}, fmt.Errorf("cognito doctor: %w", err)
	}
	if config.BaseURL == "" {
		found = append(found, addressesNotAsked)
	}
	if app == "" && config.BaseURL != "" && !strings.Contains(config.BaseURL, "://localhost") {
		app = config.BaseURL
	}
	if app != "" {
		found = append(found, askApp(ctx, app, config)...)
	}
	return doctorReport{Domain: config.UserPoolDomain, ClientID: config.ClientID, Findings: found}, nil
}

// addressed takes the running app's address for BaseURL where that is not set, so that the
// callback which the app needs is asked about as well. An inner address cannot be BaseURL.
func addressed(config cognito.Config, app string) cognito.Config {
	with := config
	with.BaseURL = strings.TrimSuffix(app, "/")
	if config.BaseURL != "" || with.Validate() != nil {
		return config
	}
	return with
}

// addressesNotAsked is for an operator who would take silence about the callback for praise.
var addressesNotAsked = cognito.Finding{
	Code: "addresses_not_asked", Field: "BaseURL",
	Problem: "whether the callback and sign-out URLs are registered was not asked, since the app's address is not known",
	Remedy:  "set BASE_URL, or -base-url, to what browsers see, such as http://localhost:8021 on your machine",
}

func (r doctorReport) print(out io.Writer) {
	if len(r.Findings) == 0 {
		_, _ = fmt.Fprintf(out, "Nothing is wrong with app client %s at %s.\n", r.ClientID, r.Domain)
		return
	}
	for _, f := range r.Findings {
		mark := "note "
		if f.Breaks {
			mark = "WRONG"
		}
		_, _ = fmt.Fprintf(out, "%s  %s\n       %s %q: %s\n       %s\n", mark, f.Code, f.Field, f.Value, f.Problem, f.Remedy)
	}
	_, _ = fmt.Fprint(out, doctorEnd)
}

// askApp opens the app's own login, through whatever stands in front of it, and looks
// where it leads and which cookie comes with it.
func askApp(ctx context.Context, address string, config cognito.Config) []cognito.Finding {
	login := strings.TrimSuffix(address, "/") + orElse(config.LoginPath, "/login")
	finding := func(code, problem, remedy string) []cognito.Finding {
		return []cognito.Finding{{Code: code, Breaks: true, Field: "BaseURL", Value: address, Problem: problem, Remedy: remedy}}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, login, nil)
	if err != nil {
		return finding("app_unreachable", "it is no address: "+err.Error(), "write it like https://app.example.com")
	}
	request.Header.Set("Accept", "text/html")
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return finding("app_unreachable", "the app does not answer there: "+err.Error(), "start it, or name its address with -app")
	}
	_ = answer.Body.Close()
	to, err := answer.Location()
	if err != nil || to.Query().Get("client_id") != config.ClientID {
		return finding("app_has_no_login", fmt.Sprintf("%s answers %d and leads to no login of this app client", login, answer.StatusCode), "let the proxy in front pass the path on; put the part that it strips into BaseURL")
	}
	if want := strings.TrimSuffix(address, "/") + orElse(config.RedirectPath, "/login/redirect"); to.Query().Get("redirect_uri") != want {
		return finding("app_base_url_differs", fmt.Sprintf("the app sends its visitors back to %q", to.Query().Get("redirect_uri")), "set BaseURL of the app to the address that browsers see")
	}
	return judgeAppCookies(answer, finding)
}

func judgeAppCookies(answer *http.Response, finding func(code, problem, remedy string) []cognito.Finding) []cognito.Finding {
	for _, cookie := range answer.Cookies() {
		if strings.Contains(cookie.Name, "cognito_login_") {
			return nil
		}
	}
	return finding("app_cookie_lost", "its login comes without the cookie that it needs", "let the proxy in front pass Set-Cookie on, and cache nothing of this path")
}
