// Command cognito helps developers who use Amazon Cognito, in any language.
//
//	go run github.com/bar-tech/cognito/cmd/cognito@latest pool
//
// starts a user pool on this machine, and
//
//	go run github.com/bar-tech/cognito/cmd/cognito@latest doctor
//
// checks an app's settings against a real user pool. README.md has the rest.
package main

import (
	"fmt"
	"io"
	"os"
)

// commands are what the program can do, by name. Each returns an exit status.
var commands = map[string]func(args []string, stdout, stderr io.Writer) int{
	"pool":   runPool,
	"doctor": runDoctor,
}

const usage = `Usage: cognito <command> [flags]

  pool    runs a Cognito user pool on this machine
  doctor  checks an app's settings against a live user pool

cognito <command> -h lists the flags.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run does what the arguments say.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, usage)
		return 2
	}
	if args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		_, _ = fmt.Fprint(stdout, usage)
		return 0
	}
	command, ok := commands[args[0]]
	if !ok {
		_, _ = fmt.Fprintf(stderr, "cognito: unknown command %q\n\n%s", args[0], usage)
		return 2
	}
	return command(args[1:], stdout, stderr)
}
