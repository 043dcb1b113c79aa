package engine

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
)

// Errors that come back from the app: what its handlers return reaches its own error
// handler, and that one may fall back on our answer.

// Adopt prepares an error of ours that a handler has returned for the app's own error
// handler: an accessor's error has had no event yet, and has no links that lead on. An
// error with an answer has been adopted already. If a timeout has given the handler up, it
// is left alone: the request is answered already.
func (a *Engine) Adopt(r Request, e *fault.Error) *fault.Error {
	if fault.Of(e).Answer != nil || r.GivenUp() {
		return e
	}
	a = askedOr(a, e)
	e = fault.Referenced(e)
	if fault.Of(e).ReturnTo == "" {
		fault.Of(e).ReturnTo = a.returnPath(r.originalURL())
	}
	if id := a.seen(r); id != nil {
		fault.Of(e).Subject = id.Subject()
	}
	a.event(r, Event{Kind: EventRefuse, Subject: fault.Of(e).Subject}.failed(e))
	return a.answered(r, e)
}

// askedOr is the engine that an error is of: the one that was asked, or the nearest.
func askedOr(nearest *Engine, e *fault.Error) *Engine {
	if asked, ok := fault.Of(e).Asked.(*Engine); ok {
		return asked
	}
	return nearest
}

// Answer answers for an error as if the app had no error handler. An announced one comes
// from tell, by way of the app's ErrorHandler, so only the body is missing.
func Answer(r Request, e *fault.Error) error {
	a := askedOr(Nearest(r), e)
	switch {
	case fault.Of(e).Announced:
		return answer(r, e)
	case a == nil:
		sealResponse(r)
		return answer(r, answeredWithoutEngine(r, e))
	}
	// Adopt leaves an error as it is after a timeout.
	e = answeredWithoutEngine(r, a.Adopt(r, e))
	if a.leavesForm(r, e) {
		return a.leaveForm(r, e)
	}
	a.announce(r, e)
	return answer(r, e)
}

// AnswerForeign answers an error that is not ours. If it is the app's fault, its cause
// is logged, because nobody else is told.
func AnswerForeign(r Request, status int, cause error) error {
	e, a, logger := fault.Referenced(fault.Foreign(status, cause)), Nearest(r), slog.Default()
	if a != nil {
		e, logger = a.answered(r, e), a.settings.Logger
	}
	if e.Status() >= http.StatusInternalServerError {
		logger.Error("cognito: a handler returned an error", "method", strings.Clone(r.Method), "path", strings.Clone(r.Path), "reference", fault.Of(e).Reference, "error", cause)
	}
	sealResponse(r)
	return answer(r, answeredWithoutEngine(r, e))
}

// answeredWithoutEngine is answered for an error that no engine has prepared.
func answeredWithoutEngine(r Request, e *fault.Error) *fault.Error {
	if fault.Of(e).Answer != nil {
		return e
	}
	return fault.Answered(e, fault.Answer{AsPage: r.asking().VisitsPage(), Ways: []fault.Way{fault.Home("", "/")}})
}
