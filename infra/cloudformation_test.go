package infra_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const stackFile = "cloudformation/cognito.yaml"

// cfnTypes names the resources that a template has one of.
var cfnTypes = map[string]string{
	"AWS::Cognito::UserPool":             "UserPool",
	"AWS::Cognito::UserPoolDomain":       "Domain",
	"AWS::Cognito::UserPoolClient":       "Client",
	"AWS::Cognito::ManagedLoginBranding": "Branding",
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	return must(os.ReadFile(name))(t)
}

// fromCloudFormation works a template out, in YAML or in JSON, which is YAML too.
func fromCloudFormation(source []byte, in inputs) (setup, error) {
	root, err := parseStack(source)
	if err != nil {
		return setup{}, err
	}
	stack := stack{names: map[string]any{"AWS::Region": region}}
	if err := stack.parameters(section(root, "Parameters"), in); err != nil {
		return setup{}, err
	}
	resources := section(root, "Resources")
	for id, r := range resources {
		stack.made(id, fmt.Sprint(asMap(r)["Type"]), in)
	}
	stack.conditions = map[string]bool{}
	for name, condition := range section(root, "Conditions") {
		stack.conditions[name] = stack.resolve(condition) == true
	}
	s := setup{properties: properties{}, variables: map[string]string{}, policies: map[string]any{}}
	for _, r := range resources {
		stack.resource(s, asMap(r))
	}
	for _, o := range section(root, "Outputs") {
		output := asMap(o)
		if name, conditional := output["Condition"].(string); conditional && !stack.conditions[name] {
			continue
		}
		s.variables[fmt.Sprint(output["Description"])] = fmt.Sprint(stack.resolve(output["Value"]))
	}
	return s, errors.Join(stack.problems...)
}

// stack is what the intrinsic functions of a template refer to.
type stack struct {
	names      map[string]any // of Ref, and of Fn::GetAtt with a dot
	conditions map[string]bool
	problems   []error
}

// parameters takes the inputs, or else the defaults.
func (s *stack) parameters(declared map[string]any, in inputs) error {
	given := map[string]string{"DomainPrefix": in.domainPrefix, "BaseUrl": in.baseURL, "ClientType": in.clientType}
	for name, d := range declared {
		value, known := given[name]
		if !known {
			return fmt.Errorf("parameter %s is unknown", name)
		}
		if value == "" {
			value, _ = asMap(d)["Default"].(string)
		}
		if err := allowed(asMap(d), value); err != nil {
			return fmt.Errorf("%s %q: %w", name, value, err)
		}
		s.names[name] = value
	}
	return nil
}

// forbidden is the lookahead by which a pattern refuses words. Go has none, so it
// is worked out apart.
var forbidden = regexp.MustCompile(`^\^\(\?!\.\*\(([a-z|]+)\)\)`)

func allowed(parameter map[string]any, value string) error {
	if values, ok := parameter["AllowedValues"].([]any); ok {
		for _, v := range values {
			if v == value {
				return nil
			}
		}
		return errors.New("is none of the allowed values")
	}
	pattern, _ := parameter["AllowedPattern"].(string)
	if words := forbidden.FindStringSubmatch(pattern); words != nil {
		if regexp.MustCompile(words[1]).MatchString(value) {
			return errors.New("has a reserved word")
		}
		pattern = "^" + strings.TrimPrefix(pattern, words[0])
	}
	match, err := regexp.MatchString(pattern, value)
	if err == nil && (!match || pattern == "") {
		err = errors.New("does not match the pattern")
	}
	return err
}

// made are the names of a resource, as AWS would give them.
func (s *stack) made(id, kind string, in inputs) {
	switch kind {
	case "AWS::Cognito::UserPool":
		s.names[id] = userPoolID
	case "AWS::Cognito::UserPoolClient":
		s.names[id] = clientID
		if in.clientType != "public" {
			s.names[id+".ClientSecret"] = secret
		}
	}
}

func (s *stack) resource(into setup, r map[string]any) {
	name := cfnTypes[fmt.Sprint(r["Type"])]
	if name == "" || into.properties[name] != nil {
		s.problems = append(s.problems, fmt.Errorf("resource type %v is unknown, or there twice", r["Type"]))
	}
	into.properties[name] = true
	into.flatten(name, s.resolve(asMap(r["Properties"])))
	for _, policy := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		if value, ok := r[policy]; ok {
			into.policies[name+"."+policy] = value
		}
	}
}

var substitution = regexp.MustCompile(`\$\{([^}]+)\}`)

// resolve works the intrinsic functions out.
func (s *stack) resolve(value any) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = s.resolve(v[i])
		}
		return list
	case map[string]any:
		if len(v) == 1 {
			for function, argument := range v {
				if function == "Ref" || strings.HasPrefix(function, "Fn::") {
					return s.call(function, argument)
				}
			}
		}
		object := map[string]any{}
		for name := range v {
			object[name] = s.resolve(v[name])
		}
		return object
	}
	return value
}

func (s *stack) call(function string, argument any) any {
	list, _ := argument.([]any)
	switch {
	case function == "Ref":
		return s.named(fmt.Sprint(argument))
	case function == "Fn::Sub":
		return substitution.ReplaceAllStringFunc(fmt.Sprint(argument), func(ref string) string {
			return fmt.Sprint(s.named(substitution.FindStringSubmatch(ref)[1]))
		})
	case function == "Fn::GetAtt" && len(list) == 2:
		return s.named(fmt.Sprintf("%v.%v", list[0], list[1]))
	case function == "Fn::GetAtt":
		return s.named(fmt.Sprint(argument))
	case function == "Fn::Join" && len(list) == 2:
		var parts []string
		for _, part := range s.resolve(list[1]).([]any) {
			parts = append(parts, fmt.Sprint(part))
		}
		return strings.Join(parts, fmt.Sprint(list[0]))
	case function == "Fn::Equals" && len(list) == 2:
		return s.resolve(list[0]) == s.resolve(list[1])
	case function == "Fn::If" && len(list) == 3:
		if holds, known := s.conditions[fmt.Sprint(list[0])]; known && holds {
			return s.resolve(list[1])
		} else if known {
			return s.resolve(list[2])
		}
	}
	s.problems = append(s.problems, fmt.Errorf("cannot work out %s %v", function, argument))
	return nil
}

func (s *stack) named(name string) any {
	value, known := s.names[name]
	if !known {
		s.problems = append(s.problems, fmt.Errorf("%s does not exist", name))
	}
	return value
}

// parseStack reads YAML with CloudFormation's short tags as if the long forms
// stood there: !Ref x is {Ref: x}, !Sub x is {Fn::Sub: x}.
func parseStack(source []byte) (map[string]any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil, err
	}
	spellOut(&document)
	var root map[string]any
	return root, document.Decode(&root)
}

func spellOut(node *yaml.Node) {
	for _, inner := range node.Content {
		spellOut(inner)
	}
	if !strings.HasPrefix(node.Tag, "!") || strings.HasPrefix(node.Tag, "!!") {
		return
	}
	function := "Fn::" + node.Tag[1:]
	if node.Tag == "!Ref" {
		function = "Ref"
	}
	argument := *node
	argument.Tag = ""
	*node = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: function}, &argument,
	}}
}

func section(root map[string]any, name string) map[string]any { return asMap(root[name]) }

func asMap(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}
