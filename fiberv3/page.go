// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"errors"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/gofiber/fiber/v3"
)

// Page is what a visitor is told of an error, for an app that draws its pages itself.
// None of it is secret, and none of it was written by a stranger. It must be escaped
// all the same, as html/template does. Its fields:
//
//	Code string       a stable word to translate by, such as "forbidden": see [Error]
//	Title string      a short heading
//	Text string       a sentence or two
//	Status int        the HTTP status to answer with
//	Reference string  random letters that find this refusal in the log, or ""
//	FormLost bool     a form was sent and not carried out; Text says so
//	Ways []Way        where to go on, the best first; one of them leads home
type Page = fault.Page

// Way is a link of a [Page]. Its fields:
//
//	Code string   a stable word to translate by: "home", "sign_in", "try_again" or
//	              "sign_in_as_someone_else"
//	Label string  what the link says
//	Link string   where it leads, as browsers know it: a path of the app
type Way = fault.Way

// PageOf says what the built-in page would say of an error, in an error handler of
// the app's own: that of [Config] or that of fiber.Config. Errors of this package
// keep their words however they are wrapped. All others get a bland page with the
// status of a [*fiber.Error] or 500, the codes "not_found", "bad_request" or
// "internal_error", no reference, and "/" for the way home. Of nil, the page is
// empty.
func PageOf(err error) Page {
	if err == nil {
		return Page{}
	}
	if e := ours(err); e != nil {
		return fault.PageOf(e)
	}
	return fault.PageOf(fault.Foreign(statusOf(err), err))
}

// DefaultErrorHandler answers for an error as this package does by itself: with a
// small HTML page for browsers, or problem+json (RFC 9457). An error handler of the
// app's own, that of [Config] or that of fiber.Config, falls back on it; it can also
// be that of fiber.Config as it is. Errors that are none of this package's get the
// page that [PageOf] says. Strangers are not told what they say, so those with a
// status of 500 and above are written to Logger, with the reference of the answer.
func DefaultErrorHandler(c fiber.Ctx, err error) error {
	if err == nil {
		return nil
	}
	if e := ours(err); e != nil {
		return engine.Answer(requestOf(c), e)
	}
	return engine.AnswerForeign(requestOf(c), statusOf(err), err)
}

// statusOf is the status that an error of the app's or of Fiber's asks for.
func statusOf(err error) int {
	var spoken *fiber.Error
	if errors.As(err, &spoken) {
		return spoken.Code
	}
	return fiber.StatusInternalServerError
}

// adopt makes ready for the app's error handler what its handlers have returned. It
// looks at nil first, since it runs on every request.
func (a *Auth) adopt(r engine.Request, err error) error {
	if err == nil {
		return nil
	}
	if e := ours(err); e != nil {
		return publicError{a.engine.Adopt(r, e)}
	}
	return err
}

// ours is the error of this package that err holds, or nil. A handler may also return
// a mere reason, such as [ErrForbidden].
func ours(err error) *Error {
	var e *Error
	var reason *fault.Reason
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &reason):
		return fault.New(fault.Details{Reason: reason, Cause: err})
	}
	return nil
}
