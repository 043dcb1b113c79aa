// What the SDKs of other people make of the pool, each of them unchanged. The Go test
// that runs this says where the pool is.
import assert from "node:assert/strict";
import test from "node:test";
import {
  CognitoIdentityProviderClient, GetUserCommand, InitiateAuthCommand, ListUserSessionsCommand, RevokeUserSessionCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { Amplify } from "aws-amplify";
import { fetchAuthSession, fetchUserAttributes, signIn, signOut } from "aws-amplify/auth";
import * as identity from "amazon-cognito-identity-js";
import { CognitoJwtVerifier } from "aws-jwt-verify";
import { InMemoryWebStorage, OidcClient, WebStorageStateStore } from "oidc-client-ts";
import { Visitor } from "./visitor.js";

const { POOL_URL: url, POOL_ID: poolID, POOL_ISSUER: issuer } = process.env;
const clientID = "public";

test("the AWS SDK signs in, reads the user and reports errors", async () => {
  const sdk = new CognitoIdentityProviderClient({ region: "us-east-1", endpoint: url, maxAttempts: 1 });
  const ask = (PASSWORD) => sdk.send(new InitiateAuthCommand({
    ClientId: clientID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: { USERNAME: "alice", PASSWORD },
  }));
  await assert.rejects(ask("wrong one"), { name: "NotAuthorizedException" });
  const { AuthenticationResult: got } = await ask("wonderland");
  const user = await sdk.send(new GetUserCommand({ AccessToken: got.AccessToken }));
  assert.equal(user.Username, "alice");

  await ask("wonderland"); // on another device
  const list = async () => (await sdk.send(new ListUserSessionsCommand({ AccessToken: got.AccessToken }))).Sessions;
  const before = await list();
  const another = before.find((session) => !session.IsCurrentSession && session.SessionType === "TOKEN");
  assert.ok(another.CreateDate instanceof Date && another.ClientId === clientID);
  await sdk.send(new RevokeUserSessionCommand({ AccessToken: got.AccessToken, SessionId: another.SessionId }));
  assert.equal((await list()).length, before.length - 1);
  sdk.destroy();
});

// The older library of Amplify, on its own.
function person(username) {
  const pool = new identity.CognitoUserPool({ UserPoolId: poolID, ClientId: clientID, endpoint: url });
  return new identity.CognitoUser({ Username: username, Pool: pool });
}

function authenticate(user, Password) {
  const details = new identity.AuthenticationDetails({ Username: user.getUsername(), Password });
  return new Promise((onSuccess, onFailure) => {
    user.authenticateUser(details, { onSuccess, onFailure, newPasswordRequired: (a) => onSuccess({ asked: a }) });
  });
}

test("amazon-cognito-identity-js signs in by SRP, renews and signs out everywhere", async () => {
  const user = person("alice");
  await assert.rejects(authenticate(user, "wrong one"), { code: "NotAuthorizedException" });
  const session = await authenticate(user, "wonderland");
  assert.ok(session.isValid());
  const renewed = await new Promise((done, fail) => {
    user.refreshSession(session.getRefreshToken(), (err, next) => err ? fail(err) : done(next));
  });
  assert.notEqual(renewed.getAccessToken().getJwtToken(), session.getAccessToken().getJwtToken());
  await new Promise((onSuccess, onFailure) => user.globalSignOut({ onSuccess, onFailure }));
});

test("amazon-cognito-identity-js chooses a new password", async () => {
  const user = person("dave");
  const first = await authenticate(user, "for now");
  assert.equal(first.asked.email, "dave@example.com");
  const session = await new Promise((onSuccess, onFailure) => {
    user.completeNewPasswordChallenge("for ever", {}, { onSuccess, onFailure });
  });
  assert.ok(session.isValid());
});

test("Amplify signs in by SRP, renews, reads the user and signs out", async () => {
  const Auth = { Cognito: { userPoolId: poolID, userPoolClientId: clientID, userPoolEndpoint: url } };
  Amplify.configure({ Auth });
  const { isSignedIn } = await signIn({ username: "bob", password: "builder" });
  assert.ok(isSignedIn);
  const before = await fetchAuthSession();
  const after = await fetchAuthSession({ forceRefresh: true });
  assert.notEqual(after.tokens.accessToken.toString(), before.tokens.accessToken.toString());
  assert.equal((await fetchUserAttributes()).email, "bob@example.com");
  await signOut({ global: true });
  assert.equal((await fetchAuthSession()).tokens, undefined);
});

test("aws-jwt-verify accepts the tokens of an AWS issuer, and no others", async () => {
  const sdk = new CognitoIdentityProviderClient({ region: "us-east-1", endpoint: url });
  const { AuthenticationResult: got } = await sdk.send(new InitiateAuthCommand({
    ClientId: clientID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: { USERNAME: "alice", PASSWORD: "wonderland" },
  }));
  sdk.destroy();
  const keys = await (await fetch(`${url}/${poolID}/.well-known/jwks.json`)).json();
  for (const [tokenUse, token] of [["access", got.AccessToken], ["id", got.IdToken]]) {
    const verifier = CognitoJwtVerifier.create({ userPoolId: poolID, clientId: clientID, tokenUse });
    verifier.cacheJwks(keys);
    const claims = await verifier.verify(token);
    assert.equal(claims.iss, issuer);
    assert.equal(claims["cognito:groups"][0], "admin");
    await assert.rejects(verifier.verify(token, { clientId: "another" }));
  }
});

test("oidc-client-ts finds everything by discovery, and signs in", async () => {
  const store = new WebStorageStateStore({ store: new InMemoryWebStorage() });
  const client = new OidcClient({
    authority: `${url}/${poolID}`, client_id: clientID, redirect_uri: "http://localhost:8021/callback",
    scope: "openid email profile", stateStore: store,
  });
  const request = await client.createSigninRequest({});
  const callback = await new Visitor().logIn(request.url);
  const answer = await client.processSigninResponse(callback);
  assert.equal(answer.profile.email, "alice@example.com");
  assert.ok(answer.refresh_token);
});
