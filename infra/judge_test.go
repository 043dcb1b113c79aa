package infra_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito"
)

// longestSession is Config.AbsoluteTimeout, unless it is set.
const longestSession = 7 * 24 * time.Hour

// judge says what is wrong with a setup: what would break a login or a session,
// and what would weaken the pool.
func judge(s setup, in inputs) []string {
	j := judgement{properties: s.properties}
	j.pool()
	j.kept(s)
	j.domain()
	j.oauth(in)
	j.renewal()
	j.lifetimes()
	j.attributes()
	j.variables(s, in)
	return j.problems
}

type judgement struct {
	properties
	problems []string
}

func (j *judgement) add(format string, values ...any) {
	j.problems = append(j.problems, fmt.Sprintf(format, values...))
}

// is asks for one value of a property.
func (j *judgement) is(name string, want any, why string) {
	if got := j.properties[name]; got != want {
		j.add("%s is %v and must be %v: %s", name, got, want, why)
	}
}

// has asks for members of a list.
func (j *judgement) has(name, why string, wanted ...string) {
	for _, want := range wanted {
		if !slices.Contains(j.list(name), want) {
			j.add("%s lacks %s: %s", name, want, why)
		}
	}
}

// lacks asks for a list without some members.
func (j *judgement) lacks(name, why string, unwanted ...string) {
	for _, member := range j.list(name) {
		if slices.Contains(unwanted, member) {
			j.add("%s has %s: %s", name, member, why)
		}
	}
}

// only asks for a list of one member.
func (j *judgement) only(name, want, why string) {
	if !slices.Equal(j.list(name), []string{want}) {
		j.add("%s is %v and must be [%s]: %s", name, j.list(name), want, why)
	}
}

func (j *judgement) pool() {
	j.is("UserPool.DeletionProtection", "ACTIVE", "a deleted pool cannot be restored")
	j.is("UserPool.UserPoolTier", "ESSENTIALS", "Lite has no managed login")
	j.is("UserPool.UsernameConfiguration.CaseSensitive", false, "Alice@ and alice@ would be two people")
	j.is("UserPool.AdminCreateUserConfig.AllowAdminCreateUserOnly", true, "strangers could sign up")
	j.is("UserPool.AccountRecoverySetting.RecoveryMechanisms.0.Name", "verified_email", "there is no other channel")
	j.only("UserPool.AutoVerifiedAttributes", "email", "an address would stay unverified")
	j.only("UserPool.UserAttributeUpdateSettings.AttributesRequireVerificationBeforeUpdate", "email",
		"an unverified address would replace the verified one")
	j.only("UserPool.UsernameAttributes", "email", "people would have to remember a name")
	if length, _ := j.properties["UserPool.Policies.PasswordPolicy.MinimumLength"].(float64); length < 12 {
		j.add("passwords of %v characters are too short", length)
	}
}

// kept asks what each tool calls for to keep what must not be lost or shown.
func (j *judgement) kept(s setup) {
	for _, policy := range []string{"UserPool.DeletionPolicy", "UserPool.UpdateReplacePolicy"} {
		if s.policies != nil && s.policies[policy] != "Retain" {
			j.add("%s is %v and must be Retain: the users would go with the stack", policy, s.policies[policy])
		}
	}
	if s.policies == nil && !slices.Equal(s.sensitive, []string{"COGNITO_CLIENT_SECRET"}) {
		j.add("the sensitive outputs are %v, and must be the secret", s.sensitive)
	}
}

func (j *judgement) domain() {
	j.is("Domain.UserPoolId", userPoolID, "the domain must be this pool's")
	j.is("Domain.ManagedLoginVersion", 2.0, "the classic pages ignore prompt and lang")
	j.is("Branding.UserPoolId", userPoolID, "the style must be this pool's")
	j.is("Branding.ClientId", clientID, "a client without a style has no login pages")
	j.is("Branding.UseCognitoProvidedValues", true, "a style needs values")
	for name := range j.properties {
		if strings.HasPrefix(name, "Branding.Settings") || strings.HasPrefix(name, "Branding.Assets") {
			j.add("%s is refused together with UseCognitoProvidedValues", name)
		}
	}
}

