package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
)

// The apps under load live in a process of their own, this very program
// started again, so that the load generator shares neither their collector nor
// their processor. The two talk in lines of JSON.

// roleVariable, when set, makes this program the server.
const roleVariable = "COGNITO_BENCH_ROLE"

// target is one app that listens, with requests for it and the bodies that
// belong to them.
type target struct {
	Addr     string
	Requests [][]byte
	Bodies   []string
}

// command is what the load generator asks of the server.
type command struct {
	Do       string
	Sessions int // that the app which meets faults has, for "start"
}

// report is the answer to every command.
type report struct {
	Error   string
	Targets map[string]target
	Calls   map[string]int // of the pool's endpoints, by the app that meets faults
	Heap    int64
	CPU     time.Duration // that the server's process has used so far
}

// serve is the server's process. It ends when its input does.
func serve(in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(1)
	s := &server{lab: &lab{}}
	defer s.lab.close()
	answers := json.NewEncoder(out)
	for commands := json.NewDecoder(in); ; {
		var c command
		if err := commands.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var r report
		if err := s.obey(c, &r); err != nil {
			r.Error = err.Error()
		}
		r.CPU = cpuTime()
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
}

type server struct {
	lab  *lab
	pool *cognitotest.Pool // of the app that meets faults
}

func (s *server) obey(c command, r *report) (err error) {
	switch c.Do {
	case "start":
		r.Targets, err = s.start(c.Sessions)
		return err
	case "hang":
		s.pool.Break(cognitotest.Token, cognitotest.Fault{Hang: true})
		s.pool.Advance(50 * time.Minute) // every session wants new tokens now
	case "heal":
		s.pool.Heal()
	case "expire":
		// Slow enough for all who wait to have arrived.
		s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Delay: time.Second})
		s.pool.Advance(2 * time.Hour)
	case "cpu": // part of every report
	case "calls":
		r.Calls = map[string]int{
			"token": s.pool.Calls(cognitotest.Token), "jwks": s.pool.Calls(cognitotest.JWKS),
		}
	case "heap":
		r.Heap = heap()
	default:
		return fmt.Errorf("no such command: %q", c.Do)
	}
	return nil
}

// apps are what is compared, by the ids of their rows.
var apps = map[string]func(*lab) (*row, error){
	"session": signedIn, "bearer": bearerSeen, "fiber": fiberClaims, "contrib": contribJWT,
}

// start starts all apps.
func (s *server) start(sessions int) (map[string]target, error) {
	sent := always(get("/"), greeting)
	rows := map[string]*row{"bare": against(bareApp(), sent)}
	for id, build := range apps {
		r, err := build(s.lab)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		rows[id] = r
	}
	faulty, err := s.buildFaulty(sessions)
	if err != nil {
		return nil, err
	}
	rows["faulty"] = faulty
	targets := map[string]target{}
	for id, r := range rows {
		requests := 1
		if id == "faulty" {
			requests = sessions
		}
		if targets[id], err = listen(r, requests); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
	}
	return targets, nil
}

// buildFaulty is an app with the default storage and a pool of its own.
func (s *server) buildFaulty(sessions int) (*row, error) {
	s.pool = newPool(time.Hour)
	s.lab.atEnd(s.pool.Close)
	site, err := newSite(s.pool, bearerOn, func(c *cognito.Config) { c.Now = s.pool.Now })
	if err != nil {
		return nil, err
	}
	sent, err := site.sessionScript(sessions, "/")
	return against(site.app, sent), err
}

// listen puts an app on a socket, after it has shown that it answers rightly.
func listen(r *row, requests int) (t target, err error) {
	if err := r.work(requests); err != nil {
		return t, err
	}
	for turn := range requests {
		request := bytes.Clone(r.sent.request(turn))
		answer, err := ask(r.app, request)
		if err != nil {
			return t, err
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return t, err
		}
		t.Requests, t.Bodies = append(t.Requests, request), append(t.Bodies, string(body))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return t, err
	}
	go func() { _ = r.app.Server().Serve(listener) }() // ends with the process
	t.Addr = listener.Addr().String()
	return t, nil
}

// child is the server's process as the load generator sees it.
type child struct {
	process  *exec.Cmd
	commands *json.Encoder
	answers  *json.Decoder
	input    io.Closer
}

func startChild() (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	process := exec.Command(self)
	process.Env = append(os.Environ(), roleVariable+"=server")
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	return &child{process, json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out)), in}, nil
}

func (c *child) ask(what command) (r report, err error) {
	if err := c.commands.Encode(what); err != nil {
		return r, err
	}
	if err := c.answers.Decode(&r); err != nil {
		return r, fmt.Errorf("the server's process: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

func (c *child) stop() {
	_ = c.input.Close()
	_ = c.process.Wait()
}
