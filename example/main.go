// The example is a complete app with a login: a home page that shows who you are,
// pages for signed-in users and for admins only, an API, and a page whose script
// keeps calling the API after its tokens have expired.
//
//	go run ./example
//
// starts it together with a local user pool, so that nothing needs to be set up. To
// use a real pool, set its values:
//
//	COGNITO_USER_POOL_DOMAIN=https://auth.example.com \
//	COGNITO_CLIENT_ID=1example23456789 \
//	COGNITO_USER_POOL_ID=eu-west-2_AbCdEfGhI \
//	go run ./example
//
// Its app client needs the callback URL http://localhost:8021/login/redirect
// and the sign-out URL http://localhost:8021/. The example also reads all other
// variables of cognito.FromEnv, such as COGNITO_CLIENT_SECRET and BASE_URL (the public
// address, without which only localhost can sign in), ADDR (the address to listen on,
// ":8021" by default), and REDIS_URL (keeps the sessions in Redis, so that they outlive
// the process and several processes can share them) with COGNITO_KEYS or SESSION_KEYS
// (the secrets that the processes share, from "openssl rand -base64 32").
//
// settings.go reads the environment, pages.go is the app itself, sessions.go is the
// page where users end their sessions, and app.js runs in the browser.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// shutdownTimeout is how long requests in progress may take to end.
const shutdownTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl+C does not wait
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// run serves the app until ctx ends.
func run(ctx context.Context, out io.Writer) (err error) {
	s, err := readSettings()
	if err != nil {
		return err
	}
	listener, err := listen(s.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	origin := s.origin(listener.Addr().(*net.TCPAddr).Port)

	var pool *cognitotest.Pool
	if s.local {
		pool = cognitotest.New(cognitotest.Options{Users: demoUsers, ShowUsers: true})
		defer pool.Close()
		s.config = usePool(s.config, pool.Config())
	}
	if s.redisURL != "" {
		storage, err := openRedis(s.redisURL)
		if err != nil {
			return err
		}
		defer storage.Close()
		s.config.Storage = storage
	}
	s.config.OnLogin = noteBrowser
	auth, err := cognito.NewAuth(s.config)
	if err != nil {
		return err
	}
	// Close waits for tokens that are just being renewed. It comes after the
	// last request and before the storage and the pool go.
	defer func() { err = errors.Join(err, auth.Close()) }()
	if s.local {
		pool.AllowOrigin(origin) // not earlier: it panics at a BASE_URL that NewAuth refuses
	}
	announce(out, origin, s)
	return serve(ctx, newApp(auth, s), listener)
}

// listen opens the socket.
func listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf(`cannot listen on ADDR %q: %w; use a free port, such as ":8021" or "127.0.0.1:8021"`, addr, err)
	}
	return listener, nil
}

// serve runs the app, and ends it gracefully when ctx ends.
func serve(ctx context.Context, app *fiber.App, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	if err := app.ShutdownWithTimeout(shutdownTimeout); err != nil {
		return fmt.Errorf("requests were still running after %s: %w", shutdownTimeout, err)
	}
	// Normally closed by now. It is not if ctx ended before the app listened.
	_ = listener.Close()
	return <-served
}

// demoUsers can sign in to the local pool. They are named here, and not left to
// the pool's defaults, because announce prints them.
var demoUsers = []cognitotest.User{{
	Username: "alice", Password: "wonderland", Name: "Alice Liddell",
	Email: "alice@example.com", EmailVerified: true, Groups: []string{"admin"},
}, {
	Username: "bob", Password: "builder", Name: "Bob Builder", Email: "bob@example.com",
}}

// usePool names the local pool in the config.
func usePool(config, pool cognito.Config) cognito.Config {
	config.UserPoolDomain, config.ClientID = pool.UserPoolDomain, pool.ClientID
	config.UserPoolID, config.Issuer = pool.UserPoolID, pool.Issuer
	config.Keys = []string{rand.Text() + rand.Text()} // the pool lasts no longer than this process
	return config
}

// announce says where to go and who can sign in.
func announce(out io.Writer, origin string, s settings) {
	fmt.Fprintf(out, "\n  Open   %s/\n  Pool   %s", origin, poolOrigin(s.config.UserPoolDomain))
	if s.local {
		fmt.Fprint(out, " (in this process)")
		for i, user := range demoUsers {
			label := "Users"
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(out, "\n  %-5s  %s / %s", label, user.Username, user.Password)
		}
	}
	fmt.Fprint(out, "\n\n  Ctrl+C stops it.\n\n")
}
