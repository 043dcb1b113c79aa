package cognito

import (
	"errors"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/gofiber/fiber/v2"
)

// Page is what a visitor is told about an error, for an app that renders its own error
// pages. It contains no secrets, and no text from a stranger. Escape it nevertheless, as
// html/template does. Its fields:
//
//	Code string       a stable code to translate by, such as "forbidden": see [Error]
//	Title string      a short heading
//	Text string       a sentence or two
//	Status int        the HTTP status to answer with
//	Reference string  random letters to find this refusal in the log, or ""
//	FormLost bool     a form was submitted and not processed; Text says so
//	Ways []Way        links that lead on, the best first; one of them leads home
type Page = fault.Page

// Way is a link on a [Page]. Its fields:
//
//	Code string   a stable code to translate by: "home", "sign_in", "try_again",
//	              "sign_in_as_someone_else" or "sign_out"
//	Label string  the text of the link
//	Link string   the path in the app that it leads to, as browsers see it
type Way = fault.Way

// PageOf returns what the built-in page says about an error. Call it in your own error
// handler, in [Config] or in fiber.Config. Errors of this package keep their texts, even
// if they are wrapped. All other errors get a neutral page: the status of a
// [*fiber.Error] or 500, the code "not_found", "bad_request" or "internal_error", no
// reference, and a link home to "/". For nil, the page is empty.
func PageOf(err error) Page {
	if err == nil {
		return Page{}
	}
	if e := ours(err); e != nil {
		return fault.PageOf(e)
	}
	return fault.PageOf(fault.Foreign(statusOf(err), err))
}

// DefaultErrorHandler answers an error as this package does by default: with a small
// HTML page for browsers, or problem+json (RFC 9457) for programs. Your own error
// handler, in [Config] or in fiber.Config, can fall back on it, and it can be the
// error handler of fiber.Config itself. Errors that are not from this package get the
// page that [PageOf] describes. Visitors do not see their text. Those with a status of
// 500 or more are written to Logger, with the reference that the visitor sees.
func DefaultErrorHandler(c *fiber.Ctx, err error) error {
	if err == nil {
		return nil
	}
	if e := ours(err); e != nil {
		return engine.Answer(requestOf(c), e)
	}
	return engine.AnswerForeign(requestOf(c), statusOf(err), err)
}

// statusOf is the status of an error from the app or from Fiber.
func statusOf(err error) int {
	var spoken *fiber.Error
	if errors.As(err, &spoken) {
		return spoken.Code
	}
	return fiber.StatusInternalServerError
}

// adopt prepares what the app's handlers have returned for its error handler. It checks
// for nil first, because it runs on every request.
func (a *Auth) adopt(c *fiber.Ctx, err error) error {
	if err == nil {
		return nil
	}
	if e := ours(err); e != nil {
		// Anew: what the request's path was may have been overwritten by another.
		return publicError{a.engine.Adopt(requestOf(c), e)}
	}
	return err
}

// ours is the error of this package in err, or nil. A handler may also return just a
// reason, such as [ErrForbidden].
func ours(err error) *Error {
	var e *Error
	var reason *fault.Reason
	switch {
	case errors.As(err, &e):
		return e
	case !errors.As(err, &reason):
		return nil
	case err == error(reason): //nolint:errorlint // it wraps nothing that has more to say
		return fault.Plain(reason)
	}
	return fault.New(fault.Details{Reason: reason, Cause: err})
}

// hideCause hides causes from strangers: Fiber's own error handler prints the text of
// any error that reaches it, and an app may return one of ours.
func hideCause(err error) error {
	if err == nil {
		return nil // before whatever escapes: this runs on every request
	}
	if e := ours(err); e != nil {
		return publicError{e}
	}
	return err
}

// publicError has the text that a visitor may see, and still is the original error.
type publicError struct{ inner *Error }

// Error is what Fiber's own error handler shows to strangers.
func (b publicError) Error() string { return b.inner.Detail() }

// Unwrap lets Fiber find the status, and the app's error handler our error.
func (b publicError) Unwrap() []error {
	return []error{fiber.NewError(b.inner.Status(), b.inner.Detail()), b.inner}
}
