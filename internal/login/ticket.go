package login

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/secret"
	"github.com/valyala/fasthttp"
)

const (
	// TicketLife is how long a browser knows that it began a login. It outlives
	// the attempt: a login that took too long starts again by itself.
	TicketLife = time.Hour
	// slots bounds the cookies of logins in progress: their names are fixed, so
	// no number of tabs grows the Cookie header.
	slots = 8
	// LongestTicket limits each of them, so that eight of the longest, the session
	// and a browser's other headers fit into Fiber's 4 KB for request headers.
	LongestTicket = 256
	// longestCarried is the limit with CookieSessions, where each ticket contains its
	// login, and so the only copy of the address to return to. Eight of these and a
	// session in two cookies fit into the 16 KB that such apps read.
	longestCarried = 768
	// ticketKey is how much of an attempt's name tells the tickets of one
	// browser apart. It protects nothing.
	ticketKey = 8
)

// Ticket is what the browser keeps of an attempt, in one of its slots. Whoever can
// write cookies can write all of it, so it is only a hint: what counts is in the attempt,
// which opens only with the right secret or state.
type Ticket struct {
	Name     string // of the cookie
	Began    int64  // Unix milliseconds
	Again    int    // how often the login has restarted by itself
	key      string // of the attempt that it is for, cut short
	returnTo string // where the visitor was going, if that is short
	secret   string // opens the attempt in the storage,
	sealed   string // or else is the attempt
}

// Format prints no secret.
func (Ticket) Format(f fmt.State, _ rune) { secret.Hide(f, "ticket") }

// value is the cookie's: mark.began.again.key.more.secret, where more is the address to
// return to or, if there is no secret, the sealed attempt. The mark names the app client:
// all of one host share the slots.
func (t Ticket) value(mark string) string {
	more := t.sealed
	if more == "" {
		more = base64.RawURLEncoding.EncodeToString([]byte(t.returnTo))
	}
	return strings.Join([]string{mark, strconv.FormatInt(t.Began, 36), strconv.Itoa(t.Again), t.key, more, t.secret}, ".")
}

// Value is what the browser keeps of a ticket.
func (a *Attempts) Value(t Ticket) string { return t.value(a.Mark) }

// parseTicket reads a cookie's value, or reports that it is none with this mark.
func parseTicket(name, mark, value string) (Ticket, bool) {
	parts := strings.Split(value, ".")
	if len(value) > longestCarried || len(parts) != 6 || parts[0] != mark || len(parts[3]) != ticketKey {
		return Ticket{}, false
	}
	began, err := strconv.ParseInt(parts[1], 36, 64)
	again, err2 := strconv.Atoi(parts[2])
	if err != nil || err2 != nil || began < 0 || again < 0 {
		return Ticket{}, false
	}
	t := Ticket{Name: name, Began: began, Again: again, key: parts[3], secret: parts[5]}
	if t.secret == "" {
		t.sealed = parts[4]
		return t, t.sealed != ""
	}
	returnTo, err := base64.RawURLEncoding.Strict().DecodeString(parts[4])
	t.returnTo = string(returnTo)
	return t, err == nil && len(t.secret) == 43 // as long as secret.Random's
}

// slotCookies are the slots in a request, by name. A slot that occurs twice is ignored,
// unless both have the same value: adaptors for net/http duplicate the header. One of two
// different ones was set by somebody who can write cookies for a parent domain (cookie
// tossing), and nothing tells which one.
func (a *Attempts) slotCookies(header *fasthttp.RequestHeader) map[string]string {
	var found map[string]string
	for name, value := range header.Cookies() {
		slot, ours := strings.CutPrefix(string(name), a.Slots)
		if !ours || len(slot) != 1 || slot[0] < '0' || slot[0] >= '0'+slots {
			continue
		}
		if found == nil {
			found = map[string]string{}
		}
		if before, twice := found[string(name)]; twice && before != string(value) {
			found[string(name)] = "" // and not deleted: a third one would count again
			continue
		}
		found[string(name)] = string(value)
	}
	return found
}

// Tickets are the tickets of logins that this browser began lately, oldest first. The order
// does not depend on that of the cookies, which is the browser's.
func (a *Attempts) Tickets(header *fasthttp.RequestHeader) []Ticket {
	oldest := a.Now().Add(-TicketLife).UnixMilli()
	var found []Ticket
	for name, value := range a.slotCookies(header) {
		if t, ok := parseTicket(name, a.Mark, value); ok && t.Began > oldest {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b Ticket) int {
		if a.Began != b.Began {
			return cmp.Compare(a.Began, b.Began)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return found
}

// TicketFor is the ticket of one state, if the browser has it.
func (a *Attempts) TicketFor(header *fasthttp.RequestHeader, state string) (Ticket, bool) {
	if state == "" {
		return Ticket{}, false
	}
	key := attemptKey(state)[:ticketKey]
	for _, t := range a.Tickets(header) {
		if t.key == key {
			return t, true
		}
	}
	return Ticket{}, false
}

// SlotFor is the name of the cookie for another login: a free slot, or else the oldest
// one. Among free slots it is chosen at random, because tabs that are restored together
// all send the same cookies, or none.
func (a *Attempts) SlotFor(header *fasthttp.RequestHeader) string {
	taken := a.slotCookies(header)
	var free []string
	oldest, since := a.Slots+"0", int64(0)
	for i := range slots {
		name := a.Slots + strconv.Itoa(i)
		value, sent := taken[name]
		// Tickets of other app clients count too: another login must not take the slot of
		// one that is in progress there.
		began, ours := beganOf(value)
		switch {
		case !sent || !ours:
			free = append(free, name)
		case since == 0 || began < since:
			oldest, since = name, began
		}
	}
	if len(free) > 0 {
		return free[rand.N(len(free))]
	}
	return oldest
}

// beganOf is when a slot was filled, by whichever app client.
func beganOf(value string) (began int64, ok bool) {
	parts := strings.SplitN(value, ".", 3)
	if len(parts) != 3 {
		return 0, false
	}
	began, err := strconv.ParseInt(parts[1], 36, 64)
	return began, err == nil && began > 0
}
