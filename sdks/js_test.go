package sdks_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestJavaScript runs the tests of js in Node. Without it, or without their packages,
// the test is skipped, except in CI, where they must be there.
func TestJavaScript(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat("js/node_modules")
	}
	if err != nil {
		const reason = "Node or the packages are missing: run npm ci in sdks/js"
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	const issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1"
	pool := newPool(t, userpool.Options{Issuer: issuer, MaxSessions: 20})
	must(newSDK(t, pool).AdminCreateUser(t.Context(), &idp.AdminCreateUserInput{
		UserPoolId: aws.String(pool.UserPoolID()), Username: aws.String("dave"), TemporaryPassword: aws.String("for now"),
		UserAttributes: []types.AttributeType{{Name: aws.String("email"), Value: aws.String("dave@example.com")}},
	}))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, node, "--test")
	command.Dir = "js"
	command.Env = append(os.Environ(), "POOL_URL="+pool.URL(), "POOL_ID="+pool.UserPoolID(), "POOL_ISSUER="+issuer)
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
