// Live is an app with connections that stay open: a WebSocket with contrib/websocket,
// and server-sent events. Each ends when its user's session ends, in this browser, in
// another tab or at another instance; and each calls other services with an access
// token that never is an old one.
//
//	go run ./examples/live
//
// starts it at http://localhost:8024 with a user pool of its own. Sign in as alice /
// wonderland, and sign out in another tab.
package main

import (
	"log"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

func main() {
	pool := cognitotest.New(cognitotest.Options{ShowUsers: true})
	defer pool.Close()
	pool.AllowOrigin("http://localhost:8024")
	app, err := newApp(pool.Config(), 2*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("open http://localhost:8024 and sign in as alice, password wonderland")
	log.Fatal(app.Listen("localhost:8024"))
}

// newApp is the app. It looks after the sessions behind its connections every so
// often.
func newApp(config cognito.Config, every time.Duration) (*fiber.App, error) {
	auth, err := cognito.NewAuth(config)
	if err != nil {
		return nil, err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(auth.Handler())
	app.Get("/", func(c *fiber.Ctx) error {
		if auth.UserFrom(c) == nil {
			return c.Type("html").SendString(`<!doctype html><title>Live</title><a href="/login">Sign in</a>`)
		}
		return c.Type("html").SendString(page)
	})
	app.Get("/ws", auth.RequireUser(), upgrade(auth, every))
	app.Get("/events", auth.RequireUser(), events(auth, every))
	return app, nil
}

const page = `<!doctype html><title>Live</title>
<form method="post" action="/logout"><button>Sign out</button></form><pre id="said"></pre>
<script>
const say = line => { said.textContent += line + "\n" }
const socket = new WebSocket("ws://" + location.host + "/ws")
socket.onmessage = message => say("socket: " + message.data)
socket.onclose = end => say("socket closed: " + end.code + " " + end.reason)
setInterval(() => socket.readyState === 1 && socket.send("who"), 5000)
const events = new EventSource("/events")
events.addEventListener("user", event => say("event: " + event.data))
events.addEventListener("end", () => { events.close(); say("events ended") }) // or it comes back for ever
</script>`
