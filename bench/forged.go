package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// forged is a flood of tokens that name unknown keys.
type forged struct {
	tokens              int
	took                time.Duration
	fetches             int           // of the key set, during the flood
	calm, control, hurt time.Duration // the 99th percentile of signed-in users
}

func (t tester) forged() (found forged, err error) {
	calm, err := t.steady(2 * t.size.window)
	if err != nil {
		return found, err
	}
	found.tokens, found.calm = t.size.tokens, calm.percentile(99)
	anonymous := make([][]byte, t.size.tokens)
	forgeries := make([][]byte, t.size.tokens)
	for i := range forgeries {
		anonymous[i], forgeries[i] = get("/"), asBearer(forgery(i))
	}
	// As many requests that nobody has to look at, to tell what the machine
	// is to blame for.
	if found.control, _, err = t.flooded(anonymous); err != nil {
		return found, err
	}
	before, err := t.server.ask(command{Do: "calls"})
	if err != nil {
		return found, err
	}
	if found.hurt, found.took, err = t.flooded(forgeries); err != nil {
		return found, err
	}
	after, err := t.server.ask(command{Do: "calls"})
	if err != nil {
		return found, err
	}
	found.fetches = after.Calls["jwks"] - before.Calls["jwks"]
	// Two at once, and then one in ten seconds, is what unknown keys may force.
	if most := 2 + int(found.took/(10*time.Second)); found.fetches > most {
		return found, fmt.Errorf("the key set was fetched %d times in %s, want %d at most", found.fetches, found.took, most)
	}
	return found, nil
}

// flooded is what signed-in users notice of requests that must all be refused.
func (t tester) flooded(requests [][]byte) (p99, took time.Duration, err error) {
	type result struct {
		outcome
		error
	}
	done := make(chan result, 1)
	go func() {
		o, err := load{
			addr: t.targets["faulty"].Addr, requests: requests, total: len(requests), conns: 8, pace: 2 * time.Millisecond,
			accept: func(_, status int, _ []byte) bool { return status == http.StatusUnauthorized },
		}.run()
		done <- result{o, err}
	}()
	var latencies []time.Duration
	for {
		users, err := t.steady(t.size.window / 4)
		if err != nil {
			return 0, 0, err
		}
		latencies = append(latencies, users.latencies...)
		select {
		case r := <-done:
			slices.Sort(latencies)
			return outcome{latencies: latencies}.percentile(99), r.took, r.error
		default:
		}
	}
}

// forgery is a token that looks like the pool's and names a key of its own.
func forgery(i int) string {
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return encode(fmt.Sprintf(`{"alg":"RS256","kid":"forged-%d"}`, i)) + "." +
		encode(fmt.Sprintf(`{"sub":"mallory","token_use":"access","exp":%d}`, time.Now().Add(time.Hour).Unix())) + "." +
		encode(string(make([]byte, 256)))
}
