// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"time"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v3"
)

// LoginOptions are options for one login. The zero value is the same as a plain link to
// [Config.LoginPath]. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html
type LoginOptions struct {
	// ReturnTo is the path of this app to come back to, with an optional query and
	// fragment. Anything else is ignored: a login never leads to another site.
	//
	// Optional. Default: AfterLogin.
	ReturnTo string

	// Prompt is what Cognito asks a visitor whom it remembers (OpenID Connect Core
	// section 3.1.2.1): "login" to sign in again, "select_account", "consent", or
	// "none" to ask nothing. With "none", a visitor whom Cognito does not remember
	// comes back without being signed in. A page that began such a login must not
	// begin another one then: have ReturnTo tell it. The classic hosted UI ignores
	// prompt.
	//
	// Optional. Default: "", for what Cognito finds necessary.
	Prompt string

	// LoginHint fills in the username on the login page.
	//
	// Optional. Default: "".
	LoginHint string

	// IdentityProvider is the name of the provider to go to directly, such as "Google"
	// or "COGNITO". IDPIdentifier is one of the provider's identifiers, for use instead
	// of its name.
	//
	// Optional. Default: "", with which the visitor chooses.
	IdentityProvider, IDPIdentifier string

	// Lang is the language of Cognito's pages, such as "de" or "zh-CN". Only managed
	// login supports it.
	//
	// Optional. Default: "", for the browser's language.
	Lang string

	// Screen opens a page of Cognito other than the one to sign in: "signup" or
	// "forgot_password". From both, visitors come back signed in, with the same
	// guarantees.
	//
	// Optional. Default: "".
	Screen string

	// MaxAge is how long ago the visitor may have entered their credentials, in whole
	// seconds (OpenID Connect Core section 3.1.2.1). If it is longer ago, Cognito asks
	// again. If Cognito does not ask, like the classic hosted UI, the login is refused
	// with [ErrStaleLogin].
	//
	// Optional. Default: 0, for any time.
	MaxAge time.Duration

	// Levels are at most eight authentication levels, such as "urn:cognito:loa:3". The
	// login has to reach one of them; otherwise it is refused with
	// [ErrLevelNotReached]. See [RequireLevel].
	//
	// Optional. Default: none.
	Levels []string
}

func (o LoginOptions) wishes() engine.Wishes {
	return engine.Wishes{
		ReturnTo: o.ReturnTo, Prompt: o.Prompt, LoginHint: o.LoginHint, IdentityProvider: o.IdentityProvider,
		IDPIdentifier: o.IDPIdentifier, Lang: o.Lang, Screen: o.Screen, MaxAge: o.MaxAge, Levels: o.Levels,
	}
}

// Login redirects the browser to sign in, as LoginPath does, from a handler that serves
// a page or a form. Invalid options are refused with [ErrBadLogin], since they often
// contain what a visitor has typed. Scripts are refused with [ErrNotNavigation], and are
// told where to send the browser.
func (a *Auth) Login(c fiber.Ctx, options LoginOptions) error {
	return hideCause(a.engine.Login(requestOf(c), options.wishes()))
}

// LoginURL returns the address for a link that signs in: LoginPath, as browsers reach it,
// with the options in its query. The options are not secret, and any visitor can change
// them. If any option is invalid, all options except ReturnTo are left out.
func (a *Auth) LoginURL(options LoginOptions) string { return a.engine.LoginURL(options.wishes()) }
