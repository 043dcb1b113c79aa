package main

// plan is a row before it is built.
type plan struct {
	id, title string
	section   section
	build     func(*lab) (*row, error)
	goal      goal
	wall      bool // what counts is the time that passes, not the processor's
	crowded   bool // there are many sessions
	charted   string
}

// section is a table of the results.
type section int

const (
	requests section = iota
	inRedis
	verification
	journey
)

// goal is what a row has to reach. The zero value asks for nothing.
type goal struct {
	ratio  float64 // at most; 0: any
	allocs limit
}

// limit is a number of allocations that must not be exceeded. The zero value
// is none, so that one can ask for no allocation at all.
type limit struct {
	set  bool
	most float64
}

func atMost(n float64) limit { return limit{true, n} }

// plans are all rows, in the order of the results.
var plans = []plan{
	{id: "anonymous", title: "cognito: anonymous, passing through", build: anonymous, goal: goal{1.15, atMost(0)}},
	{id: "anonymous-cookies", title: "cognito: anonymous, with two cookies of other apps", build: anonymousWithCookies, goal: goal{1.15, atMost(0)}},
	{id: "session", title: "cognito: signed in", build: signedIn, goal: goal{2, atMost(2)}, charted: "cognito, session"},
	{id: "guarded", title: "cognito: signed in, behind RequireUser and RequireGroup", build: guarded},
	{id: "username", title: "cognito: signed in, among two other cookies, behind RequireUser, reading Username", build: readingUsername, goal: goal{1.8, atMost(1)}},
	{id: "claims", title: "cognito: signed in, answering with all of the user's claims", build: answeringClaims},
	{id: "cookie", title: "cognito: signed in with CookieSessions, a cookie seen before", build: signedInByCookie, goal: goal{1.6, atMost(0)}},
	{id: "many", title: "cognito: signed in, 10,000 sessions in turn", build: manySignedIn, crowded: true, goal: goal{ratio: 2.5}},
	{id: "refreshing", title: "cognito: signed in, while its tokens are being refreshed", build: signedInWhileRefreshing},
	{id: "v3-anonymous", title: "cognito on Fiber v3: anonymous, passing through", build: anonymousV3, goal: goal{1.15, atMost(0)}},
	{id: "v3-session", title: "cognito on Fiber v3: signed in", build: signedInV3, goal: goal{2, atMost(2)}},
	{id: "v3-username", title: "cognito on Fiber v3: signed in, among two other cookies, behind RequireUser, reading Username", build: readingUsernameV3, goal: goal{1.8, atMost(1)}},
	{id: "v3-bearer", title: "cognito on Fiber v3: bearer token seen before", build: bearerSeenV3, goal: goal{1.5, atMost(0)}},
	{id: "memory-get", title: "the memory storage alone: one Get of such a session's record", build: memoryGet},
	{id: "memory-get-many", title: "the memory storage alone: one Get of 10,000 such records in turn", build: memoryGetMany, crowded: true},
	{id: "bearer", title: "cognito: bearer token seen before", build: bearerSeen, goal: goal{1.5, atMost(0)}, charted: "cognito, bearer token"},
	{id: "bearer-unseen", title: "cognito: bearer token never seen", build: bearerUnseen},
	{id: "fiber", title: "Fiber's session middleware, holding claims", build: fiberClaims, charted: "Fiber session with claims"},
	{id: "fiber-tokens", title: "Fiber's session middleware, holding claims and tokens", build: fiberTokens, charted: "Fiber session with claims and tokens"},
	{id: "fiber-many", title: "Fiber's session middleware, 10,000 sessions in turn", build: fiberMany, crowded: true},
	{id: "goth", title: "goth_fiber", build: gothFiber, charted: "goth_fiber"},
	{id: "contrib", title: "gofiber/contrib/jwt", build: contribJWT, charted: "gofiber/contrib/jwt"},

	{id: "redis", title: "cognito: signed in", section: inRedis, wall: true, build: redisSignedIn},
	{id: "redis-get", title: "the driver alone: one Get", section: inRedis, wall: true, build: redisGet},
	{id: "redis-fiber", title: "Fiber's session middleware, holding claims", section: inRedis, wall: true, build: redisFiberClaims},
	{id: "redis-fiber-tokens", title: "Fiber's session middleware, holding claims and tokens", section: inRedis, wall: true, build: redisFiberTokens},

	{id: "verify", title: "cognito: VerifyAccessToken", section: verification, build: verifying(verifyOurs), goal: goal{ratio: 1.45}},
	{id: "verify-golang-jwt", title: "golang-jwt with keyfunc", section: verification, build: verifying(verifyGolangJWT)},
	{id: "verify-go-oidc", title: "go-oidc", section: verification, build: verifying(verifyGoOIDC)},

	{id: "login", title: "GET /login, beside a bare request", section: journey, build: login},
	{id: "callback", title: "the callback, beside a bare call to the token endpoint", section: journey, wall: true, build: callback},
}
