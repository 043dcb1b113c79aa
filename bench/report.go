package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// What is written about it all.

// findings is everything a run has found out.
type findings struct {
	machine machine
	rows    []*row
	skipped []string
	crowd   []gathering
	load    *underLoad
}

// markdown is the whole report.
func (f findings) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What a request costs\n\nWritten by `go run ./bench`; see main.go there for how to repeat it.\n\n")
	m := f.machine
	fmt.Fprintf(&b, "%s, %d cores, %s, %s, %s", m.processor, m.cores, m.kind, m.goVersion, m.date)
	if m.load != "" {
		fmt.Fprintf(&b, ", load average %s when it began", m.load)
	}
	fmt.Fprintf(&b, ".\n")
	if len(m.versions) > 0 {
		fmt.Fprintf(&b, "%s.\n", strings.Join(m.versions, ", "))
	}
	fmt.Fprintf(&b, "\nOnly ratios and allocations mean anything on another machine; times are there to give a scale.\n")
	b.WriteString(f.tables())
	for _, skipped := range f.skipped {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", skipped)
	}
	return b.String()
}

// tables are what has been found out so far.
func (f findings) tables() string {
	var b strings.Builder
	f.writeRequests(&b)
	f.writeRedis(&b)
	f.writeVerification(&b)
	f.writeJourney(&b)
	f.writeCrowd(&b)
	f.writeLoad(&b)
	return b.String()
}

func (f findings) in(s section) (rows []*row) {
	for _, r := range f.rows {
		if r.plan.section == s {
			rows = append(rows, r)
		}
	}
	return rows
}

func (f findings) row(id string) *row {
	for _, r := range f.rows {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (f findings) writeRequests(b *strings.Builder) {
	rows := f.in(requests)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, `
## One request

Served in process over a connection in memory, on one processor. The unit is a
bare Fiber handler that gets the very same bytes. Handlers answer with the user's
id unless the row says otherwise, and every answer is compared with the right one
while it is measured. Time is the processor's; the ratio is the median of the
rounds, the range holds half of them.

| | × bare | range | allocations | bytes | µs | bare µs | goal |
|---|--:|--:|--:|--:|--:|--:|---|
`)
	for _, r := range rows {
		low, high := r.spread()
		fmt.Fprintf(b, "| %s | %.2f | %.2f–%.2f | %s | %.0f | %.2f | %.2f | %s |\n", r.title, r.ratio(), low, high,
			count(r.allocs()), r.bytes(), r.each()/1e3, r.unitEach()/1e3, r.goal.verdict(r))
	}
	f.writeRestOfMany(b)
}

// writeRestOfMany says what the cost with many sessions is made of.
func (f findings) writeRestOfMany(b *strings.Builder) {
	one, many, get, getMany := f.row("session"), f.row("many"), f.row("memory-get"), f.row("memory-get-many")
	if one == nil || many == nil || get == nil || getMany == nil {
		return
	}
	fmt.Fprintf(b, `
With 10,000 sessions in turn, nothing of a session is in the caches next to the
processor. Of the %.2f×, bare Fiber and the storage driver's Get of such a record
are %.2f×; the rest, %.2f×, is ours. With one session that rest is %.2f×. The
difference is waiting for memory: a profile (-cpuprofile) shows it in looking up
and comparing keys.
`, many.ratio(), getMany.ratio(), many.ratio()-getMany.ratio(), one.ratio()-get.ratio())
}

// verdict says what the goal is, and whether it is reached.
func (g goal) verdict(r *row) string {
	var wanted []string
	reached := true
	if g.ratio > 0 {
		wanted = append(wanted, fmt.Sprintf("≤ %.2f×", g.ratio))
		reached = r.ratio() <= g.ratio
	}
	if g.allocs.set {
		wanted = append(wanted, fmt.Sprintf("≤ %.0f allocations", g.allocs.most))
		// The runtime allocates now and then on its own account.
		reached = reached && r.allocs() < g.allocs.most+0.5
	}
	return outcomeOf(strings.Join(wanted, ", "), reached)
}

func outcomeOf(wanted string, reached bool) string {
	switch {
	case wanted == "":
		return ""
	case reached:
		return wanted + ": reached"
	}
	return wanted + ": **missed**"
}

// count prints a number of allocations: whole, unless it is clearly not.
func count(n float64) string {
	if math.Abs(n-math.Round(n)) < 0.2 {
		return fmt.Sprintf("%.0f", math.Abs(math.Round(n)))
	}
	return fmt.Sprintf("%.1f", n)
}

func (f findings) writeRedis(b *strings.Builder) {
	rows := f.in(inRedis)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, `
## With sessions in Redis

A real server on loopback, and %d requests at a time, so that the app need not be
idle while Redis answers. The unit is an app that does no more than one Get with
the same driver; time is the clock's.

| | × driver alone | range | allocations | requests a second | µs of the app's processor, each |
|---|--:|--:|--:|--:|--:|
`, connsToRedis)
	for _, r := range rows {
		low, high := r.spread()
		cpu := r.median(func(x round) float64 { return float64(x.work.cpu) / float64(x.work.times) })
		fmt.Fprintf(b, "| %s | %.2f | %.2f–%.2f | %s | %s | %.1f |\n", r.title, r.ratio(), low, high,
			count(r.allocs()), thousands(int(1e9/r.each())), cpu/1e3)
	}
	ours, driver, theirs := f.row("redis"), f.row("redis-get"), f.row("redis-fiber")
	if ours == nil || driver == nil || theirs == nil {
		return
	}
	over := ours.allocs() - driver.allocs()
	faster := theirs.ratio() / ours.ratio()
	fmt.Fprintf(b, "\nOver the driver's own allocations: %s (%s). Requests per second beside Fiber's session with claims: %.2f× (%s).\n",
		count(over), outcomeOf("goal ≤ 6", over < 6.5), faster, outcomeOf("goal ≥ 2.2×", faster >= 2.2))
}

