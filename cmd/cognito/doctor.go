package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/bar-tech/cognito"
)

const doctorUsage = `Usage: cognito doctor [flags] [app]

Checks an app's settings against a user pool. It needs no AWS credentials, signs nobody in
and changes nothing. Settings come from COGNITO_* variables, as cognito.FromEnv reads them,
and from these flags. If the argument is the address of a running app, such as
https://app.example.com, settings are read from where its login and sign-out redirect to.
The pool's ID (-pool-id) and the client secret are not, because no app reveals them.

`

const doctorEnd = `
Cognito's responses are known from AWS's documentation and public reports; nothing has been
tested against AWS. If a finding is wrong or missing, please report it with the output of
"cognito doctor --json".
`

// doctorReport is what --json prints.
type doctorReport struct {
	Domain   string            `json:"domain"`
	ClientID string            `json:"client_id"`
	Findings []cognito.Finding `json:"findings"`

	address, app bool // whether the app's address was known, and the app was asked
}

// doctorFlags are what the command line says beside settings.
type doctorFlags struct {
	asJSON  bool
	app     string // the running app's address, or ""
	learned bool   // the settings are those of the app
}

// runDoctor prints a line for each question. The status is 1 if one of them breaks
// something, and 2 if nothing could be asked.
func runDoctor(args []string, stdout, stderr io.Writer) int {
	flags, err := readDoctorFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2 // package flag has said why
	}
	report, err := diagnose(flags)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	if flags.asJSON {
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

func readDoctorFlags(args []string, stderr io.Writer) (doctorFlags, error) {
	var f doctorFlags
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprint(stderr, doctorUsage)
		flags.PrintDefaults()
		_, _ = fmt.Fprint(stderr, doctorEnd)
	}
	flags.BoolVar(&f.asJSON, "json", false, "print the findings as JSON")
	flags.StringVar(&f.app, "app", "", "the running app's public address, to check the app too (default: BaseURL, unless that is on this machine)")
	for _, setting := range doctorSettings {
		flags.Func(setting.flag, setting.says, func(value string) error { return os.Setenv(setting.variable, value) })
	}
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 1 {
		err = fmt.Errorf("cognito doctor: unexpected %q: want one address of an app, after all flags", flags.Arg(1))
		_, _ = fmt.Fprintln(stderr, err)
	}
	if flags.NArg() == 1 {
		f.app, f.learned = flags.Arg(0), true
	}
	return f, err
}

// doctorSettings are those that have a flag.
var doctorSettings = []struct{ flag, variable, says string }{
	{"domain", "COGNITO_USER_POOL_DOMAIN", "the pool's domain, such as https://auth.example.com"},
	{"client-id", "COGNITO_CLIENT_ID", "the app client's ID"},
	{"pool-id", "COGNITO_USER_POOL_ID", "the pool's ID, such as eu-west-2_AbCdEfGhI"},
	{"issuer", "COGNITO_ISSUER", "the issuer, for test pools"},
	{"base-url", "COGNITO_BASE_URL", "the app's public address, for its callback and sign-out URLs"},
	{"scopes", "COGNITO_SCOPES", "the scopes, separated by spaces"},
}

// diagnose asks the pool, and the app if its address is known.
func diagnose(flags doctorFlags) (doctorReport, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := url.Parse(flags.app); err != nil {
		return doctorReport{}, errNoAddress
	}
	if flags.learned {
		if err := learn(ctx, flags.app); err != nil {
			return doctorReport{}, err
		}
	}
	config, err := cognito.FromEnv()
	if err != nil {
		return doctorReport{}, err
	}
	config.Logger = slog.New(slog.DiscardHandler)
	config = addressed(config, flags.app)
	auth, err := cognito.NewAuth(config)
	if err != nil {
		return doctorReport{}, err
	}
	defer func() { _ = auth.Close() }()
	found, err := auth.Check(ctx)
	if err != nil {
		return doctorReport{}, fmt.Errorf("cognito doctor: %w", err)
	}
	found = withNotAsked(found, config, flags)
	app := flags.app
	if app == "" && config.BaseURL != "" && !isOnThisMachine(config.BaseURL) {
		app = config.BaseURL
	}
	if app != "" {
		found = append(found, askApp(ctx, app, config)...)
	}
	return doctorReport{
		Domain: config.UserPoolDomain, ClientID: config.ClientID, Findings: found, address: config.BaseURL != "", app: app != "",
	}, nil
}

// isOnThisMachine reports whether an app at an address is one that a developer starts, and
// may not have started yet.
func isOnThisMachine(address string) bool {
	u, err := url.Parse(address)
	return err == nil && isLoopback(u.Hostname())
}

// addressed takes the running app's address for BaseURL where that is not set, so that the
// callback which the app needs is asked about as well. An inner address cannot be BaseURL.
func addressed(config cognito.Config, app string) cognito.Config {
	with := config
	with.BaseURL = newRunningApp(app).address
	if config.BaseURL != "" || with.Validate() != nil {
		return config
	}
	return with
}

// addressesNotAsked is for an operator who would take silence about the callback for praise.
var addressesNotAsked = cognito.Finding{
	Code: "addresses_not_asked", Field: "BaseURL",
	Problem: "the app client, its URLs, grants and scopes, and the login pages were not checked, because the app's address is not known",
	Remedy:  "set BASE_URL or -base-url to the address that browsers use, such as http://localhost:8021 on your machine",
}

// secretNotAsked is for an operator who has named the app alone, and not what it keeps secret.
var secretNotAsked = cognito.Finding{
	Code: "secret_not_asked", Field: "ClientSecret",
	Problem: "the app client has a secret, and the app's secret was not checked, because no app reveals it",
	Remedy:  "set COGNITO_CLIENT_SECRET, and COGNITO_USER_POOL_DOMAIN (or -domain) to say where it may be sent",
}

// withNotAsked adds what could not be asked, in place of what only seems to be wrong.
func withNotAsked(found []cognito.Finding, config cognito.Config, flags doctorFlags) []cognito.Finding {
	if config.BaseURL == "" {
		found = append(found, addressesNotAsked)
	}
	for i, f := range found {
		if f.Code == "secret_missing" && flags.learned {
			found[i] = secretNotAsked
		}
	}
	return found
}
