package cognito

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/secret"
)

// FromEnv reads a Config from the environment. Every text, number, duration, flag and
// list has its own variable, which is the field's name with the prefix COGNITO_:
// UserPoolID is COGNITO_USER_POOL_ID, IdleTimeout is COGNITO_IDLE_TIMEOUT ("8h"), and
// the entries of COGNITO_KEYS are separated by commas or spaces. BASE_URL and
// COGNITO_USERINFO are read as well. Leading and trailing spaces are ignored, and an
// empty variable counts as not set. Set the other fields, such as Storage, afterwards.
//
// The error is a [*ConfigError] that lists everything that is wrong at once, like
// [Config.Validate], but by the names of the variables. An unknown variable that begins
// with COGNITO_ is an error too, because it was probably misspelt. Its value is not
// shown. Those that Kubernetes sets for a service, such as COGNITO_SERVICE_HOST, are
// ignored.
func FromEnv() (Config, error) { return configFrom(os.Environ()) }

const variablePrefix = "COGNITO_"

// otherVariables are further names of settings, which deployment tools use.
var otherVariables = map[string]string{"BaseURL": "BASE_URL", "UserInfo": "COGNITO_USERINFO"}

// environment is what the process's variables say about our settings.
type environment struct {
	values    map[string]string
	variables map[string]string // by field: the one to read, and to name
}

func configFrom(environ []string) (Config, error) {
	var config Config
	env := readEnvironment(environ)
	problems := append(env.unknown(), env.fill(&config)...)
	if err, invalid := config.Validate().(*ConfigError); invalid {
		for _, p := range err.Problems {
			problems = append(problems, env.reworded(p))
		}
	}
	if len(problems) > 0 {
		return Config{}, &ConfigError{Problems: problems}
	}
	return config, nil
}

func readEnvironment(environ []string) environment {
	env := environment{values: map[string]string{}, variables: map[string]string{}}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if value = strings.TrimSpace(value); value != "" {
			env.values[name] = value
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if !isText(reflect.New(field.Type).Interface()) {
			continue
		}
		name := variableOf(field.Name)
		if other := otherVariables[field.Name]; env.values[name] == "" && env.values[other] != "" {
			name = other
		}
		env.variables[field.Name] = name
	}
	return env
}

var wordEnds = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

// variableOf is the name of a field's variable: its words, in capitals.
func variableOf(field string) string {
	words := wordEnds.ReplaceAllString(strings.ReplaceAll(field, "IDs", "Ids"), "${1}${3}_${2}${4}")
	return variablePrefix + strings.ToUpper(words)
}

// fill sets the given fields. A value that cannot be read is a problem, and its field is
// not changed.
func (e environment) fill(config *Config) (problems []ConfigProblem) {
	value := reflect.ValueOf(config).Elem()
	for _, field := range reflect.VisibleFields(value.Type()) {
		name := e.variables[field.Name]
		text := e.values[name]
		if text == "" {
			continue
		}
		if rule, remedy := setText(value.FieldByIndex(field.Index).Addr().Interface(), text); rule != "" {
			problems = append(problems, ConfigProblem{Field: name, Value: text, Rule: rule, Remedy: remedy})
		}
	}
	return problems
}

// isText reports whether a text can set a field, of which this is the address.
func isText(field any) bool {
	switch field.(type) {
	case *string, *[]string, *bool, *int, *time.Duration:
		return true
	}
	return false
}

// setText sets a field from a text, or returns the rule that the text breaks.
func setText(field any, text string) (rule, remedy string) {
	var err error
	switch to := field.(type) {
	case *string:
		*to = text
	case *[]string:
		*to = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	case *bool:
		*to, err = strconv.ParseBool(text)
		rule, remedy = "must be 1 or 0, true or false", "correct it or unset it"
	case *int:
		*to, err = strconv.Atoi(text)
		rule, remedy = "must be a whole number", "correct it or unset it"
	case *time.Duration:
		*to, err = time.ParseDuration(text)
		rule, remedy = "must be a duration with its unit", "use a value such as 90m or 24h, or unset it"
	}
	if err == nil {
		return "", ""
	}
	return rule, remedy
}

// serviceVariable is one that Kubernetes sets, in every container of a namespace that has a
// service whose name begins with "cognito": nobody misspelt it, and nobody can unset it.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var serviceVariable = regexp.MustCompile(`^COGNITO(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// unknown finds misspelt variables: if it were ignored, a MAX_SESSION would limit
// nothing, and nobody would notice. Their values may be secret.
func (e environment) unknown() (problems []ConfigProblem) {
	known := slices.Collect(maps.Values(otherVariables))
	for field := range e.variables {
		known = append(known, variableOf(field))
	}
	slices.Sort(known)
	for _, name := range slices.Sorted(maps.Keys(e.values)) {
		if !strings.HasPrefix(name, variablePrefix) || slices.Contains(known, name) || serviceVariable.MatchString(name) {
			continue
		}
		rule, remedy := "is unknown", "unset it; the settings are "+strings.Join(known, ", ")
		if meant := closestName(name, known); meant != "" {
			remedy = "rename it to " + meant + ", or unset it"
		}
		if field := fieldOf(name); field != "" {
			rule, remedy = "is for a field that has no environment variable", "unset it, and set Config."+field+" in Go"
		}
		problems = append(problems, ConfigProblem{Field: name, Value: secret.Redacted, Rule: rule, Remedy: remedy})
	}
	return problems
}

// fieldOf is the Config field that would have this variable, whatever its type, or "".
func fieldOf(variable string) string {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if variableOf(field.Name) == variable {
			return field.Name
		}
	}
	return ""
}

// closestName is the name that a misspelt one was probably meant to be, or "".
func closestName(name string, known []string) string {
	const mostSlips = 3
	best, meant := mostSlips+1, ""
	for _, each := range known {
		if slips := distance(name, each); slips < best {
			best, meant = slips, each
		}
	}
	return meant
}

// distance is how many letters have to be inserted, removed or changed to turn one text
// into another.
func distance(from, to string) int {
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(from) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(to) {
			changed := diagonal
			if from[i] != to[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

var wholeWord = regexp.MustCompile(`\b[A-Z]\w+\b`)

// inVariables is how a variable says what a remedy says in Go.
var inVariables = strings.NewReplacer("24 * time.Hour", "24h", `use separate strings, such as []string{"openid", "email"}`, "separate scopes with spaces or commas")

// reworded replaces the names of fields, which the reader of the error may not know, with
// those of variables.
func (e environment) reworded(p ConfigProblem) ConfigProblem {
	in := func(text string) string {
		return wholeWord.ReplaceAllStringFunc(text, func(word string) string {
			if name, ok := e.variables[word]; ok {
				return name
			}
			return word
		})
	}
	p.Field, p.Rule, p.Remedy = in(p.Field), in(p.Rule), in(inVariables.Replace(p.Remedy))
	return p
}
