// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"time"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v3"
)

// LoginOptions are what a login asks for besides the usual. The zero value is what a
// link to [Config.LoginPath] does. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html
type LoginOptions struct {
	// ReturnTo is the path of this app, with an optional query and fragment, to come
	// back to. Anything else is taken for none: a login never leads elsewhere.
	//
	// Optional. Default: AfterLogin.
	ReturnTo string

	// Prompt is what to ask a visitor whom Cognito knows (OpenID Connect Core section
	// 3.1.2.1): "login" for who they are, once more, "select_account", "consent", or
	// "none" to ask nothing. The classic hosted UI ignores it.
	//
	// Optional. Default: "", whatever Cognito finds necessary.
	Prompt string

	// LoginHint fills in the user name.
	//
	// Optional. Default: "".
	LoginHint string

	// IdentityProvider is the name of the provider to go to at once, such as "Google"
	// or "COGNITO", and IDPIdentifier one of its identifiers instead.
	//
	// Optional. Default: "", the visitor chooses.
	IdentityProvider, IDPIdentifier string

	// Lang is the language of Cognito's pages, such as "de" or "zh-CN". Managed login
	// knows it.
	//
	// Optional. Default: "", the browser's.
	Lang string

	// Screen opens another page of Cognito's than the one to sign in: "signup", or
	// "forgot_password". Both lead back signed in, with the same guarantees.
	//
	// Optional. Default: "".
	Screen string

	// MaxAge is how long ago the visitor may have proved who they are, in whole
	// seconds (OpenID Connect Core section 3.1.2.1). Otherwise Cognito asks; where it
	// does not, as the classic hosted UI, the login is refused with [ErrStaleLogin].
	//
	// Optional. Default: 0, any time.
	MaxAge time.Duration

	// Levels are authentication levels, such as "urn:cognito:loa:3", one of which the
	// login has to reach, eight at most: see [RequireLevel]. A login below them is
	// refused with [ErrLevelNotReached].
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

// Login sends the browser to log in, as LoginPath does, from a handler that opens a page
// or answers a form. Options that no login can have are refused with [ErrBadLogin], since
// they often hold what a visitor has typed in; scripts are refused with
// [ErrNotNavigation], and told where to send the browser.
func (a *Auth) Login(c fiber.Ctx, options LoginOptions) error {
	return hideCause(a.engine.Login(requestOf(c), options.wishes()))
}

// LoginURL is where a link to a login leads: LoginPath, as a browser reaches it, with the
// options in its query. They are no secret, and any visitor may change them. Options that
// no login can have are left out, all of them but ReturnTo.
func (a *Auth) LoginURL(options LoginOptions) string { return a.engine.LoginURL(options.wishes()) }
