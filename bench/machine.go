package main

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// machine is where all this was measured, and with what.
type machine struct {
	processor, kind, goVersion, date, load string
	cores                                  int
	versions                               []string // of the peers
}

func describeMachine() machine {
	return machine{
		processor: fieldOf("/proc/cpuinfo", "model name"), cores: runtime.NumCPU(),
		kind: runtime.GOOS + "/" + runtime.GOARCH, goVersion: runtime.Version(),
		date: time.Now().UTC().Format(time.DateOnly), load: firstWord("/proc/loadavg"),
		versions: versionsOf("github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp", "github.com/shareed2k/goth_fiber",
			"github.com/gofiber/contrib/jwt", "github.com/golang-jwt/jwt/v5", "github.com/MicahParks/keyfunc/v3",
			"github.com/coreos/go-oidc/v3", "github.com/gofiber/storage/memory/v2", "github.com/gofiber/storage/redis/v3"),
	}
}

// fieldOf reads a line "name : value" of a file, or nothing where there is no
// such file.
func fieldOf(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstWord(path string) string {
	text, _ := os.ReadFile(path)
	word, _, _ := strings.Cut(string(text), " ")
	return word
}

func versionsOf(paths ...string) (found []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, module := range info.Deps {
		if slices.Contains(paths, module.Path) {
			found = append(found, strings.TrimPrefix(module.Path, "github.com/")+" "+module.Version)
		}
	}
	return found
}
