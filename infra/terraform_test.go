package infra_test

import (
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// arguments are those that version 6.25 of hashicorp/aws has, of the blocks that we
// use. Neither agreement with CloudFormation nor a test without the provider could
// tell else that callback_url is a typing error.
var arguments = map[string]string{
	"aws_cognito_user_pool": `account_recovery_setting admin_create_user_config alias_attributes
		auto_verified_attributes deletion_protection mfa_configuration name password_policy sign_in_policy
		user_attribute_update_settings user_pool_tier username_attributes username_configuration`,
	"account_recovery_setting":           `recovery_mechanism`,
	"recovery_mechanism":                 `name priority`,
	"admin_create_user_config":           `allow_admin_create_user_only`,
	"password_policy":                    `minimum_length temporary_password_validity_days`,
	"user_attribute_update_settings":     `attributes_require_verification_before_update`,
	"username_configuration":             `case_sensitive`,
	"aws_cognito_user_pool_domain":       `certificate_arn domain managed_login_version user_pool_id`,
	"aws_cognito_managed_login_branding": `client_id settings use_cognito_provided_values user_pool_id`,
	"aws_cognito_user_pool_client": `access_token_validity allowed_oauth_flows allowed_oauth_flows_user_pool_client
		allowed_oauth_scopes auth_session_validity callback_urls default_redirect_uri enable_token_revocation
		explicit_auth_flows generate_secret id_token_validity logout_urls name prevent_user_existence_errors
		read_attributes refresh_token_rotation refresh_token_validity supported_identity_providers
		token_validity_units user_pool_id write_attributes`,
	"refresh_token_rotation": `feature retry_grace_period_seconds`,
	"token_validity_units":   `access_token id_token refresh_token`,
}

// tfResources are the names that resources have in CloudFormation's template.
var tfResources = map[string]string{
	"aws_cognito_user_pool":              "UserPool",
	"aws_cognito_user_pool_domain":       "Domain",
	"aws_cognito_user_pool_client":       "Client",
	"aws_cognito_managed_login_branding": "Branding",
}

// called are CloudFormation's names where they are not the argument's own.
var called = map[string]string{
	"aws_cognito_user_pool name":                  "UserPoolName",
	"aws_cognito_user_pool password_policy":       "Policies.PasswordPolicy",
	"aws_cognito_user_pool_client name":           "ClientName",
	"aws_cognito_user_pool_client callback_urls":  "CallbackURLs",
	"aws_cognito_user_pool_client logout_urls":    "LogoutURLs",
	"account_recovery_setting recovery_mechanism": "RecoveryMechanisms.0",
}

// inCloudFormation translates the name of an argument.
func inCloudFormation(block, argument string) string {
	if name, ok := called[block+" "+argument]; ok {
		return name
	}
	var name strings.Builder
	for _, word := range strings.Split(argument, "_") {
		if word == "oauth" {
			word = "oAuth"
		}
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

func terraformFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range must(filepath.Glob("terraform/*.tf"))(t) {
		files[name] = readFile(t, name)
	}
	return files
}

// fromTerraform works a module out.
func fromTerraform(files map[string][]byte, in inputs) (setup, error) {
	var blocks hclsyntax.Blocks
	for name, source := range files {
		file, diagnostics := hclsyntax.ParseConfig(source, name, hcl.InitialPos)
		if diagnostics.HasErrors() {
			return setup{}, diagnostics
		}
		blocks = append(blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
	m := module{values: terraformValues(in), setup: setup{properties: properties{}, variables: map[string]string{}}}
	if err := m.variables(blocks, in); err != nil {
		return setup{}, err
	}
	for _, b := range blocks {
		switch b.Type {
		case "resource":
			m.resource(b)
		case "output":
			m.output(b)
		case "variable", "data", "terraform":
		default:
			m.problems = append(m.problems, fmt.Errorf("block %s is unknown", b.Type))
		}
	}
	return m.setup, errors.Join(m.problems...)
}

// terraformValues is what AWS would have made.
func terraformValues(in inputs) *hcl.EvalContext {
	one := func(values map[string]cty.Value) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"this": cty.ObjectVal(values)})
	}
	clientSecret := ""
	if in.clientType != "public" {
		clientSecret = secret
	}
	return &hcl.EvalContext{
		Functions: map[string]function.Function{"can": tryfunc.CanFunc, "regex": stdlib.RegexFunc},
		Variables: map[string]cty.Value{
			"data": cty.ObjectVal(map[string]cty.Value{"aws_region": cty.ObjectVal(map[string]cty.Value{
				"current": cty.ObjectVal(map[string]cty.Value{"region": cty.StringVal(region)}),
			})}),
			"aws_cognito_user_pool":        one(map[string]cty.Value{"id": cty.StringVal(userPoolID)}),
			"aws_cognito_user_pool_domain": one(map[string]cty.Value{"domain": cty.StringVal(in.domainPrefix)}),
			"aws_cognito_user_pool_client": one(map[string]cty.Value{
				"id": cty.StringVal(clientID), "client_secret": cty.StringVal(clientSecret),
			}),
		},
	}
}

// module is what has been read so far.
type module struct {
	setup
	values   *hcl.EvalContext
	problems []error
}

func (m *module) evaluate(expression hcl.Expression) cty.Value {
	value, diagnostics := expression.Value(m.values)
	if diagnostics.HasErrors() {
		m.problems = append(m.problems, diagnostics)
	}
	return value
}

// argument is one that a block must have.
func (m *module) argument(b *hclsyntax.Block, name string) cty.Value {
	a := b.Body.Attributes[name]
	if a == nil {
		m.problems = append(m.problems, fmt.Errorf("%s %v has no %s", b.Type, b.Labels, name))
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return m.evaluate(a.Expr)
}

// variables takes the inputs, or else the defaults, and asks the validations.
func (m *module) variables(blocks hclsyntax.Blocks, in inputs) error {
	given := map[string]string{"domain_prefix": in.domainPrefix, "base_url": in.baseURL, "client_type": in.clientType}
	values := map[string]cty.Value{}
	var validations []*hclsyntax.Block
	for _, b := range blocks {
		if b.Type != "variable" {
			continue
		}
		values[b.Labels[0]] = cty.StringVal(given[b.Labels[0]])
		if given[b.Labels[0]] == "" && b.Body.Attributes["default"] != nil {
			values[b.Labels[0]] = m.evaluate(b.Body.Attributes["default"].Expr)
		}
		validations = append(validations, b.Body.Blocks...)
	}
	m.values.Variables["var"] = cty.ObjectVal(values)
	for _, validation := range validations {
		if holds := m.argument(validation, "condition"); holds.Type() != cty.Bool || holds.IsNull() {
			return errors.New("the condition of a validation is no bool")
		} else if holds.False() {
			return errors.New(m.argument(validation, "error_message").AsString())
		}
	}
	return errors.Join(m.problems...)
}

func (m *module) resource(b *hclsyntax.Block) {
	name := tfResources[b.Labels[0]]
	if name == "" || m.properties[name] != nil {
		m.problems = append(m.problems, fmt.Errorf("resource %s is unknown, or there twice", b.Labels[0]))
	}
	m.properties[name] = true
	m.body(b.Labels[0], name, b.Body)
}

func (m *module) body(block, at string, body *hclsyntax.Body) {
	path := func(argument string) string {
		if !slices.Contains(strings.Fields(arguments[block]), argument) {
			m.problems = append(m.problems, fmt.Errorf("%s has no argument %s that is known", block, argument))
		}
		return at + "." + inCloudFormation(block, argument)
	}
	for _, a := range body.Attributes {
		m.properties.flatten(path(a.Name), plain(m.evaluate(a.Expr)))
	}
	for _, b := range body.Blocks {
		m.body(b.Type, path(b.Type), b.Body)
	}
}

func (m *module) output(b *hclsyntax.Block) {
	name := b.Labels[0]
	if value := m.argument(b, "value"); value.Type() != cty.String || !value.IsWhollyKnown() || value.IsNull() {
		m.problems = append(m.problems, fmt.Errorf("output %s is no text", name))
	} else if value.AsString() != "" { // empty counts as unset for the example
		m.setup.variables[name] = value.AsString()
	}
	if s := b.Body.Attributes["sensitive"]; s != nil && m.evaluate(s.Expr).RawEquals(cty.True) {
		m.sensitive = append(m.sensitive, name)
	}
}

// plain is a value as encoding/json would have it.
func plain(value cty.Value) any {
	switch {
	case !value.IsWhollyKnown() || value.IsNull():
		return nil
	case value.Type() == cty.String:
		return value.AsString()
	case value.Type() == cty.Bool:
		return value.True()
	case value.Type() == cty.Number:
		number, _ := new(big.Float).Copy(value.AsBigFloat()).Float64()
		return number
	}
	var list []any
	for _, v := range value.AsValueSlice() {
		list = append(list, plain(v))
	}
	return list
}