func (f findings) writeVerification(b *strings.Builder) {
	rows := f.in(verification)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, `
## Verifying an access token that was never seen

The unit is one RS256 check with nothing around it: SHA-256 of the signed text and
rsa.VerifyPKCS1v15. Each verifier refuses a forgery first.

| | × raw RS256 | range | allocations | µs | goal |
|---|--:|--:|--:|--:|---|
`)
	for _, r := range rows {
		low, high := r.spread()
		fmt.Fprintf(b, "| %s | %.2f | %.2f–%.2f | %s | %.1f | %s |\n", r.title, r.ratio(), low, high, count(r.allocs()), r.each()/1e3, r.goal.verdict(r))
	}
}

func (f findings) writeJourney(b *strings.Builder) {
	rows := f.in(journey)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, `
## Logging in

| | × | range | allocations | µs |
|---|--:|--:|--:|--:|
`)
	for _, r := range rows {
		low, high := r.spread()
		fmt.Fprintf(b, "| %s | %.2f | %.2f–%.2f | %s | %.0f |\n", r.title, r.ratio(), low, high, count(r.allocs()), r.each()/1e3)
	}
	fmt.Fprintf(b, "\nThe pool works in the same process, and its allocations are among the callback's.\n")
}

func (f findings) writeCrowd(b *strings.Builder) {
	if len(f.crowd) == 0 {
		return
	}
	fmt.Fprintf(b, `
## Many live sessions

Each of them began with a login of its own. Memory is what the heap gives back
when the storage (gofiber/storage/memory/v2), and with it the middleware, is let
go; the middleware keeps up to 16,384 sessions open. Requests are of any of the
sessions, in no order, so nothing but luck finds one open beyond that. As in all
rows, the process has the memory that it works with before it is measured.

| live sessions | records | storage, each | with the middleware, each | request, µs | × bare | beside the fewest |
|--:|--:|--:|--:|--:|--:|--:|
`)
	first := f.crowd[0]
	for _, g := range f.crowd {
		fmt.Fprintf(b, "| %s | %.1f KB | %.1f KB | %.1f KB | %.2f | %.2f | %.2f× |\n", thousands(g.sessions),
			float64(g.sealed)/1000, g.storage/1000, g.total/1000, g.lookup.each()/1e3, g.lookup.ratio(), g.lookup.ratio()/first.lookup.ratio())
	}
	last := f.crowd[len(f.crowd)-1]
	growth := last.lookup.ratio() / first.lookup.ratio()
	fmt.Fprintf(b, "\nStorage for a session: %s. Growth of a request's cost: %s.\n",
		outcomeOf("goal ≤ 4.8 KB", last.storage <= 4800), outcomeOf("goal ≤ 3×", growth <= 3))
	if last.sessions < 1_000_000 {
		fmt.Fprintf(b, "A million sessions are measured with -million: their logins take a while.\n")
	}
	fmt.Fprint(b, "\nWhat a session costs that is not open is taken apart in PROFILE.md.\n")
}

func (f findings) writeLoad(b *strings.Builder) {
	if f.load == nil {
		return
	}
	fmt.Fprintf(b, `
## Under load

Over sockets of loopback. The server is a process with one processor, the load
generator another. Where the two share a machine with few cores, the generator
may be what is slow: so the requests in a second of the server's own processor
are counted as well, and shares are of a bare app that gets the same bytes.

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
	x := f.load
	fmt.Fprintf(b, "\nA run fails where what follows is not as it should be, and where a signed-in user is not served.\n")
	fmt.Fprintf(b, `
- **The tokens expire under %s requests of one session at once**: %d call to the
  token endpoint, and all of them were served.
- **Cognito hangs** while %d requests come from signed-in users whose tokens are
  due: %d calls waited in the background, and no request. The p99 was %s before
  and %s then.
- **%s forged tokens, each with a key id of its own**, in %s: the key set was
  fetched %d times. The p99 of signed-in users was %s without them, %s with as
  many anonymous requests instead, %s with them.
- **%s requests for a login that nobody ends**: %s began, %s were told to come
  back later. The heap in use was %s before, %s after half of them and %s after
  all. Signed-in users were served all the same.
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

// thousands prints a number as people read it.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
