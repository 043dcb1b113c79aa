package main

import (
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

const (
	defaultPoolAddr = "127.0.0.1:9229"
	defaultPoolID   = "us-east-1_LocalPool"
)

// poolFlags are what the command line says.
type poolFlags struct {
	addr, url, file, caFile, state string
	token                          string // from POOL_TOKEN: a command line shows in lists of processes
	tls, open, control             bool
}

// runPool is `cognito pool`: it serves until the process is told to end.
func runPool(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return servePool(ctx, args, stdout, stderr)
}

// servePool is runPool until ctx ends.
func servePool(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, err := readPoolFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2 // package flag has said why
	}
	state := &stateFile{name: flags.state, stderr: stderr}
	pool, err := startPool(flags, state)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "cognito pool: %v\n", err)
		return 1
	}
	defer pool.Close()
	announce(pool, flags, stdout, stderr)
	<-ctx.Done()
	if err := state.save(); err != nil {
		_, _ = fmt.Fprintf(stderr, "cognito pool: the state was not saved: %v\n", err)
		return 1
	}
	_, _ = fmt.Fprintln(stdout, "The pool has stopped.")
	return 0
}

func readPoolFlags(args []string, stderr io.Writer) (poolFlags, error) {
	var f poolFlags
	set := flag.NewFlagSet("cognito pool", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.addr, "addr", defaultPoolAddr, "address to listen on; port 0 picks a free port")
	set.StringVar(&f.file, "config", "", "settings `file`, such as pool.example.json")
	set.StringVar(&f.url, "url", "", "the pool's URL for others, such as http://pool:9229; overrides url in the settings file")
	set.BoolVar(&f.tls, "tls", false, "serve https, with a certificate created at the start")
	set.StringVar(&f.caFile, "ca", "", "`file` to write the certificate to, for clients to trust; implies -tls")
	set.StringVar(&f.state, "state", "", "`file` that keeps users, keys and sign-ins across restarts")
	set.BoolVar(&f.open, "open", false, "allow an -addr that other machines can reach")
	set.BoolVar(&f.control, "control", false, "serve the control API and its page, to this machine only unless POOL_TOKEN is set")
	err := set.Parse(args)
	if err == nil && set.NArg() > 0 {
		err = fmt.Errorf("unexpected %q", set.Arg(0))
		_, _ = fmt.Fprintf(stderr, "cognito pool: %v\n", err)
	}
	f.token = os.Getenv("POOL_TOKEN")
	f.tls = f.tls || f.caFile != ""
	return f, err
}

// startPool reads the settings and serves.
func startPool(flags poolFlags, state *stateFile) (*userpool.Pool, error) {
	file, err := readSettings(flags)
	if err != nil {
		return nil, err
	}
	options := file.options()
	options.Addr, options.AnyAddr = flags.addr, flags.open
	var front poolFront
	options.Front = func(endpoints http.Handler) http.Handler { return state.saving(front.wrap(endpoints)) }
	pool, err := listenPool(options)
	if err != nil {
		return nil, err
	}
	// Before the state is read: what a reset goes back to is what the settings say.
	front.control = newControl(pool, flags)
	if err := state.load(pool, file); err != nil {
		pool.Close()
		return nil, err
	}
	if !flags.tls {
		pool.Start()
		return pool, nil
	}
	pool.StartTLS()
	if err := writeCertificate(flags.caFile, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// readSettings are what the command line and the settings file say together.
func readSettings(flags poolFlags) (poolFile, error) {
	var file poolFile
	if flags.file != "" {
		text, err := os.ReadFile(flags.file)
		if err != nil {
			return poolFile{}, err
		}
		if file, err = readPoolFile(text); err != nil {
			return poolFile{}, fmt.Errorf("%s:\n%w", flags.file, err)
		}
	}
	file.URL = orElse(flags.url, file.URL)
	if file.URL != "" && !isOrigin(file.URL) {
		return poolFile{}, fmt.Errorf("-url %q: want an origin such as http://localhost:9229", file.URL)
	}
	if flags.tls && strings.HasPrefix(file.URL, "http:") {
		return poolFile{}, fmt.Errorf("url %q: with -tls or -ca the pool answers https only; write https, or leave both out", file.URL)
	}
	return file, checkAddr(flags, file.URL)
}

// writeCertificate writes what clients are to trust, if it is wanted.
func writeCertificate(name string, pool *userpool.Pool) error {
	if name == "" {
		return nil
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pool.Certificate().Raw})
	return os.WriteFile(name, text, 0o644) //nolint:gosec // a certificate is public
}

// checkAddr keeps a pool with known passwords to this machine unless told otherwise.
func checkAddr(flags poolFlags, publicURL string) error {
	host, _, err := net.SplitHostPort(flags.addr)
	if err != nil {
		return fmt.Errorf("-addr %q: %w", flags.addr, err)
	}
	if !flags.open && !isLoopback(host) {
		return fmt.Errorf("-addr %q can be reached by others, who would find a pool with known passwords; "+
			"listen on 127.0.0.1, or set -open", flags.addr)
	}
	if ip := net.ParseIP(host); publicURL == "" && (host == "" || ip != nil && ip.IsUnspecified()) {
		return fmt.Errorf("-addr %q is not an address that a browser can open; set the pool's URL with -url", flags.addr)
	}
	return nil
}

// listenPool turns the panic of a test's pool, such as for an address in use, into an error.
func listenPool(options userpool.Options) (pool *userpool.Pool, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%v", cause)
		}
	}()
	return userpool.NewUnstarted(options), nil
}

