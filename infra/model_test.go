package infra_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// properties are what a template says, flat and in CloudFormation's words:
// "Client.RefreshTokenRotation.Feature" is "ENABLED". Values are strings,
// float64, bool, or lists of them.
type properties map[string]any

// setup is a template, worked out for some inputs.
type setup struct {
	properties
	variables map[string]string // the outputs, by the variable of the example
	sensitive []string          // the outputs that Terraform keeps from the screen
	policies  map[string]any    // what CloudFormation does with a pool that leaves the stack
}

// inputs are what a template is asked for.
type inputs struct {
	domainPrefix, baseURL, clientType string
}

// What AWS would have made. The client's secret is that of the confidential one.
const (
	region     = "eu-west-2"
	userPoolID = "eu-west-2_AbCdEfGhI"
	clientID   = "7ks1311iid23h0cnvg2o3i4g7k"
	secret     = "ag1kc7rs6g0l1dlq2dqg3ltgoc3o4pp1d0s1"
)

var kinds = []inputs{
	{"my-app", "http://localhost:8021", "confidential"},
	{"my-app", "https://app.example.com/shop", "public"},
}

// template reads one of the templates. It fails the test if it does not parse.
type template struct {
	name string
	read func(*testing.T, inputs) setup
}

var templates = []template{
	{"cloudformation", func(t *testing.T, in inputs) setup { return must(fromCloudFormation(readFile(t, stackFile), in))(t) }},
	{"terraform", func(t *testing.T, in inputs) setup { return must(fromTerraform(terraformFiles(t), in))(t) }},
	{"cdk", fromCDK},
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// flatten writes a tree of properties into p. Lists of plain values stay lists,
// lists of objects are counted.
func (p properties) flatten(at string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			p.flatten(at+"."+name, inner)
		}
	case []any:
		if slices.ContainsFunc(v, isObject) {
			for i, inner := range v {
				p.flatten(fmt.Sprintf("%s.%d", at, i), inner)
			}
			return
		}
		p[at] = v
	case int:
		p[at] = float64(v)
	default:
		p[at] = v
	}
}

func isObject(value any) bool {
	_, ok := value.(map[string]any)
	return ok
}

// list is a property as a list of texts.
func (p properties) list(name string) []string {
	values, _ := p[name].([]any)
	texts := make([]string, 0, len(values))
	for _, v := range values {
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

// differences are the properties that two templates do not have in common.
func differences(a, b properties) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(union(a, b))) {
		if x, y := fmt.Sprintf("%#v", a[name]), fmt.Sprintf("%#v", b[name]); x != y {
			lines = append(lines, fmt.Sprintf("%s is %s and %s", name, x, y))
		}
	}
	return lines
}

func union(a, b properties) properties {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

func indented(lines []string) string { return "\n  " + strings.Join(lines, "\n  ") }
