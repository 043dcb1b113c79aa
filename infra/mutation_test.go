package infra_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"gopkg.in/yaml.v3"
)

// asked are the inputs that are tried, and what they mean. The last are the
// defaults.
var asked = []struct{ given, meant inputs }{
	{kinds[0], kinds[0]},
	{kinds[1], kinds[1]},
	{inputs{domainPrefix: kinds[0].domainPrefix}, kinds[0]},
}

// refused are inputs that no template takes.
var refused = []inputs{
	{"my-aws-app", "https://app.example.com", "public"},
	{"my-app", "http://app.example.com", "public"},
	{"my-app", "https://app.example.com", "secret"},
}

// TestEverySettingCounts takes every setting of a template away, and gives it
// another value, one at a time: no such template passes. What the judge does not
// ask for, agreement with the other template does.
func TestEverySettingCounts(t *testing.T) {
	stackSource, files := readFile(t, stackFile), terraformFiles(t)
	passes := func(read func(inputs) (setup, error)) bool {
		for _, c := range asked {
			honest := must(fromCloudFormation(stackSource, c.meant))(t)
			s, err := read(c.given)
			if err != nil || len(judge(s, c.meant)) > 0 || len(differences(honest.properties, s.properties)) > 0 {
				return false
			}
		}
		return !slices.ContainsFunc(refused, func(in inputs) bool {
			_, err := read(in)
			return err == nil
		})
	}
	passesAsStack := func(source []byte) bool {
		return passes(func(in inputs) (setup, error) { return fromCloudFormation(source, in) })
	}
	passesAsModule := func() bool {
		return passes(func(in inputs) (setup, error) { return fromTerraform(files, in) })
	}
	seen := 0
	for change, mutant := range stackMutants(t, stackSource) {
		if seen++; passesAsStack(mutant) {
			t.Errorf("cloudformation: nobody notices %s", change)
		}
	}
	for name, source := range files {
		for change, mutant := range moduleMutants(t, name, source) {
			files[name] = mutant
			if seen++; passesAsModule() {
				t.Errorf("%s: nobody notices %s", name, change)
			}
		}
		files[name] = source
	}
	if seen < 200 {
		t.Errorf("only %d changes were tried", seen)
	}
	if !passesAsStack(stackSource) || !passesAsModule() {
		t.Error("the templates as they are do not pass")
	}
}

// words are entries for people, and types, which only the tools themselves read.
func words(path string) bool {
	return strings.HasPrefix(path, ".0.AWSTemplateFormatVersion") ||
		strings.HasPrefix(path, ".0.Parameters.") && strings.HasSuffix(path, ".Type") ||
		strings.HasSuffix(path, "Description") && !strings.HasPrefix(path, ".0.Outputs.") ||
		strings.HasSuffix(path, ".description") || strings.HasSuffix(path, ".error_message") ||
		strings.HasPrefix(path, ".variable.") && strings.HasSuffix(path, ".type")
}

// stackMutants are the template with one entry less, or another value.
func stackMutants(t *testing.T, source []byte) map[string][]byte {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		t.Fatal(err)
	}
	mutants := map[string][]byte{}
	write := func(change string) { mutants[change] = must(yaml.Marshal(&document))(t) }
	var walk func(path string, node *yaml.Node)
	walk = func(path string, node *yaml.Node) {
		step := 1
		if node.Kind == yaml.MappingNode {
			step = 2
		}
		for i := step - 1; i < len(node.Content); i += step {
			inner, at := node.Content[i], fmt.Sprintf("%s.%d", path, i)
			if step == 2 {
				at = path + "." + node.Content[i-1].Value
			}
			if node.Kind != yaml.DocumentNode && !words(at) {
				whole := node.Content
				node.Content = append(append([]*yaml.Node{}, whole[:i+1-step]...), whole[i+1:]...)
				write("without " + at)
				node.Content = whole
			}
			walk(at, inner)
		}
		if node.Kind == yaml.ScalarNode && !words(path) {
			was := *node
			node.SetString(was.Value + "x")
			write("another " + path)
			*node = was
		}
	}
	walk("", &document)
	return mutants
}