// poolFront adds the program's own endpoints to the pool's.
type poolFront struct {
	control http.Handler // or nil
}

func (f *poolFront) wrap(endpoints http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", endpoints)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
	})
	if f.control != nil {
		mux.Handle("/_control/", f.control)
		mux.Handle("GET /{$}", f.control)
	}
	return mux
}

// announce prints the settings of an application of each client.
func announce(pool *userpool.Pool, flags poolFlags, stdout, stderr io.Writer) {
	if host, _, _ := net.SplitHostPort(flags.addr); !isLoopback(host) {
		_, _ = fmt.Fprintf(stderr, "WARNING: everybody who can reach %s can sign in with known passwords.\n", flags.addr)
	}
	_, _ = fmt.Fprintf(stdout, "The user pool is at %s\n", pool.URL())
	for _, client := range pool.Clients() {
		_, _ = fmt.Fprintf(stdout, "\nCOGNITO_USER_POOL_DOMAIN=%s\nCOGNITO_USER_POOL_ID=%s\nCOGNITO_ISSUER=%s\nCOGNITO_CLIENT_ID=%s\n",
			pool.URL(), pool.UserPoolID(), pool.Issuer(), client.ID)
		if client.Secret != "" {
			_, _ = fmt.Fprintf(stdout, "COGNITO_CLIENT_SECRET=%s\n", client.Secret)
		}
		for _, address := range client.CallbackURLs {
			_, _ = fmt.Fprintf(stdout, "# callback %s\n", address)
		}
	}
	announceUsers(pool, stdout)
	if flags.control {
		_, _ = fmt.Fprintf(stdout, "\nControl page: %s/   Control API: %s/_control/\n", pool.URL(), pool.URL())
	}
	_, _ = fmt.Fprintf(stdout, "\nHealth: %s/health   Keys: %s/.well-known/jwks.json\n", pool.URL(), pool.Home())
}

// announceUsers prints who can sign in, and where.
func announceUsers(pool *userpool.Pool, stdout io.Writer) {
	_, _ = fmt.Fprintln(stdout, "\nUsers (name / password):")
	for _, user := range pool.Users() {
		if user.Password != "" {
			_, _ = fmt.Fprintf(stdout, "  %s / %s\n", user.Username, user.Password)
		}
	}
	for _, provider := range pool.Providers() {
		_, _ = fmt.Fprintf(stdout, "Users at %s (ID / password):\n", provider.Name)
		for _, user := range provider.Users {
			_, _ = fmt.Fprintf(stdout, "  %s / %s\n", user.ID, user.Password)
		}
	}
}

// isLoopback reports whether a host is this machine alone, whatever a resolver says.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// orElse is value, or fallback when value is empty.
func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
