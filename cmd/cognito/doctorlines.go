package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/bar-tech/cognito"
)

// What the doctor prints: a line for each question, and what is wrong.

// doctorQuestion is one of those that are asked.
type doctorQuestion struct {
	asks  string   // a sentence that is true when all is well
	codes []string // of the findings that say otherwise
	after []string // codes of findings with which nobody can know
	needs string   // what has to be known beside the pool: "address", "app" or ""
}

// Without the client, Cognito says nothing of what the client is allowed.
var (
	withoutDomain = []string{"domain_unreachable"}
	withoutClient = []string{"domain_unreachable", "client_unknown"}
	withoutLogin  = []string{"domain_unreachable", "client_unknown", "callback_not_registered", "login_refused"}
	// A firewall in front of the pages is no answer of Cognito's.
	withoutPages = []string{"domain_unreachable", "client_unknown", "login_refused"}
)

var doctorQuestions = []doctorQuestion{
	{"the domain responds", []string{"domain_unreachable"}, nil, ""},
	{"the pool with this ID exists, and its tokens name the expected issuer", []string{"issuer_unreachable", "issuer_differs"}, withoutDomain, ""},
	{"its signing keys can be read", []string{"keys_unusable"}, []string{"domain_unreachable", "issuer_unreachable", "issuer_differs"}, ""},
	{"the domain is this pool's", []string{"domain_of_another_pool"}, []string{"domain_unreachable", "issuer_unreachable", "issuer_differs"}, ""},
	{"the app client exists", []string{"client_unknown"}, withoutPages, "address"},
	{"a login can start", []string{"login_refused"}, withoutClient, "address"},
	{"the callback URL is registered", []string{"callback_not_registered"}, withoutPages, "address"},
	{"the sign-out URL is registered", []string{"sign_out_url_not_registered"}, withoutPages, "address"},
	{"the app client may request all scopes", []string{"scope_not_allowed"}, withoutLogin, "address"},
	{"the authorization code grant is allowed", []string{"code_grant_off"}, withoutLogin, "address"},
	{"the domain's pages support all login parameters", []string{"login_parameters_ignored"}, withoutLogin, "address"},
	{"the sign-in page is available", []string{"no_branding_style"}, withoutLogin, "address"},
	{"the token endpoint responds", []string{"token_endpoint_fails"}, withoutDomain, ""},
	{"the client secret is right", []string{"secret_missing", "secret_wrong", "secret_superfluous"},
		append([]string{"token_endpoint_fails", "secret_not_asked"}, withoutClient...), ""},
	{"the clocks agree", []string{"clock_wrong"}, withoutDomain, ""},
	{"the app's login leads to this client and back", []string{"app_unreachable", "app_has_no_login", "app_base_url_differs"}, nil, "app"},
	{"its cookie reaches the browser, and no cache stores it", []string{"app_cookie_lost", "app_can_be_cached"}, []string{"app_unreachable", "app_has_no_login", "app_base_url_differs"}, "app"},
	{"a sign-out from the app's pages works", []string{"app_sign_out_lost"},
		[]string{"app_unreachable", "app_has_no_login", "app_base_url_differs", "app_cookie_lost", "app_can_be_cached"}, "app"},
}

// has reports whether a finding has one of the codes.
func (r doctorReport) has(codes []string) bool {
	return slices.ContainsFunc(r.Findings, func(f cognito.Finding) bool { return slices.Contains(codes, f.Code) })
}

// isAsked reports whether an answer to the question is known.
func (r doctorReport) isAsked(q doctorQuestion) bool {
	known := map[string]bool{"": true, "address": r.address, "app": r.app}
	return known[q.needs] && !r.has(q.after) && !r.has([]string{"not_asked"})
}

// answers are the questions with an answer that is good, and those without any.
func (r doctorReport) answers() (right, unknown []string) {
	for _, q := range doctorQuestions {
		switch {
		case r.has(q.codes): // a finding says more
		case r.isAsked(q):
			right = append(right, q.asks)
		default:
			unknown = append(unknown, q.asks)
		}
	}
	return right, unknown
}

func (r doctorReport) print(out io.Writer) {
	right, unknown := r.answers()
	for _, line := range right {
		_, _ = fmt.Fprintf(out, "ok     %s\n", line)
	}
	for _, line := range unknown {
		if right == nil {
			_, _ = fmt.Fprintln(out, "?      nothing else could be checked")
			break
		}
		_, _ = fmt.Fprintf(out, "?      not checked whether %s\n", line)
	}
	for _, f := range r.Findings {
		mark := "note "
		if f.Breaks {
			mark = "WRONG"
		}
		_, _ = fmt.Fprintf(out, "%s  %s\n       %s %q: %s\n       %s\n", mark, f.Code, f.Field, f.Value, f.Problem, f.Remedy)
	}
	if len(r.Findings) == 0 {
		_, _ = fmt.Fprintf(out, "Nothing is wrong with app client %s at %s.\n", r.ClientID, r.Domain)
		return
	}
	_, _ = fmt.Fprint(out, doctorEnd)
}
