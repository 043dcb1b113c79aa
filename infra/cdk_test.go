package infra_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// node runs a program of the CDK's folder and returns what it says. Without its
// packages the test is skipped, except in CI, where they must be there.
func node(t *testing.T, stdin []byte, name string, arguments ...string) []byte {
	t.Helper()
	if _, err := os.Stat("cdk/node_modules"); err != nil {
		const reason = "the CDK is not installed: run npm ci in infra/cdk"
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	command := exec.Command(name, arguments...)
	command.Dir, command.Stdin = "cdk", bytes.NewReader(stdin)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	if err := command.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, arguments, err, &out, &errOut)
	}
	return out.Bytes()
}

// fromCDK synthesizes the construct and works the template out that it makes.
func fromCDK(t *testing.T, in inputs) setup {
	t.Helper()
	return must(fromCloudFormation(synthesize(t, in), in))(t)
}

// synthesized are the templates that were made already, by their inputs: each
// takes Node seconds.
var synthesized = map[inputs][]byte{}

func synthesize(t *testing.T, in inputs) []byte {
	t.Helper()
	if template, ok := synthesized[in]; ok {
		return template
	}
	if len(synthesized) == 0 {
		node(t, nil, "node", "node_modules/typescript/bin/tsc")
	}
	dir := t.TempDir()
	t.Setenv("CDK_OUTDIR", dir)
	t.Setenv("CDK_CONTEXT_JSON", string(must(json.Marshal(map[string]string{
		"domainPrefix": in.domainPrefix, "baseUrl": in.baseURL, "clientType": in.clientType,
	}))(t)))
	node(t, nil, "node", "build/app.js")
	synthesized[in] = readFile(t, filepath.Join(dir, in.domainPrefix+".template.json"))
	return synthesized[in]
}

// TestCloudFormationKnowsEveryProperty lints the templates with AWS's own
// description of its resources.
func TestCloudFormationKnowsEveryProperty(t *testing.T) {
	written := must(parseStack(readFile(t, stackFile)))(t)
	for name, source := range map[string][]byte{
		"cloudformation": must(json.Marshal(written))(t),
		"cdk":            synthesize(t, kinds[0]),
	} {
		if out := node(t, source, "node", "lint.mjs"); len(out) > 0 {
			t.Errorf("%s:\n%s", name, out)
		}
	}
}
