package verify

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/bar-tech/cognito/internal/pool"
)

// keysHeadStart is how long to wait for one address of the keys before the next one is
// tried as well. Nobody waits for keys longer than one call may take.
const keysHeadStart = time.Second

// errNoPool means that there are no keys at an address, and there never will be.
var errNoPool = errors.New("no such user pool")

// keyAnswer is what came from one address.
type keyAnswer struct {
	from int                   // index of the address
	keys map[string]jwkset.JWK // nil after an error
	err  error
}

// read takes the keys from whichever address responds first: if a Region is down, or one
// form of the issuer cannot be reached, another address has them.
func (s *Keys) read(ctx context.Context) (map[string]jwkset.JWK, error) {
	giveBack, err := s.caller.TakeKeyFetch(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // those that are slower
	order := s.order()
	answers := make(chan keyAnswer, len(order)) // so that those that come too late hold no goroutine
	var failed error
	// Each round asks one more address, after a head start or a failure of those before.
	// When as many are over as there are, all have failed.
	for asked, over := 0, 0; over < len(order); {
		var headStart <-chan time.Time // nil waits for ever: nobody is left to ask
		if asked < len(order) {
			s.ask(ctx, order[asked], answers)
			asked++
		}
		if asked < len(order) {
			headStart = time.After(keysHeadStart)
		}
		select {
		case answer := <-answers:
			if answer.err == nil {
				s.answered.Store(int64(answer.from))
				return answer.keys, nil
			}
			over++
			failed = worse(failed, answer)
		case <-headStart:
		}
	}
	return nil, failed
}

// worse is the failure to report, out of two. The response of the pool's own address
// matters most: it is normal that another Region does not have the pool.
func worse(failed error, next keyAnswer) error {
	if failed == nil || next.from == 0 {
		return next.err
	}
	return failed
}

// order is that in which addresses are asked: the last one that answered, and then the
// rest as they were given.
func (s *Keys) order() []int {
	first := int(s.answered.Load())
	order := []int{first}
	for i := range s.addresses {
		if i != first {
			order = append(order, i)
		}
	}
	return order
}

// ask asks at one address in the background, and answers in any case.
func (s *Keys) ask(ctx context.Context, from int, answers chan<- keyAnswer) {
	answer := keyAnswer{from: from, err: errKeysPanicked}
	started := s.tasks.Go("reading a key set", func(<-chan struct{}) {
		defer func() { answers <- answer }()
		answer.keys, answer.err = s.readFrom(ctx, s.addresses[from])
	})
	if started != nil {
		answers <- keyAnswer{from: from, err: started}
	}
}

// readFrom reads the keys at one address. Only a status that Cognito has for a pool that
// does not exist is errNoPool; everything else may pass.
func (s *Keys) readFrom(ctx context.Context, address string) (map[string]jwkset.JWK, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	status, _, body, err := s.caller.Do(request, pool.LongestAnswer)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound || status == http.StatusBadRequest:
		return nil, fmt.Errorf("key set: HTTP status %d: %w", status, errNoPool)
	case status != http.StatusOK:
		return nil, fmt.Errorf("key set: HTTP status %d", status)
	}
	return usableKeys(body)
}

// usableKeys picks the RSA signing keys out of a JWK Set (RFC 7517 section 5
// says to ignore what one does not understand). A set without one is broken,
// and must not replace good keys. Of two keys with one kid the first counts, so that a
// second one cannot push it aside.
func usableKeys(document []byte) (map[string]jwkset.JWK, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("key set: not a JSON object with keys")
	}
	keys := map[string]jwkset.JWK{}
	for _, raw := range set.Keys {
		key, ok := usableKey(raw)
		if !ok {
			continue
		}
		if _, twice := keys[key.Marshal().KID]; !twice {
			keys[key.Marshal().KID] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("key set: contains no usable key")
	}
	return keys, nil
}

// usableKey accepts a key for RS256 signatures of at least 2048 bits (RFC 7518
// section 3.3). Beyond 8192 bits, verifying would be a burden and not a safety.
func usableKey(raw []byte) (jwkset.JWK, bool) {
	var marshal jwkset.JWKMarshal
	if json.Unmarshal(raw, &marshal) != nil {
		return jwkset.JWK{}, false
	}
	signs := marshal.USE == "" || marshal.USE == jwkset.UseSig
	rs256 := marshal.ALG == "" || marshal.ALG == jwkset.AlgRS256
	// Whoever publishes the private part lets everybody sign (RFC 7517
	// section 9.2).
	private := marshal.D + marshal.P + marshal.Q + marshal.DP + marshal.DQ + marshal.QI + marshal.K
	if marshal.KTY != jwkset.KtyRSA || !signs || !rs256 || marshal.KID == "" || private != "" || len(marshal.OTH) > 0 {
		return jwkset.JWK{}, false
	}
	// Rebuilt from the few members that were judged: certificates and whatever else the set
	// says of the key are dropped. Use and algorithm are ours to say, even if it does not.
	public := jwkset.JWKMarshal{KTY: marshal.KTY, KID: marshal.KID, ALG: jwkset.AlgRS256, USE: jwkset.UseSig, N: marshal.N, E: marshal.E}
	key, err := jwkset.NewJWKFromMarshal(public, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwkset.JWK{}, false
	}
	rsaKey, ok := key.Key().(*rsa.PublicKey)
	if !ok || rsaKey.N.BitLen() < 2048 || rsaKey.N.BitLen() > 8192 || rsaKey.E < 3 || rsaKey.E%2 == 0 {
		return jwkset.JWK{}, false
	}
	return key, true
}
