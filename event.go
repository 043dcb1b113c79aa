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
	EventLogin   EventKind = "login"   // a login succeeded or failed
	EventRefresh EventKind = "refresh" // renewing a session's tokens succeeded or failed
	EventLogout  EventKind = "logout"  // a visitor signed out
	EventRefuse  EventKind = "refuse"  // a guard or a route refused a request, or a handler returned an error of this package
	EventTamper  EventKind = "tamper"  // a session's record could not be opened
	EventEnd     EventKind = "end"     // EndSession, EndSessions or MaxSessions ended a session
)

// Event is something that happened, for audit and metrics. It never contains a
// token, a code, a cookie or an e-mail address.
type Event struct {
	// Kind says what happened.
	Kind EventKind
	// OK tells success from failure.
	OK bool
	// Reason is the code of the failure, as in [Error.Code], or "".
	Reason string
	// Subject is the "sub" of the user concerned, or "" if there is none.
	Subject string
	// Duration is how long a login or a renewal took, including calls to
	// Cognito; 0 for the other kinds.
	Duration time.Duration
	// Err is the whole cause of a failure, or nil.
	Err error
	// Reference is the reference that the visitor was shown, or "" if none was
	// shown. See [Page].
	Reference string

	// Method, Path (without the query), IP, UserAgent and RequestID describe the
	// request, or are "" if there was none, as in the background. IP is Fiber's, so
	// behind a proxy, set fiber.Config.ProxyHeader, and with Fiber v3 TrustProxy and
	// TrustProxyConfig as well. RequestID is what Fiber's requestid middleware, registered
	// before this one, has put into its default header or local. Clients can choose all of
	// these values, so control characters are removed and long values are cut.
	Method, Path, IP, UserAgent, RequestID string

	ctx *eventContext
}

// eventContext is behind a pointer, so that printing an event never prints what the app
// keeps in its contexts.
type eventContext struct{ context.Context }

// Context is the context of the request, as the app's handlers see it, or the context
// that [Auth.EndSession] was given. Otherwise it is context.Background(). Use it for
// traces and deadlines, and do not keep it after [Config.OnEvent] has returned.
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

// emit passes an event to the app, or to the log if the app has no OnEvent.
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

// Level is the event's level in a log: error if an operator has to act, warn if the
// storage or Cognito cannot be reached or if the cause may come from a stranger, debug
// for what visitors cause all day, and info for the rest. If [Config.OnEvent] is set,
// events are not logged unless it does so itself.
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
