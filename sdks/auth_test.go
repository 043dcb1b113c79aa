package sdks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

func initiate(client, flow string, parameters ...string) *idp.InitiateAuthInput {
	in := &idp.InitiateAuthInput{
		ClientId: aws.String(client), AuthFlow: types.AuthFlowType(flow), AuthParameters: map[string]string{},
	}
	for i := 0; i < len(parameters); i += 2 {
		in.AuthParameters[parameters[i]] = parameters[i+1]
	}
	return in
}

func password(client, username, password string, more ...string) *idp.InitiateAuthInput {
	return initiate(client, "USER_PASSWORD_AUTH", append([]string{"USERNAME", username, "PASSWORD", password}, more...)...)
}

// TestPasswordSignIn: a password gives tokens that read the user, renew and end.
func TestPasswordSignIn(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	_, err := sdk.InitiateAuth(ctx, password("public", "alice", "wrong one"))
	wantError(t, err, "NotAuthorizedException")
	_, err = sdk.InitiateAuth(ctx, password("public", "nobody", "wrong one"))
	wantError(t, err, "NotAuthorizedException")
	_, err = sdk.InitiateAuth(ctx, password("stranger", "alice", "wonderland"))
	wantError(t, err, "ResourceNotFoundException")

	got := must(sdk.InitiateAuth(ctx, password("public", "alice", "wonderland")))(t).AuthenticationResult
	user := must(sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: got.AccessToken}))(t)
	if *user.Username != "alice" || got.ExpiresIn != 3600 || *got.TokenType != "Bearer" {
		t.Errorf("got %s, %d s, %s", *user.Username, got.ExpiresIn, *got.TokenType)
	}
	_, err = sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: got.IdToken})
	wantError(t, err, "NotAuthorizedException")
	renewed := must(sdk.InitiateAuth(ctx, initiate("public", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN", *got.RefreshToken)))(t)
	if renewed.AuthenticationResult.RefreshToken != nil || renewed.AuthenticationResult.IdToken == nil {
		t.Error("a renewal without rotation gives an ID token, and no refresh token")
	}
	must(sdk.RevokeToken(ctx, &idp.RevokeTokenInput{ClientId: aws.String("public"), Token: got.RefreshToken}))(t)
	_, err = sdk.InitiateAuth(ctx, initiate("public", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN", *got.RefreshToken))
	wantError(t, err, "NotAuthorizedException")
	_, err = sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: got.AccessToken})
	wantError(t, err, "NotAuthorizedException")
}

// TestRotation: a client that rotates has an operation of its own.
func TestRotation(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	first := must(sdk.InitiateAuth(ctx, password("rotating", "alice", "wonderland")))(t).AuthenticationResult
	_, err := sdk.InitiateAuth(ctx, initiate("rotating", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN", *first.RefreshToken))
	wantError(t, err, "InvalidParameterException")
	renew := &idp.GetTokensFromRefreshTokenInput{ClientId: aws.String("rotating"), RefreshToken: first.RefreshToken}
	second := must(sdk.GetTokensFromRefreshToken(ctx, renew))(t).AuthenticationResult
	if second.RefreshToken == nil || *second.RefreshToken == *first.RefreshToken {
		t.Error("the refresh token was not rotated")
	}
	_, err = sdk.GetTokensFromRefreshToken(ctx, renew)
	wantError(t, err, "RefreshTokenReuseException")
	renew.ClientId = aws.String("public") // who has no business with it learns nothing
	_, err = sdk.GetTokensFromRefreshToken(ctx, renew)
	wantError(t, err, "NotAuthorizedException")
	renew.ClientId, renew.RefreshToken = aws.String("rotating"), second.RefreshToken
	must(sdk.GetTokensFromRefreshToken(ctx, renew))(t)
	pool.EndSessions("alice")
	_, err = sdk.GetTokensFromRefreshToken(ctx, renew)
	wantError(t, err, "NotAuthorizedException")
}

// TestSecretHash: a confidential client proves its secret, in its own and in the
// user's name alone.
func TestSecretHash(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	for _, in := range []*idp.InitiateAuthInput{
		password("confidential", "alice", "wonderland"),
		password("confidential", "alice", "wonderland", "SECRET_HASH", secretHash("bob")),
		password("public", "alice", "wonderland", "SECRET_HASH", secretHash("alice")),
	} {
		_, err := sdk.InitiateAuth(ctx, in)
		wantError(t, err, "NotAuthorizedException")
	}
	got := must(sdk.InitiateAuth(ctx, password("confidential", "alice", "wonderland", "SECRET_HASH", secretHash("alice"))))(t)
	token := *got.AuthenticationResult.RefreshToken
	_, err := sdk.InitiateAuth(ctx, initiate("confidential", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN", token))
	wantError(t, err, "NotAuthorizedException")
	must(sdk.InitiateAuth(ctx, initiate("confidential", "REFRESH_TOKEN_AUTH",
		"REFRESH_TOKEN", token, "SECRET_HASH", secretHash("alice"))))(t)
	_, err = sdk.RevokeToken(ctx, &idp.RevokeTokenInput{ClientId: aws.String("confidential"), Token: &token})
	wantError(t, err, "UnauthorizedException")
	must(sdk.RevokeToken(ctx, &idp.RevokeTokenInput{
		ClientId: aws.String("confidential"), ClientSecret: aws.String(secret), Token: &token,
	}))(t)
}

// TestSignOutEverywhere: by the user and by an administrator.
func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	for _, end := range []func(token *string) error{
		func(token *string) error {
			_, err := sdk.GlobalSignOut(ctx, &idp.GlobalSignOutInput{AccessToken: token})
			return err
		},
		func(*string) error {
			_, err := sdk.AdminUserGlobalSignOut(ctx, &idp.AdminUserGlobalSignOutInput{
				UserPoolId: aws.String(pool.UserPoolID()), Username: aws.String("alice"),
			})
			return err
		},
	} {
		got := must(sdk.InitiateAuth(ctx, password("public", "alice", "wonderland")))(t).AuthenticationResult
		bob := must(sdk.InitiateAuth(ctx, password("public", "bob", "builder")))(t).AuthenticationResult
		if err := end(got.AccessToken); err != nil {
			t.Fatal(err)
		}
		_, err := sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: got.AccessToken})
		wantError(t, err, "NotAuthorizedException")
		must(sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: bob.AccessToken}))(t)
	}
}

// TestSignUp: who signs up gets in once the code is given.
func TestSignUp(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	signUp := func(name, value string) *idp.SignUpInput {
		return &idp.SignUpInput{
			ClientId: aws.String("public"), Username: aws.String("carol"), Password: aws.String("in the tower"),
			UserAttributes: []types.AttributeType{{Name: aws.String(name), Value: aws.String(value)}},
		}
	}
	_, err := sdk.SignUp(ctx, signUp("email_verified", "true"))
	wantError(t, err, "NotAuthorizedException")
	must(sdk.SignUp(ctx, signUp("email", "carol@example.com")))(t)
	_, err = sdk.SignUp(ctx, signUp("email", "carol@example.com"))
	wantError(t, err, "UsernameExistsException")
	_, err = sdk.InitiateAuth(ctx, password("public", "carol", "in the tower"))
	wantError(t, err, "UserNotConfirmedException")
	confirm := &idp.ConfirmSignUpInput{
		ClientId: aws.String("public"), Username: aws.String("carol"), ConfirmationCode: aws.String("no code"),
	}
	_, err = sdk.ConfirmSignUp(ctx, confirm)
	wantError(t, err, "CodeMismatchException")
	confirm.ConfirmationCode = aws.String(pool.ConfirmationCode("carol"))
	must(sdk.ConfirmSignUp(ctx, confirm))(t)
	got := must(sdk.InitiateAuth(ctx, password("public", "carol", "in the tower")))(t).AuthenticationResult
	user := must(sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: got.AccessToken}))(t)
	if !slices.ContainsFunc(user.UserAttributes, func(a types.AttributeType) bool {
		return *a.Name == "email_verified" && *a.Value == "true"
	}) {
		t.Errorf("the code has not verified the address: %v", user.UserAttributes)
	}
	_, err = sdk.UpdateUserAttributes(ctx, &idp.UpdateUserAttributesInput{
		AccessToken:    got.AccessToken,
		UserAttributes: []types.AttributeType{{Name: aws.String("email_verified"), Value: aws.String("true")}},
	})
	wantError(t, err, "NotAuthorizedException")
	must(sdk.UpdateUserAttributes(ctx, &idp.UpdateUserAttributesInput{
		AccessToken:    got.AccessToken,
		UserAttributes: []types.AttributeType{{Name: aws.String("custom:plan"), Value: aws.String("gold")}},
	}))(t)
}