func (j *judgement) oauth(in inputs) {
	j.is("Client.UserPoolId", userPoolID, "the client must be this pool's")
	j.is("Client.GenerateSecret", in.clientType == "confidential", "this is what makes a client confidential")
	j.is("Client.AllowedOAuthFlowsUserPoolClient", true, "flows and scopes have no effect without it")
	j.only("Client.AllowedOAuthFlows", "code", "the library uses the code grant alone")
	j.has("Client.AllowedOAuthScopes", "Config.Scopes asks for it", "openid", "email", "profile")
	j.lacks("Client.AllowedOAuthScopes", "with it, tokens can change attributes", "aws.cognito.signin.user.admin")
	j.has("Client.SupportedIdentityProviders", "nobody could sign in", "COGNITO")
	j.only("Client.CallbackURLs", in.baseURL+"/login/redirect", "this is what the library sends")
	j.only("Client.LogoutURLs", in.baseURL+"/", "this is what the library sends")
	j.is("Client.PreventUserExistenceErrors", "ENABLED", "strangers would learn who has an account")
}

func (j *judgement) renewal() {
	const flows = "Client.ExplicitAuthFlows"
	j.is("Client.RefreshTokenRotation.Feature", "ENABLED", "a stolen refresh token would work for days")
	j.has(flows, "without a flow, the defaults hold, ALLOW_REFRESH_TOKEN_AUTH among them", "ALLOW_USER_SRP_AUTH")
	j.lacks(flows, "rotation excludes it", "ALLOW_REFRESH_TOKEN_AUTH")
	j.lacks(flows, "passwords would pass through the app", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH")
	if grace, _ := j.properties["Client.RefreshTokenRotation.RetryGracePeriodSeconds"].(float64); grace < 10 || grace > 60 {
		j.add("a grace period of %v s is not between 10 and Cognito's 60", grace)
	}
	j.is("Client.EnableTokenRevocation", true, "logout could not revoke the refresh token")
}

var units = map[any]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour}

// lifetime is that of one kind of token; 0 if the unit is left to Cognito.
func (p properties) lifetime(token string) time.Duration {
	count, _ := p["Client."+token+"Validity"].(float64)
	return time.Duration(count) * units[p["Client.TokenValidityUnits."+token]]
}

func (j *judgement) lifetimes() {
	for _, token := range []string{"AccessToken", "IdToken"} {
		if d := j.lifetime(token); d < 5*time.Minute || d > 24*time.Hour {
			j.add("%s lives for %v, and Cognito wants 5 minutes to a day", token, d)
		}
	}
	if j.lifetime("AccessToken") != j.lifetime("IdToken") {
		j.add("access and ID tokens live for different times")
	}
	if d := j.lifetime("RefreshToken"); d < longestSession || d > 30*24*time.Hour {
		j.add("RefreshToken lives for %v, and a session for %v", d, longestSession)
	}
}

func (j *judgement) attributes() {
	j.has("Client.ReadAttributes", "a scope whose attribute cannot be read is answered with invalid_grant",
		"email", "email_verified", "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "address")
	j.has("Client.WriteAttributes", "without a list, everything is writable", "email")
	for _, name := range j.list("Client.WriteAttributes") {
		if strings.HasPrefix(name, "custom:") || strings.HasSuffix(name, "_verified") {
			j.add("Client.WriteAttributes has %s, which users must not set themselves", name)
		}
	}
}

// variables asks whether the outputs are a usable configuration.
func (j *judgement) variables(s setup, in inputs) {
	want := map[string]string{
		"COGNITO_USER_POOL_DOMAIN": "https://" + in.domainPrefix + ".auth." + region + ".amazoncognito.com",
		"COGNITO_USER_POOL_ID":     userPoolID,
		"COGNITO_CLIENT_ID":        clientID,
		"BASE_URL":                 in.baseURL,
	}
	if in.clientType == "confidential" {
		want["COGNITO_CLIENT_SECRET"] = secret
	}
	for name := range s.variables {
		if _, wanted := want[name]; !wanted {
			j.add("output %s is not wanted", name)
		}
	}
	for name, value := range want {
		if s.variables[name] != value {
			j.add("output %s is %q and must be %q", name, s.variables[name], value)
		}
	}
	if err := configOf(s).Validate(); err != nil {
		j.add("%v", err)
	}
}

// configOf reads the outputs as the example reads its environment.
func configOf(s setup) cognito.Config {
	return cognito.Config{
		UserPoolDomain: s.variables["COGNITO_USER_POOL_DOMAIN"],
		ClientID:       s.variables["COGNITO_CLIENT_ID"],
		UserPoolID:     s.variables["COGNITO_USER_POOL_ID"],
		ClientSecret:   s.variables["COGNITO_CLIENT_SECRET"],
		BaseURL:        s.variables["BASE_URL"],
	}
}
