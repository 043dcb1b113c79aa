package main

import (
	"fmt"
	"strings"
	"time"
)

func (f findings) writeLoad(b *strings.Builder) {
	if f.load == nil {
		return
	}
	fmt.Fprintf(b, `
## Under load

Requests use loopback sockets. The server is a process with one processor, and the
load generator is another. If both share a machine with few cores, the generator may
be the bottleneck. So the requests per second of the server's processor time are
counted too. Percentages are of a bare app that gets the same bytes.

| | requests a second | of bare | requests per second of processor | of bare | p50 | p99 | p99 of bare |
|---|--:|--:|--:|--:|--:|--:|--:|
`)
	for _, t := range f.load.throughput {
		fmt.Fprintf(b, "| %s | %s | %.0f %% | %s | %.0f %% | %s | %s | %s |\n", titleOf(t.id), thousands(int(t.perSecond)), 100*t.ofBare,
			thousands(int(t.perCPU)), 100*t.cpuOfBare, milliseconds(t.p50), milliseconds(t.p99), milliseconds(t.bareP99))
	}
	for _, t := range f.load.throughput {
		if ours := t.id == "session" || t.id == "bearer"; ours {
			fmt.Fprintf(b, "\n%s: %s.\n", titleOf(t.id), outcomeOf("goal ≥ 85 % of bare", t.cpuOfBare >= 0.85))
		}
	}
	f.load.writeHazards(b)
}

// writeHazards says what visitors noticed while something went wrong.
func (x *underLoad) writeHazards(b *strings.Builder) {
	fmt.Fprintf(b, "\nA run fails if one of the following results is wrong, or if a signed-in user is not served.\n")
	fmt.Fprintf(b, `
- **The tokens expire under %s concurrent requests of one session**: %d call to the
  token endpoint, and all requests were served.
- **Cognito hangs** while %d requests come from signed-in users whose tokens are
  due: %d calls waited in the background, but no requests. The p99 was %s before
  and %s then.
- **%s forged tokens, each with its own key ID**, in %s: the key set was
  fetched %d times. The p99 of signed-in users was %s without them, %s with as
  many anonymous requests instead, %s with them.
- **%s requests for a login that nobody finishes**: %s began, %s were told to try
  again later. The heap in use was %s before, %s after half of them and %s after
  all. Signed-in users were served throughout.
`, thousands(x.expiry.requests), x.expiry.calls,
		x.hanging.requests, x.hanging.calls, milliseconds(x.hanging.calm), milliseconds(x.hanging.hung),
		thousands(x.forged.tokens), x.forged.took.Round(100*time.Millisecond), x.forged.fetches,
		milliseconds(x.forged.calm), milliseconds(x.forged.control), milliseconds(x.forged.hurt),
		thousands(x.flood.logins), thousands(x.flood.begun), thousands(x.flood.refused),
		megabytes(x.flood.before), megabytes(x.flood.halfway), megabytes(x.flood.after))
}

func titleOf(id string) string {
	for _, p := range plans {
		if p.id == id {
			return p.title
		}
	}
	return id
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
