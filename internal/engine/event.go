package engine

import (
	"context"
	"errors"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/web"
)

// EventKind says what an event is about.
type EventKind string

// The kinds of events. The root package documents them.
const (
	EventLogin   EventKind = "login"
	EventRefresh EventKind = "refresh"
	EventLogout  EventKind = "logout"
	EventRefuse  EventKind = "refuse"
	EventTamper  EventKind = "tamper"
	EventEnd     EventKind = "end"
)

// Event is one thing that happened.
type Event struct {
	Kind     EventKind
	OK       bool
	Reason   string
	Subject  string
	Duration time.Duration
	Err      error
	// Reference is the refusal's, in the log and in the answer.
	Reference string

	Method, Path, IP, UserAgent, RequestID string // of the request, if there is one

	Context context.Context // of the request, or of whoever called
}

// failed fills in an event's error, with the reference that the visitor is shown.
func (e Event) failed(err error) Event {
	why := fault.From(err)
	e.OK, e.Reason, e.Err, e.Reference = false, why.Code(), err, fault.Of(why).Reference
	return e
}

// event is an event of a request. Its path has no query, which may contain codes and
// states.
func (a *Engine) event(r Request, e Event) {
	e.Method, e.Path, e.IP = heard(r.Method), heard(r.Path), heard(a.hooks.IP(r.App))
	e.UserAgent, e.RequestID = heard(r.header("User-Agent")), requestID(r)
	e.Context = a.hooks.Context(r.App)
	a.emit(e)
}

// happened tells of something apart from any request.
func (a *Engine) happened(ctx context.Context, e Event) {
	e.Context = ctx
	a.emit(e)
}

// emit tells the app. Its hook is told of nearly every refusal, with words of a stranger, also
// where nothing else recovers: in guards, and of the 500 that follows a panic. What the event
// is about has happened, and a panic of the hook does not undo it.
func (a *Engine) emit(e Event) {
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("telling the app of an event", p)
		}
	}()
	a.hooks.OnEvent(e)
}

const (
	// longestHeard limits each value that an event repeats from a request, which a
	// stranger may have written: long values must not fill the log faster.
	longestHeard     = 512
	longestRequestID = 128
)

// heard is a copy of a value from a request, safe for a log.
func heard(text string) string { return web.Printable(text, longestHeard) }

// requestID is the ID that Fiber's requestid middleware gives a request, in its default
// header or its default local. Clients can choose it, so its length is limited.
func requestID(r Request) string {
	id := string(r.Response.Header.Peek("X-Request-ID"))
	if id == "" {
		id, _ = r.UserValue("requestid").(string)
	}
	return web.Printable(id, longestRequestID)
}

// observer is told what happens to sessions outside of requests, by the packages session
// and refresh, which know no hooks.
type observer struct{ *Engine }

// Tampered is told of a record that could not be opened.
func (a observer) Tampered(cause error) {
	a.happened(context.Background(), Event{Kind: EventTamper}.failed(fault.New(fault.Details{Reason: fault.ErrSessionEnded, Cause: cause})))
}

// NotProlonged is told of a session in use whose idle timeout was not extended.
func (a observer) NotProlonged(cause error) {
	a.settings.Logger.Warn("cognito: the idle timeout of a session in use could not be extended", "error", cause)
}

// Renewed tells whoever wants to know how a renewal ended.
func (a observer) Renewed(before, after *session.Session, err error, took time.Duration) {
	event := Event{Kind: EventRefresh, OK: true, Subject: before.Identity.Subject(), Duration: took}
	if err != nil {
		a.happened(context.Background(), event.failed(err))
		return
	}
	if !after.Renewable {
		return // TokensLost has told it
	}
	a.happened(context.Background(), event)
	if after.Serial != before.Serial {
		a.hooks.OnRefresh(after.Identity.User)
	}
}

// Unsaved is told of new tokens that exist only in memory.
func (a observer) Unsaved(session string, cause error) {
	a.settings.Logger.Error("cognito: renewed tokens may not have been stored; they are kept in memory until the storage accepts them", "session", session[:8], "error", cause)
}

// TokensLost is told of a session whose tokens are not in the storage any more.
func (a observer) TokensLost(session string) {
	a.settings.Logger.Warn("cognito: a session's tokens are gone from the storage; it ends when they would have expired", "session", session[:8],
		"field", "Storage", "remedy", "let the storage evict no entries, and lose none when it fails over")
}

// NotRevoked is told of a refresh token that could not be revoked.
func (a observer) NotRevoked(cause error) {
	if errors.Is(cause, pool.ErrRevocationOff) {
		a.noRevocation.Do(func() {
			a.settings.Logger.Warn("cognito: a refresh token could not be revoked", "error", cause, "client", a.settings.ClientID,
				"remedy", `select "Enable token revocation" for the app client; until then, the refresh tokens of sessions that have ended work until they expire`)
		})
		return
	}
	a.settings.Logger.Warn("cognito: a refresh token could not be revoked", "error", cause)
}
