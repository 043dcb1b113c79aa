//go:build release

package release

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	version = "v0.1.0"
	root    = "github.com/bar-tech/cognito"
)

// TestOutsidePrograms is the last line of ROADMAP's "How it is released": a program
// for each Fiber gets the modules as others will get them, without a replace, and a
// visitor signs in; that for Fiber v3 does not get Fiber v2 with it; the pool is there
// as a program.
func TestOutsidePrograms(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	proxy := t.TempDir()
	publish(t, proxy, root, repository)
	publish(t, proxy, root+"/fiberv3", copied(t, filepath.Join(repository, "fiberv3")))
	environment := asking(t, proxy)

	for _, face := range []struct{ face, fiber, context, other string }{
		{root, "github.com/gofiber/fiber/v2 v2.52.15", "*fiber.Ctx", "gofiber/fiber/v3 "},
		{root + "/fiberv3", "github.com/gofiber/fiber/v3 v3.1.0", "fiber.Ctx", "gofiber/fiber/v2 "},
	} {
		fiber, _, _ := strings.Cut(face.fiber, " ")
		app := t.TempDir()
		write(t, app, "go.mod", fmt.Sprintf("module example.com/app\n\ngo 1.25.0\n\nrequire (\n\t%s %s\n\t%s\n)\n", face.face, version, face.fiber))
		write(t, app, "app.go", fill(appSource, face.face, fiber, face.context))
		write(t, app, "app_test.go", fill(testSource, face.face, fiber, face.context))
		run(t, app, environment, "test", ".")
		if sums := read(t, app, "go.sum"); strings.Contains(sums, face.other) {
			t.Errorf("%s brings %s along", face.face, face.other)
		}
		if face.face == root {
			run(t, app, environment, "build", "-o", filepath.Join(app, "cognito"), root+"/cmd/cognito")
		}
	}
}

const appSource = `package app

import (
	"CONTEXTFREE"
	"FIBER"
)

func newApp(config cognito.Config) *fiber.App {
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/me", cognito.RequireUser(), func(c CONTEXT) error { return c.SendString(cognito.UserFrom(c).Username()) })
	return app
}
`

const testSource = `package app

import (
	"io"
	"net/http/httptest"
	"testing"

	"CONTEXTFREE/cognitotest"
)

func TestSignIn(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()
	app := newApp(pool.Config())
	request := httptest.NewRequest("GET", "/me", nil)
	for _, cookie := range pool.SignIn(app, "alice") {
		request.AddCookie(cookie)
	}
	response, err := app.Test(request)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "alice" {
		t.Errorf("/me says %d %s, want alice", response.StatusCode, body)
	}
}
`

func fill(source, face, fiber, context string) string {
	return strings.NewReplacer("CONTEXTFREE", face, "CONTEXT", context, "FIBER", fiber).Replace(source)
}

// publish puts a module into the proxy, as "go get" asks for it.
func publish(t *testing.T, proxy, path, dir string) {
	t.Helper()
	at := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	write(t, at, "list", version+"\n")
	write(t, at, version+".info", `{"Version":"`+version+`"}`)
	write(t, at, version+".mod", read(t, dir, "go.mod"))
	file, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := zip.CreateFromDir(file, module.Version{Path: path, Version: version}, dir); err != nil {
		t.Fatal(err)
	}
}

// copied is fiberv3 as it is to be tagged: with the version of the root that is
// tagged beside it in the place of the directory.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	run(t, to, nil, "mod", "edit", "-dropreplace="+root, "-require="+root+"@"+version)
	return to
}

// run is the go command, without this repository's workspace.
func run(t *testing.T, dir string, environment []string, arguments ...string) {
	t.Helper()
	command := exec.Command("go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), append(environment, "GOWORK=off")...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

// asking is the environment of a go command that asks the proxy first. What was
// fetched for this repository is the next one that is asked; the copies of our
// modules stay out of that.
func asking(t *testing.T, proxy string) []string {
	t.Helper()
	known, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache, others, _ := strings.Cut(strings.TrimSpace(string(known)), "\n")
	return []string{
		"GOPROXY=file://" + filepath.ToSlash(proxy) + ",file://" + filepath.ToSlash(cache) + "/cache/download," + others,
		"GOMODCACHE=" + t.TempDir(),
		"GOFLAGS=-mod=mod -modcacherw -trimpath -buildvcs=false",
		"GOSUMDB=off", // it does not know of modules that nobody has published
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