// TestNewPassword: an administrator's password is good for choosing one's own.
func TestNewPassword(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	id := aws.String(pool.UserPoolID())
	made := must(sdk.AdminCreateUser(ctx, &idp.AdminCreateUserInput{
		UserPoolId: id, Username: aws.String("dave"), TemporaryPassword: aws.String("for now"),
	}))(t)
	if made.User.UserStatus != types.UserStatusTypeForceChangePassword || time.Since(*made.User.UserCreateDate) > time.Hour {
		t.Errorf("the new user is %+v", made.User)
	}
	asked := must(sdk.InitiateAuth(ctx, password("public", "dave", "for now")))(t)
	respond := &idp.RespondToAuthChallengeInput{
		ClientId: aws.String("rotating"), ChallengeName: asked.ChallengeName, Session: asked.Session,
		ChallengeResponses: map[string]string{"USERNAME": "dave", "NEW_PASSWORD": "for ever"},
	}
	_, err := sdk.RespondToAuthChallenge(ctx, respond)
	wantError(t, err, "NotAuthorizedException")
	respond.ClientId = aws.String("public")
	_, err = sdk.RespondToAuthChallenge(ctx, respond)
	wantError(t, err, "NotAuthorizedException") // a session is good once

	asked = must(sdk.InitiateAuth(ctx, password("public", "dave", "for now")))(t)
	respond.Session = asked.Session
	if got := must(sdk.RespondToAuthChallenge(ctx, respond))(t); got.AuthenticationResult.AccessToken == nil {
		t.Error("no token for a new password")
	}
	must(sdk.InitiateAuth(ctx, password("public", "dave", "for ever")))(t)
}
