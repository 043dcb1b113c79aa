package docs_test

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/freeport"
)

// stoppable is a program around the manual's snippet. Its last line shows that the
// middleware is told of the end.
const stoppable = `package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
)

func main() {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/", func(c *fiber.Ctx) error { return nil })
	app.Get("/slow", func(c *fiber.Ctx) error {
		fmt.Println("asked")
		time.Sleep(time.Second)
		return c.SendString("finished")
	})
	app.Hooks().OnShutdown(func() error { fmt.Println("told"); return nil })
SNIPPET
}
`

// TestStopping runs the manual's program: the signal ends no request in progress, and no
// process before its middleware was told. app.Listen returns before either.
func TestStopping(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has no SIGTERM")
	}
	block := regexp.MustCompile("(?s)## Stopping\n\n```go\n(.*?)```").FindStringSubmatch(readFile(t, "examples.md"))
	if block == nil {
		t.Fatal("there is no snippet about stopping in examples.md")
	}
	address := "127.0.0.1:" + freeport.Next()
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "main.go"), strings.Replace(stoppable, "SNIPPET", strings.Replace(block[1], ":8021", address, 1), 1))
	program := filepath.Join(dir, "program")
	if out, err := exec.Command("go", "build", "-o", program, filepath.Join(dir, "main.go")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := exec.Command(program)
	said, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	get := func(path string) string {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		return response.Status + string(text)
	}
	for deadline := time.Now().Add(time.Minute); get("/") != "200 OK"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program does not serve")
		}
	}
	answer := make(chan string, 1)
	go func() { answer <- get("/slow") }()
	first := make([]byte, len("asked\n"))
	if _, err := io.ReadFull(said, first); err != nil {
		t.Fatal(err)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(said)
	if err := command.Wait(); err != nil || string(rest) != "told\n" {
		t.Errorf("the program ends with %v and says %q, want it to tell its middleware", err, rest)
	}
	if got := <-answer; got != "200 OKfinished" {
		t.Errorf("the request in progress got %s", got)
	}
}
