// Package pool makes the calls to a user pool: to its token, revocation and userInfo
// endpoints and for its keys, each with bounds.
package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/bar-tech/cognito/internal/tasks"
)

const (
	// CallTimeout bounds one call to Cognito, from dialing to the last byte.
	CallTimeout = 5 * time.Second
	// dialTimeout bounds the connection, and the TLS handshake once more.
	dialTimeout = 2 * time.Second
	// A connection that is silent for pingAfter is pinged, and closed if there is no
	// response within pingTimeout.
	pingAfter   = 1500 * time.Millisecond
	pingTimeout = time.Second
	// LongestAnswer bounds what is read of an answer with tokens, claims or keys, after
	// decompression.
	LongestAnswer = 1 << 20
	// How many calls of each kind may be in progress at a time. Each kind has its own
	// limit, so none can starve another: junk sent to the callback must not stop
	// renewals, and a revocation endpoint that hangs must not stop logins.
	exchangesInFlight   = 64
	renewalsInFlight    = 64
	earlyInFlight       = 16
	keyFetchesInFlight  = 4
	revocationsInFlight = 16
	// How many more may wait for a place, and for how long at most.
	exchangesWaiting = 1024
	exchangePatience = time.Second
	// Renewals that are requested before they are due, by posts to RefreshPath: one
	// user's must not queue before other users' due renewals.
	earlyWaiting       = 1024
	earlyPatience      = 2 * time.Second
	revocationsWaiting = 4096
	// RenewalsWaiting is how many due renewals may wait. If more sessions are due while
	// Cognito is slow, the rest are told at once to try again later.
	RenewalsWaiting = 16384
	// LongestWait bounds what a request waits for a renewal: a call to Cognito,
	// and a second one if the answer to the first was lost.
	LongestWait = 2*CallTimeout + time.Second
	// CloseTimeout bounds how long Close waits for what is in flight: a call,
	// its repetition after a lost answer, and saving what came of it.
	CloseTimeout = 2*CallTimeout + 5*time.Second
	// BackgroundTimeout is the time of several calls.
	BackgroundTimeout = 6 * CallTimeout
	// TasksInFlight bounds everything that runs in the background: above what
	// each kind of it is bounded to.
	TasksInFlight = 1 << 16
)

var (
	// ErrNoAnswer leaves open whether Cognito has acted on the request.
	ErrNoAnswer  = errors.New("no answer")
	ErrTooLong   = errors.New("the response is too long")
	errCallsFull = errors.New("too many calls to Cognito in flight")
)

// Client makes all calls to Cognito: with a deadline, without redirects,
// and with a bounded answer.
type Client struct {
	client *http.Client
	owned  bool // the transport is ours to close

	exchanges, renewals, earlyRenewals, keyFetches, revocations *lane
}

// lane limits the concurrent calls of one kind. A caller that finds no place waits for
// one.
type lane struct {
	places   chan struct{}   // one value for each call under way
	waiting  chan struct{}   // one value for each caller without a place
	patience time.Duration   // for how long one waits
	closing  <-chan struct{} // nobody waits beyond that
}

func newLane(places, waiting int, patience time.Duration, closing <-chan struct{}) *lane {
	return &lane{make(chan struct{}, places), make(chan struct{}, waiting), patience, closing}
}

// take takes a place for the duration of a call, and for nothing else: a caller that
// waits for something other than Cognito gives it back first. When take returns,
// what the caller knew before may be out of date.
func (l *lane) take(ctx context.Context) (giveBack func(), err error) {
	giveBack = func() { <-l.places }
	select {
	case l.places <- struct{}{}:
		return giveBack, nil // even while closing: it was about to begin
	default:
	}
	// A full queue refuses at once, so that the request is told to come again.
	select {
	case l.waiting <- struct{}{}:
		defer func() { <-l.waiting }()
	default:
		return nil, errCallsFull
	}
	timer := time.NewTimer(l.patience)
	defer timer.Stop()
	select {
	case l.places <- struct{}{}:
		return giveBack, nil
	case <-l.closing:
		return nil, tasks.ErrClosed
	case <-timer.C:
		return nil, errCallsFull
	case <-ctx.Done():
		return nil, errCallsFull
	}
}

// TakeRenewal takes a place for a renewal, among those that are due or among those that
// somebody has asked for ahead of time.
func (c *Client) TakeRenewal(ctx context.Context, due bool) (giveBack func(), err error) {
	if due {
		return c.renewals.take(ctx)
	}
	return c.earlyRenewals.take(ctx)
}

// TakeKeyFetch takes a place for reading the keys.
func (c *Client) TakeKeyFetch(ctx context.Context) (giveBack func(), err error) {
	return c.keyFetches.take(ctx)
}

// NewClient makes calls with the given HTTP client, or with its own. Once closing is
// closed, nobody waits for a place any more.
func NewClient(given *http.Client, closing <-chan struct{}) *Client {
	c := &Client{
		exchanges:     newLane(exchangesInFlight, exchangesWaiting, exchangePatience, closing),
		earlyRenewals: newLane(earlyInFlight, earlyWaiting, earlyPatience, closing),
		renewals:      newLane(renewalsInFlight, RenewalsWaiting, LongestWait, closing),
		keyFetches:    newLane(keyFetchesInFlight, keyFetchesInFlight, CallTimeout, closing),
		revocations:   newLane(revocationsInFlight, revocationsWaiting, BackgroundTimeout, closing),
	}
	if given == nil {
		c.owned = true
		given = &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout,
			IdleConnTimeout:     20 * time.Second, // before the far end closes it under a request
			MaxIdleConnsPerHost: 16,
			ForceAttemptHTTP2:   true, // net/http leaves it off where it is given a dialer
			// A connection may die silently: a NAT forgets it, or a host is gone. We
			// would not notice until TCP gives up, minutes later, and meanwhile every
			// call would use it. Both timeouts together are shorter than a call's,
			// so that a repeated call succeeds.
			HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		}}
	}
	client := *given // a copy: the app's own follows redirects as before
	// A redirect would carry the code, the verifier or the client secret to
	// another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.client = &client
	return c
}

// Do sends one request, once: neither a code nor a refresh token may be spent
// twice by a retry that nobody sees. Whoever calls it has a place in a lane, or bounds by
// other means how many calls are under way. An answer beyond longest bytes comes with
// its beginning and [ErrTooLong].
func (c *Client) Do(request *http.Request, longest int) (status int, header http.Header, body []byte, err error) {
	ctx, cancel := tasks.Awake(request.Context(), CallTimeout)
	defer cancel()
	response, err := c.client.Do(request.WithContext(ctx))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", ErrNoAnswer, callError(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, int64(longest)+1))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", ErrNoAnswer, callError(err))
	}
	if len(body) > longest {
		return response.StatusCode, response.Header, body[:longest], fmt.Errorf("%w: more than %d bytes", ErrTooLong, longest)
	}
	return response.StatusCode, response.Header, body, nil
}

// callError drops the request's URL, which net/http puts into its errors: the
// operator knows the address, and a query might hold a secret.
func callError(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}

// CloseIdle ends the connections that nothing uses any more.
func (c *Client) CloseIdle() {
	if c.owned {
		c.client.CloseIdleConnections()
	}
}
