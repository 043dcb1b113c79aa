package sdks_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestAdministerUsers goes through a user's life as an administrator sees it.
func TestAdministerUsers(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	id, erin := aws.String(pool.UserPoolID()), aws.String("erin")
	must(sdk.AdminCreateUser(ctx, &idp.AdminCreateUserInput{UserPoolId: id, Username: erin}))(t)
	must(sdk.AdminSetUserPassword(ctx, &idp.AdminSetUserPasswordInput{
		UserPoolId: id, Username: erin, Password: aws.String("long enough"), Permanent: true,
	}))(t)
	must(sdk.AdminUpdateUserAttributes(ctx, &idp.AdminUpdateUserAttributesInput{
		UserPoolId: id, Username: erin, UserAttributes: []types.AttributeType{
			{Name: aws.String("email"), Value: aws.String("erin@example.com")},
			{Name: aws.String("email_verified"), Value: aws.String("true")},
		},
	}))(t)
	signIn := func() (*idp.AdminInitiateAuthOutput, error) {
		return sdk.AdminInitiateAuth(ctx, &idp.AdminInitiateAuthInput{
			UserPoolId: id, ClientId: aws.String("public"), AuthFlow: "ADMIN_USER_PASSWORD_AUTH",
			AuthParameters: map[string]string{"USERNAME": "erin@example.com", "PASSWORD": "long enough"},
		})
	}
	first := must(signIn())(t).AuthenticationResult
	must(sdk.AdminDisableUser(ctx, &idp.AdminDisableUserInput{UserPoolId: id, Username: erin}))(t)
	_, err := signIn()
	wantError(t, err, "NotAuthorizedException")
	must(sdk.AdminEnableUser(ctx, &idp.AdminEnableUserInput{UserPoolId: id, Username: erin}))(t)
	must(signIn())(t)
	got := must(sdk.AdminGetUser(ctx, &idp.AdminGetUserInput{UserPoolId: id, Username: erin}))(t)
	if got.UserStatus != types.UserStatusTypeConfirmed || !got.Enabled || len(got.UserAttributes) != 3 {
		t.Errorf("erin is %+v", got)
	}
	listed := must(sdk.ListUsers(ctx, &idp.ListUsersInput{
		UserPoolId: id, Filter: aws.String(`email = "erin@example.com"`),
	}))(t)
	if len(listed.Users) != 1 || *listed.Users[0].Username != "erin" {
		t.Errorf("the filter found %v", listed.Users)
	}
	pages := idp.NewListUsersPaginator(sdk, &idp.ListUsersInput{UserPoolId: id, Limit: aws.Int32(2)})
	for count := 2; pages.HasMorePages(); count-- {
		if page := must(pages.NextPage(ctx))(t); len(page.Users) != count {
			t.Errorf("a page has %d users, want %d", len(page.Users), count)
		}
	}
	must(sdk.AdminDeleteUser(ctx, &idp.AdminDeleteUserInput{UserPoolId: id, Username: erin}))(t)
	_, err = sdk.AdminGetUser(ctx, &idp.AdminGetUserInput{UserPoolId: id, Username: erin})
	wantError(t, err, "UserNotFoundException")

	// Whoever gets the name next does not inherit her tokens.
	must(sdk.AdminCreateUser(ctx, &idp.AdminCreateUserInput{UserPoolId: id, Username: erin}))(t)
	_, err = sdk.GetUser(ctx, &idp.GetUserInput{AccessToken: first.AccessToken})
	wantError(t, err, "NotAuthorizedException")
	_, err = sdk.InitiateAuth(ctx, initiate("public", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN", *first.RefreshToken))
	wantError(t, err, "NotAuthorizedException")
}

// TestAdministerGroups: groups are made, joined and left.
func TestAdministerGroups(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	id, bob, group := aws.String(pool.UserPoolID()), aws.String("bob"), aws.String("writers")
	join := &idp.AdminAddUserToGroupInput{UserPoolId: id, Username: bob, GroupName: group}
	_, err := sdk.AdminAddUserToGroup(ctx, join)
	wantError(t, err, "ResourceNotFoundException")
	must(sdk.CreateGroup(ctx, &idp.CreateGroupInput{UserPoolId: id, GroupName: group}))(t)
	_, err = sdk.CreateGroup(ctx, &idp.CreateGroupInput{UserPoolId: id, GroupName: group})
	wantError(t, err, "GroupExistsException")
	count := func(want int) {
		t.Helper()
		list := must(sdk.AdminListGroupsForUser(ctx, &idp.AdminListGroupsForUserInput{UserPoolId: id, Username: bob}))(t)
		if len(list.Groups) != want {
			t.Errorf("bob is in %d groups, want %d", len(list.Groups), want)
		}
	}
	must(sdk.AdminAddUserToGroup(ctx, join))(t)
	count(1)
	must(sdk.AdminRemoveUserFromGroup(ctx, &idp.AdminRemoveUserFromGroupInput{UserPoolId: id, Username: bob, GroupName: group}))(t)
	count(0)
}

// TestAdministerPool: a set-up script finds what it makes.
func TestAdministerPool(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	id := must(sdk.CreateUserPool(ctx, &idp.CreateUserPoolInput{PoolName: aws.String("mine")}))(t).UserPool.Id
	_, err := sdk.CreateUserPool(ctx, &idp.CreateUserPoolInput{PoolName: aws.String("another")})
	wantError(t, err, "LimitExceededException")
	if got := must(sdk.DescribeUserPool(ctx, &idp.DescribeUserPoolInput{UserPoolId: id}))(t); *got.UserPool.Name != "mine" {
		t.Errorf("the pool is called %s", *got.UserPool.Name)
	}
	_, err = sdk.DescribeUserPool(ctx, &idp.DescribeUserPoolInput{UserPoolId: aws.String("us-east-1_Other")})
	wantError(t, err, "ResourceNotFoundException")
	if got := must(sdk.ListUserPools(ctx, &idp.ListUserPoolsInput{MaxResults: aws.Int32(10)}))(t); len(got.UserPools) != 1 {
		t.Errorf("there are %d pools", len(got.UserPools))
	}
	create := &idp.CreateUserPoolClientInput{
		UserPoolId: id, ClientName: aws.String("web"), GenerateSecret: true,
		CallbackURLs: []string{"not a URL"}, AllowedOAuthFlows: []types.OAuthFlowType{"code"},
		AccessTokenValidity: aws.Int32(5), TokenValidityUnits: &types.TokenValidityUnitsType{AccessToken: "minutes"},
	}
	_, err = sdk.CreateUserPoolClient(ctx, create)
	wantError(t, err, "InvalidParameterException")
	create.CallbackURLs = []string{"http://localhost:8021/login/redirect"}
	made := must(sdk.CreateUserPoolClient(ctx, create))(t).UserPoolClient
	found := must(sdk.DescribeUserPoolClient(ctx, &idp.DescribeUserPoolClientInput{UserPoolId: id, ClientId: made.ClientId}))(t).UserPoolClient
	if *found.ClientName != "web" || *found.ClientSecret != *made.ClientSecret || *found.AccessTokenValidity != 300 {
		t.Errorf("the client is %+v", found)
	}
	if got := must(sdk.ListUserPoolClients(ctx, &idp.ListUserPoolClientsInput{UserPoolId: id}))(t); len(got.UserPoolClients) != 4 {
		t.Errorf("there are %d clients", len(got.UserPoolClients))
	}
	must(sdk.CreateUserPoolDomain(ctx, &idp.CreateUserPoolDomainInput{UserPoolId: id, Domain: aws.String("mine")}))(t)
	for domain, want := range map[string]types.DomainStatusType{"mine": "ACTIVE", "nobodys": ""} {
		got := must(sdk.DescribeUserPoolDomain(ctx, &idp.DescribeUserPoolDomainInput{Domain: aws.String(domain)}))(t)
		if got.DomainDescription.Status != want {
			t.Errorf("the domain %s is %q, want %q", domain, got.DomainDescription.Status, want)
		}
	}
}
