// Package infra_test asks the templates of this folder what they would make. It
// asks nothing of AWS.
package infra_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// TestTemplates holds every template to what the library needs, for both kinds of
// client.
func TestTemplates(t *testing.T) {
	for _, template := range templates {
		for _, in := range kinds {
			t.Run(template.name+"/"+in.clientType, func(t *testing.T) {
				if problems := judge(template.read(t, in), in); len(problems) > 0 {
					t.Error(indented(problems))
				}
			})
		}
	}
}

// TestTemplatesAgree: whichever template makes a pool, it is the same pool.
func TestTemplatesAgree(t *testing.T) {
	for _, template := range templates[1:] {
		for _, in := range kinds {
			t.Run(template.name+"/"+in.clientType, func(t *testing.T) {
				first, second := templates[0].read(t, in), template.read(t, in)
				if lines := differences(first.properties, second.properties); len(lines) > 0 {
					t.Errorf("%s and %s differ:%s", templates[0].name, template.name, indented(lines))
				}
			})
		}
	}
}

// TestBaseURLs: a template takes no address that the library would refuse, and
// none that Cognito would.
func TestBaseURLs(t *testing.T) {
	for address, good := range map[string]bool{
		"https://app.example.com":       true,
		"https://app.example.com:8443":  true,
		"https://example.com/shop":      true,
		"http://localhost:8021":         true,
		"http://127.0.0.1:8021":         true,
		"http://[::1]:8021":             true,
		"http://app.example.com":        false,
		"http://localhost.example.com":  false,
		"https://app.example.com/":      false,
		"https://app.example.com/a//b":  false,
		"https://app.example.com?x=1":   false,
		"https://app.example.com#x":     false,
		"https://app.example.com/ shop": false,
		"app.example.com":               false,
	} {
		in := inputs{"my-app", address, "public"}
		accepted(t, in, good)
		config := configOf(setup{variables: map[string]string{
			"COGNITO_USER_POOL_DOMAIN": "my-app.auth.eu-west-2.amazoncognito.com", "COGNITO_USER_POOL_ID": userPoolID,
			"COGNITO_CLIENT_ID": clientID, "BASE_URL": address,
		}})
		if err := config.Validate(); good && err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestDomainPrefixes: a template refuses what Cognito would, before anything is
// made.
func TestDomainPrefixes(t *testing.T) {
	for prefix, good := range map[string]bool{
		"my-app": true, "a": true, "shop2": true,
		"": false, "My-App": false, "my_app": false, "-app": false, "app-": false, "app.shop": false,
		"awesome-aws": false, "my-cognito": false, "amazonia": false,
	} {
		accepted(t, inputs{prefix, "https://app.example.com", "public"}, good)
	}
	for kind, good := range map[string]bool{"public": true, "confidential": true, "secret": false} {
		accepted(t, inputs{"my-app", "https://app.example.com", kind}, good)
	}
}

func accepted(t *testing.T, in inputs, want bool) {
	t.Helper()
	if _, err := fromCloudFormation(readFile(t, stackFile), in); (err == nil) != want {
		t.Errorf("cloudformation, %+v: %v", in, err)
	}
	if _, err := fromTerraform(terraformFiles(t), in); (err == nil) != want {
		t.Errorf("terraform, %+v: %v", in, err)
	}
}

// TestTerraformIsFormatted is terraform fmt -check.
func TestTerraformIsFormatted(t *testing.T) {
	for name, source := range terraformFiles(t) {
		if !bytes.Equal(source, hclwrite.Format(source)) {
			t.Errorf("terraform fmt would change %s", name)
		}
	}
}

// TestReadmeFollowsTheTemplates: the README promises nothing about real pools,
// and names the inputs that there are.
func TestReadmeFollowsTheTemplates(t *testing.T) {
	readme := string(readFile(t, "README.md"))
	for _, says := range []string{
		"Nothing here was applied to AWS", "DomainPrefix", "BaseUrl", "ClientType", "domain_prefix", "base_url", "client_type",
		"domainPrefix", "baseUrl", "clientType",
	} {
		if !strings.Contains(readme, says) {
			t.Errorf("the README does not say %s", says)
		}
	}
	for _, source := range [][]byte{readFile(t, stackFile), readFile(t, "terraform/main.tf")} {
		for _, trap := range []string{"ALLOW_REFRESH_TOKEN_AUTH", "email_verified", "reset what they do not get", "needs one of its own"} {
			if !bytes.Contains(source, []byte(trap)) {
				t.Errorf("a template does not warn of %s", trap)
			}
		}
	}
}

// TestOutputsAreRead: an app reads the variables that the templates give.
func TestOutputsAreRead(t *testing.T) {
	values := map[string]string{
		"COGNITO_USER_POOL_DOMAIN": "https://auth.example.com", "COGNITO_CLIENT_ID": "7ks1311iid23h0cnvg2o3i4g7k",
		"COGNITO_USER_POOL_ID": "eu-west-2_AbCdEfGhI", "COGNITO_CLIENT_SECRET": "secret", "BASE_URL": "https://app.example.com",
	}
	for name := range must(fromTerraform(terraformFiles(t), kinds[0]))(t).variables {
		if values[name] == "" {
			t.Errorf("%s is no setting that this test knows", name)
		}
		t.Setenv(name, values[name])
	}
	if config, err := cognito.FromEnv(); err != nil || config.ClientSecret != "secret" {
		t.Errorf("an app that reads its environment gets %v, %v", config, err)
	}
}
