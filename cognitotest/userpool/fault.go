package userpool

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// How to make endpoints fail. For wrong tokens, see tamper.go.

// Fault describes how an endpoint fails. It acts in the order of its fields: it
// waits, then hangs or sends another response, or lets the endpoint do its work
// and then loses or changes the response. The zero Fault changes nothing.
//
// Requests with a fault are counted and recorded like all others.
type Fault struct {
	// Times is how many requests it affects.
	//
	// Optional. Default: 0, for all until [Pool.Heal].
	Times int

	// Match selects the requests. It may be called concurrently, and may use the
	// pool.
	//
	// Optional. Default: nil, for every request.
	Match func(Request) bool

	// Delay is how long to wait first, in real time.
	//
	// Optional. Default: 0.
	Delay time.Duration

	// Gate holds requests until it is closed, so that a test can hold requests at a
	// point that it chooses, without guessing durations.
	//
	// Optional. Default: nil, for no wait.
	Gate <-chan struct{}

	// Hang sends no response, until the client disconnects or the pool closes.
	//
	// Optional. Default: false.
	Hang bool

	// Status is sent instead of doing the work, and so are Body and BodySize.
	//
	// Optional. Default: 0, which is 200 with Body or BodySize and otherwise
	// lets the endpoint do its work.
	Status int

	// ContentType is the content type of the replacement response.
	//
	// Optional. Default: "application/json".
	ContentType string

	// Body is the body of the replacement response.
	//
	// Optional. Default: "".
	Body string

	// Header is added to the replacement response.
	//
	// Optional. Default: nil.
	Header http.Header

	// BodySize streams a JSON object of this many bytes as the replacement response,
	// instead of Body.
	//
	// Optional. Default: 0, for no such object.
	BodySize int64

	// LoseAnswer does the work and then cuts the connection, so that a code has been
	// redeemed or a refresh token rotated without the application knowing.
	//
	// Optional. Default: false.
	LoseAnswer bool

	// Rewrite changes a JSON response after the work, including errors. Other
	// responses are not changed. Numbers are float64, as in encoding/json.
	//
	// Optional. Default: nil.
	Rewrite func(answer map[string]any)
}

// faults are the faults of all endpoints, the oldest first.
type faults struct {
	mu     sync.Mutex // guards active and the left of its members
	active map[Endpoint][]*activeFault
}

type activeFault struct {
	Fault
	left int // requests still to spoil; meaningless when Times is 0
}

// Break makes an endpoint fail. If there are several faults, the oldest one that
// matches and is not used up affects a request, so faults can be queued:
//
//	// Two failures, then a lost response, then everything works again.
//	pool.Break(userpool.Token, userpool.Fault{Times: 2, Status: 503})
//	pool.Break(userpool.Token, userpool.Fault{Times: 1, LoseAnswer: true})
//
//	// A firewall in front of the pool, for the refresh token grant only.
//	pool.Break(userpool.Token, userpool.Fault{
//		Match: func(r userpool.Request) bool {
//			return r.Form.Get("grant_type") == "refresh_token"
//		},
//		Status: 403, ContentType: "text/html", Body: "<h1>Forbidden</h1>",
//	})
func (p *Pool) Break(endpoint Endpoint, fault Fault) {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	if p.faults.active == nil {
		p.faults.active = map[Endpoint][]*activeFault{}
	}
	p.faults.active[endpoint] = append(p.faults.active[endpoint], &activeFault{fault, fault.Times})
}

// Heal removes the faults of the given endpoints. If none is given, it removes those of
// all endpoints, and what [Pool.FailNextLogin] and [Pool.FailProvider] have left for the
// next login. Requests that a fault already affects are not released.
func (p *Pool) Heal(endpoints ...Endpoint) {
	if len(endpoints) == 0 {
		p.mu.Lock()
		p.failNext = nil
		clear(p.federation.failing)
		p.mu.Unlock()
	}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	if len(endpoints) == 0 {
		clear(p.faults.active)
	}
	for _, endpoint := range endpoints {
		delete(p.faults.active, endpoint)
	}
}

// take returns the fault for a request, or nil. Match runs without the lock,
// for it belongs to the test and may well call the pool.
func (f *faults) take(endpoint Endpoint, request Request) *Fault {
	f.mu.Lock()
	candidates := slices.Clone(f.active[endpoint])
	f.mu.Unlock()
	for _, candidate := range candidates {
		if (candidate.Match == nil || candidate.Match(request)) && f.claim(endpoint, candidate) {
			return &candidate.Fault
		}
	}
	return nil
}

// claim uses a fault up by one and reports whether there was one left. A fault
// that is used up goes, so that its Match is not asked about later requests.
func (f *faults) claim(endpoint Endpoint, fault *activeFault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Two requests may both have matched the last use; the lock decides.
	if fault.Times == 0 {
		return true
	}
	fault.left--
	if fault.left <= 0 {
		f.active[endpoint] = slices.DeleteFunc(slices.Clone(f.active[endpoint]),
			func(other *activeFault) bool { return other == fault })
	}
	return fault.left >= 0
}

// spoil answers a request as the fault says.
func (f *Fault) spoil(w http.ResponseWriter, r *http.Request, work http.HandlerFunc) {
	f.wait(r)
	if f.Status != 0 || f.Body != "" || f.BodySize > 0 {
		f.answerInstead(w)
		return
	}
	// Headers need no holding back: they are only sent with the status.
	held := &heldAnswer{header: w.Header(), status: http.StatusOK}
	work(held, r)
	if f.LoseAnswer {
		abort()
	}
	if f.Rewrite != nil {
		held.rewrite(f.Rewrite)
	}
	w.WriteHeader(held.status)
	_, _ = w.Write(held.body.Bytes()) // the client may have left
}

// wait blocks as long as the fault wants, but never longer than the client and
// the pool are there.
func (f *Fault) wait(r *http.Request) {
	left := r.Context().Done()
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-left:
			abort()
		}
	}
	if f.Gate != nil {
		select {
		case <-f.Gate:
		case <-left:
			abort()
		}
	}
	if f.Hang {
		<-left
		abort()
	}
}

// answerInstead sends the canned answer.
func (f *Fault) answerInstead(w http.ResponseWriter) {
	w.Header().Set("Content-Type", cmp.Or(f.ContentType, "application/json"))
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(cmp.Or(f.Status, http.StatusOK))
	if f.BodySize <= 0 {
		_, _ = io.WriteString(w, f.Body) // the client may have left
		return
	}
	// In pieces and without a length, as from a server gone mad. It ends early
	// when the client hangs up, which is what a careful client does.
	const head, tail = `{"filler":"`, `"}`
	filler := strings.Repeat("x", 32<<10)
	_, err := io.WriteString(w, head)
	for left := f.BodySize - int64(len(head)+len(tail)); err == nil && left > 0; {
		n := min(left, int64(len(filler)))
		_, err = io.WriteString(w, filler[:n])
		left -= n
	}
	_, _ = io.WriteString(w, tail)
}

// abort cuts the connection: net/http closes it without an answer, and without
// logging, for this one panic value.
func abort() { panic(http.ErrAbortHandler) }

// heldAnswer is an answer that has been worked out but not sent.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) Header() http.Header         { return h.header }
func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

// rewrite lets change edit the answer if it is a JSON object.
func (h *heldAnswer) rewrite(change func(map[string]any)) {
	var members map[string]any
	if json.Unmarshal(h.body.Bytes(), &members) != nil || members == nil {
		return
	}
	change(members)
	h.body.Reset()
	_ = json.NewEncoder(&h.body).Encode(members) // a buffer takes everything
}
