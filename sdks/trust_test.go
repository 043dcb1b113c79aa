package sdks_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestNewAddressIsUnverified: nobody becomes the verified owner of an address by
// writing it down, and a namesake's token is nobody else's.
func TestNewAddressIsUnverified(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	got := must(sdk.InitiateAuth(ctx, password("public", "alice", "wonderland")))(t).AuthenticationResult
	must(sdk.UpdateUserAttributes(ctx, &idp.UpdateUserAttributesInput{
		AccessToken:    got.AccessToken,
		UserAttributes: []types.AttributeType{{Name: aws.String("email"), Value: aws.String("boss@example.com")}},
	}))(t)
	user := must(sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: got.AccessToken}))(t)
	if !slices.ContainsFunc(user.UserAttributes, func(a types.AttributeType) bool {
		return *a.Name == "email_verified" && *a.Value == "false"
	}) {
		t.Errorf("the new address is verified: %v", user.UserAttributes)
	}
	pool.SetUser(userpool.User{Username: "alice", Subject: "another", Password: "wonderland"})
	_, err := sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: got.AccessToken})
	wantError(t, err, "UserNotFoundException")
}
