package cognito

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
)

// EventKind says what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	EventLogin   EventKind = "login"   // a login ended, well or badly
	EventRefresh EventKind = "refresh" // the tokens of a session were, or were not, renewed
	EventLogout  EventKind = "logout"  // a visitor signed out
	EventRefuse  EventKind = "refuse"  // a guard or a route turned a request away, or a handler returned our error
	EventTamper  EventKind = "tamper"  // a session's record did not open
	EventEnd     EventKind = "end"     // a session was ended from elsewhere, by EndSession, EndSessions or MaxSessions
)

// Event is one thing that happened, for audit and metrics. It never holds a
// token, a code, a cookie or an e-mail address.
type Event struct {
	Kind EventKind
	// OK tells success from failure.
	OK bool
	// Reason is why it failed, as [Error.Code] has it, or "".
	Reason string
	// Subject is the "sub" of the user concerned, or "" if there is none.
	Subject string
	// Duration is how long a login or a refresh took, calls to Cognito
	// included; 0 for the other kinds.
	Duration time.Duration
	// Err is the whole cause of a failure, or nil.
	Err error
	// Reference is what the visitor of a refusal was shown, or "" where nothing was
	// shown. See [Page].
	Reference string

	// Method, Path (without the query), IP and RequestID are of the request that it
	// happened in, or "" if there was none, as in the background. IP is Fiber's, so
	// behind a proxy it takes fiber.Config.ProxyHeader; RequestID is what Fiber's
	// requestid middleware, before this one, has put into its default header or local.
	// UserAgent is what its header says. Requests write all of this: it has no control
	// characters, and what is too long is cut.
	Method, Path, IP, UserAgent, RequestID string

	ctx *eventContext
}

// eventContext is behind a pointer so that no way of printing an event prints what
// the app keeps in its contexts.
type eventContext struct{ context.Context }

// Context is the context of the request that it happened in, as the app's handlers
// have it, or what [Auth.EndSession] was given, for traces and for deadlines; else it
// is the background. It must not be kept for longer than [Config.OnEvent] takes.
func (e Event) Context() context.Context {
	if e.ctx == nil {
		return context.Background()
	}
	return e.ctx
}

// LogValue writes the event as a group of attributes.
func (e Event) LogValue() slog.Value {
	attributes := []slog.Attr{slog.String("kind", string(e.Kind)), slog.Bool("ok", e.OK)}
	if e.Reason != "" {
		attributes = append(attributes, slog.String("reason", e.Reason))
	}
	if e.Subject != "" {
		attributes = append(attributes, slog.String("subject", e.Subject))
	}
	if e.Duration != 0 {
		attributes = append(attributes, slog.Duration("duration", e.Duration))
	}
	if e.Err != nil {
		attributes = append(attributes, slog.String("error", e.Err.Error()))
	}
	for _, of := range [][2]string{{"reference", e.Reference}, {"method", e.Method}, {"path", e.Path}, {"ip", e.IP}, {"user_agent", e.UserAgent}, {"request_id", e.RequestID}} {
		if of[1] != "" {
			attributes = append(attributes, slog.String(of[0], of[1]))
		}
	}
	return slog.GroupValue(attributes...)
}

// emit hands an event to the app, or to the log if the app does not want it.
func (a *Auth) emit(happened engine.Event) {
	e := Event{
		Kind: EventKind(happened.Kind), OK: happened.OK, Reason: happened.Reason, Subject: happened.Subject,
		Duration: happened.Duration, Err: happened.Err, Reference: happened.Reference,
		Method: happened.Method, Path: happened.Path, IP: happened.IP, UserAgent: happened.UserAgent, RequestID: happened.RequestID,
		ctx: &eventContext{happened.Context},
	}
	if a.config.OnEvent != nil {
		a.config.OnEvent(e)
		return
	}
	a.config.Logger.LogAttrs(e.Context(), e.Level(), "cognito", slog.Any("event", e))
}

// Level is how loud the event is in a log: error when an operator has to act,
// warn when something is out of reach or a stranger may only say so, debug for what
// visitors bring about all day, and info for the rest. With [Config.OnEvent] nothing is
// logged but by the app, which passes it on to its own logger.
func (e Event) Level() slog.Level {
	switch {
	case e.Kind == EventRefuse && quietRefusals[e.Reason], e.Kind == EventRefresh && e.OK:
		return slog.LevelDebug
	case errors.Is(e.Err, fault.ErrTold):
		return slog.LevelWarn // the error is in the log, once, with what to do
	case errors.Is(e.Err, fault.ErrHearsay) && errors.Is(e.Err, fault.ErrMisconfigured):
		return slog.LevelWarn // a stranger may have written it
	case errors.Is(e.Err, fault.ErrMisconfigured), e.Reason == fault.CodeOf(fault.ErrInternal):
		return slog.LevelError // also when it looks like an outage to visitors
	case e.Kind == EventTamper, e.Reason == fault.CodeOf(fault.ErrUnavailable), e.Reason == fault.CodeOf(fault.ErrBusy), e.Reason == fault.CodeOf(fault.ErrLoginLoop):
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

var quietRefusals = map[string]bool{
	fault.CodeOf(fault.ErrNotSignedIn): true, fault.CodeOf(fault.ErrSessionEnded): true, fault.CodeOf(fault.ErrMethod): true, fault.CodeOf(fault.ErrNotNavigation): true,
}