// moduleMutants are the file with one argument or block less, or another value.
func moduleMutants(t *testing.T, name string, source []byte) map[string][]byte {
	t.Helper()
	file, diagnostics := hclsyntax.ParseConfig(source, name, hcl.InitialPos)
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	mutants := map[string][]byte{}
	replace := func(change string, r hcl.Range, text string) {
		mutants[change] = bytes.Join([][]byte{source[:r.Start.Byte], source[r.End.Byte:]}, []byte(text))
	}
	var walk func(path string, body *hclsyntax.Body)
	walk = func(path string, body *hclsyntax.Body) {
		for _, a := range body.Attributes {
			if at := path + "." + a.Name; !words(at) {
				replace("without "+at, a.SrcRange, "")
				replace("another "+at, a.Expr.Range(), `"x"`)
			}
		}
		for _, b := range body.Blocks {
			at := path + "." + strings.Join(append([]string{b.Type}, b.Labels...), ".")
			if b.Type != "data" && b.Type != "terraform" {
				replace("without "+at, b.Range(), "")
				walk(at, b.Body)
			}
		}
	}
	walk("", file.Body.(*hclsyntax.Body))
	return mutants
}

// TestJudge makes the mistakes that look right. The judge notices each of them,
// even if all templates made it.
func TestJudge(t *testing.T) {
	honest := must(fromCloudFormation(readFile(t, stackFile), kinds[0]))(t)
	for _, mistake := range []struct {
		name  string
		value any
	}{
		{"Client.AllowedOAuthFlowsUserPoolClient", false},
		{"Client.AllowedOAuthFlows", []any{"code", "implicit"}},
		{"Client.AllowedOAuthScopes", []any{"openid"}},
		{"Client.AllowedOAuthScopes", []any{"openid", "email", "profile", "aws.cognito.signin.user.admin"}},
		{"Client.CallbackURLs", []any{"http://localhost:8021/callback"}},
		{"Client.CallbackURLs", []any{"http://localhost:8021/login/redirect/"}},
		{"Client.CallbackURLs", []any{"http://localhost:8021/login/redirect", "https://other.example.com/login/redirect"}},
		{"Client.LogoutURLs", []any{"http://localhost:8021"}},
		{"Client.SupportedIdentityProviders", []any{}},
		{"Client.ExplicitAuthFlows", nil},
		{"Client.ExplicitAuthFlows", []any{"ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}},
		{"Client.ExplicitAuthFlows", []any{"ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH"}},
		{"Client.RefreshTokenRotation.Feature", "DISABLED"},
		{"Client.RefreshTokenRotation.RetryGracePeriodSeconds", 0.0},
		{"Client.RefreshTokenRotation.RetryGracePeriodSeconds", 61.0},
		{"Client.EnableTokenRevocation", false},
		{"Client.PreventUserExistenceErrors", "LEGACY"},
		{"Client.GenerateSecret", false},
		{"Client.AccessTokenValidity", 30.0},
		{"Client.RefreshTokenValidity", 6.0},
		{"Client.TokenValidityUnits.AccessToken", "hours"},
		{"Client.TokenValidityUnits.RefreshToken", nil},
		{"Client.ReadAttributes", slices.DeleteFunc(slices.Clone(honest.properties["Client.ReadAttributes"].([]any)),
			func(name any) bool { return name == "email_verified" })},
		{"Client.WriteAttributes", nil},
		{"Client.WriteAttributes", []any{"email", "custom:plan"}},
		{"Domain.ManagedLoginVersion", 1.0},
		{"Branding.ClientId", "another"},
		{"Branding.Settings.x", "y"},
		{"UserPool.UserPoolTier", "LITE"},
		{"UserPool.UsernameConfiguration.CaseSensitive", true},
		{"UserPool.AdminCreateUserConfig.AllowAdminCreateUserOnly", false},
		{"UserPool.Policies.PasswordPolicy.MinimumLength", 8.0},
	} {
		wrong := honest
		wrong.properties = maps.Clone(honest.properties)
		wrong.properties[mistake.name] = mistake.value
		if len(judge(wrong, kinds[0])) == 0 {
			t.Errorf("nobody notices %s = %v", mistake.name, mistake.value)
		}
	}
	if problems := judge(honest, kinds[0]); len(problems) > 0 {
		t.Error(indented(problems))
	}
}
