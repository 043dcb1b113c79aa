package cognito

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
	// callTimeout bounds one call to Cognito, from dialing to the last byte.
	callTimeout = 5 * time.Second
	dialTimeout = 2 * time.Second
	// longestAnswer bounds what is read of any answer, after decompression.
	longestAnswer = 1 << 20
	// callsInFlight bounds the calls to Cognito that wait at the same time.
	callsInFlight = 128
	// revocationsInFlight bounds those among them that only tidy up, and
	// revocationsKept how many more of that kind wait for their turn.
	revocationsInFlight = callsInFlight / 8
	revocationsKept     = 4096
	// closeTimeout bounds how long Close waits for what is in flight: a call,
	// its repetition after a lost answer, and saving what came of it.
	closeTimeout = 2*callTimeout + 5*time.Second
	// backgroundTimeout is the time of several calls.
	backgroundTimeout = 6 * callTimeout
	// tasksInFlight bounds everything that runs in the background: above what
	// each kind of it is bounded to.
	tasksInFlight = 1 << 16
)

var (
	errNoAnswer  = errors.New("no answer")
	errCallsFull = errors.New("too many calls to Cognito in flight")
)

// caller makes all calls to Cognito: with a deadline, without redirects,
// and with a bounded answer.
type caller struct {
	client *http.Client
	owned  bool // the transport is ours to close
	slots  chan struct{}
	// revoking has few places, for which toRevoke are waiting: revocations
	// that hang must leave the slots to logins and renewals.
	revoking chan struct{}
	toRevoke chan struct{}

	closing <-chan struct{} // no revocation begins to wait after that
}

func newCaller(given *http.Client, closing <-chan struct{}) *caller {
	c := &caller{
		slots: make(chan struct{}, callsInFlight), closing: closing,
		revoking: make(chan struct{}, revocationsInFlight), toRevoke: make(chan struct{}, revocationsKept),
	}
	if given == nil {
		c.owned = true
		given = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: callTimeout,
			IdleConnTimeout:       20 * time.Second, // before the far end closes it under a request
			MaxIdleConnsPerHost:   16,
			ForceAttemptHTTP2:     true,
		}}
	}
	client := *given
	// A redirect would carry the code, the verifier or the client secret to
	// another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.client = &client
	return c
}

// takeRevocation waits for a place among the revocations, but not beyond Close.
func (c *caller) takeRevocation(ctx context.Context) (giveBack func(), err error) {
	select {
	case c.toRevoke <- struct{}{}:
		defer func() { <-c.toRevoke }()
	default:
		return nil, errCallsFull
	}
	giveBack = func() { <-c.revoking }
	select {
	case c.revoking <- struct{}{}:
		return giveBack, nil // even while closing: it was about to begin
	default:
	}
	select {
	case c.revoking <- struct{}{}:
		return giveBack, nil
	case <-c.closing:
		return nil, tasks.ErrClosed
	case <-ctx.Done():
		return nil, errCallsFull
	}
}

// do sends one request, once: neither a code nor a refresh token may be spent
// twice by a retry that nobody sees.
func (c *caller) do(request *http.Request) (status int, header http.Header, body []byte, err error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return 0, nil, nil, errCallsFull
	}
	ctx, cancel := context.WithTimeout(request.Context(), callTimeout)
	defer cancel()
	response, err := c.client.Do(request.WithContext(ctx))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", errNoAnswer, callError(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, longestAnswer+1))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", errNoAnswer, callError(err))
	}
	if len(body) > longestAnswer {
		return 0, nil, nil, fmt.Errorf("answer is longer than %d bytes", longestAnswer)
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

// closeIdle ends the connections that nothing uses any more.
func (c *caller) closeIdle() {
	if c.owned {
		c.client.CloseIdleConnections()
	}
}

// unavailable wraps a cause that says nothing about the visitor.
func unavailable(cause error) *Error {
	return &Error{reason: ErrUnavailable, cause: cause, retryAfter: 5 * time.Second}
}
