// Auth.js as it is most used, next-auth 4, and as it is now, @auth/core, which is
// what next-auth 5 calls. Both run without Next, behind a server of Node's own.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import test from "node:test";
import { Auth, customFetch } from "@auth/core";
import Cognito from "@auth/core/providers/cognito";
import { CognitoIdentityProviderClient, CreateUserPoolClientCommand } from "@aws-sdk/client-cognito-identity-provider";
import nextAuth from "next-auth";
import nextAuthCognito from "next-auth/providers/cognito";
import { Visitor } from "./visitor.js";

const { POOL_URL: url, POOL_ID: poolID, POOL_ISSUER: issuer } = process.env;
const secret = "a secret of the app, which seals its cookies";

// serve starts an app whose handler is made for its origin and its client at the pool.
async function serve(t, make) {
  const server = createServer((request, response) => handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const origin = `http://127.0.0.1:${server.address().port}`;
  const handle = make(origin, await register(origin));
  return origin;
}

// register makes a confidential client, and is what CognitoProvider wants to know.
// Tokens say an issuer of AWS, and the pool is found by wellKnown alone.
async function register(origin) {
  const sdk = new CognitoIdentityProviderClient({
    region: "us-east-1", endpoint: url, credentials: { accessKeyId: "nobody", secretAccessKey: "checks" },
  });
  const { UserPoolClient: made } = await sdk.send(new CreateUserPoolClientCommand({
    UserPoolId: poolID, ClientName: origin, GenerateSecret: true, AllowedOAuthFlowsUserPoolClient: true,
    AllowedOAuthFlows: ["code"], AllowedOAuthScopes: ["openid", "email", "profile"],
    CallbackURLs: [`${origin}/api/auth/callback/cognito`], LogoutURLs: [`${origin}/`],
  }));
  sdk.destroy();
  return {
    clientId: made.ClientId, clientSecret: made.ClientSecret,
    issuer, wellKnown: `${url}/${poolID}/.well-known/openid-configuration`,
  };
}

async function bodyOf(request) {
  let body = "";
  for await (const part of request) body += part;
  return body;
}

// tellJourney signs in, asks who that is, signs out of the app and then of the pool.
async function tellJourney(origin, clientID) {
  const visitor = new Visitor();
  const api = `${origin}/api/auth`;
  const press = async (path) => {
    const { csrfToken } = await visitor.json(`${api}/csrf`);
    return (await visitor.post(api + path, { csrfToken, callbackUrl: `${origin}/` })).headers.get("location");
  };
  const back = await visitor.visit(await visitor.logIn(await press("/signin/cognito")));
  assert.equal(back.headers.get("location"), `${origin}/`);
  assert.equal((await visitor.json(`${api}/session`)).user.email, "alice@example.com");
  assert.equal(await press("/signout"), `${origin}/`);
  assert.ok(!(await visitor.json(`${api}/session`))?.user);

  // The pool remembers the visitor until its own sign-out.
  const remembered = await visitor.visit(await press("/signin/cognito"));
  assert.ok(new URL(remembered.headers.get("location")).searchParams.get("code"));
  const leave = new URLSearchParams({ client_id: clientID, logout_uri: `${origin}/` });
  assert.equal((await visitor.visit(`${url}/logout?${leave}`)).headers.get("location"), `${origin}/`);
  const asked = await visitor.visit(await press("/signin/cognito"));
  assert.match(asked.headers.get("location"), /\/login\?/);
}

test("next-auth 4 signs in, tells the session and signs out", async (t) => {
  let client;
  const origin = await serve(t, (origin, settings) => {
    client = settings.clientId;
    process.env.NEXTAUTH_URL = origin;
    const options = { secret, providers: [nextAuthCognito.default({ ...settings, checks: ["pkce", "state", "nonce"] })] };
    return async (request, response) => {
      const address = new URL(request.url, origin);
      // What Next adds for its API routes.
      request.query = { ...Object.fromEntries(address.searchParams), nextauth: address.pathname.split("/").slice(3) };
      request.cookies = Object.fromEntries((request.headers.cookie ?? "").split("; ")
        .map((pair) => pair.split(/=(.*)/s)).map(([name, value = ""]) => [name, decodeURIComponent(value)]));
      request.body = Object.fromEntries(new URLSearchParams(await bodyOf(request)));
      response.status = (code) => Object.assign(response, { statusCode: code });
      response.send = (body) => response.end(typeof body === "object" ? JSON.stringify(body) : body);
      response.json = response.send;
      await nextAuth.default(request, response, options);
    };
  });
  await tellJourney(origin, client);
});

test("@auth/core signs in, tells the session and signs out", async (t) => {
  let client;
  const origin = await serve(t, (origin, settings) => {
    client = settings.clientId;
    // This one asks the issuer itself for its discovery document, whatever wellKnown says.
    const toPool = (address, init) => fetch(String(address).replace(issuer, `${url}/${poolID}`), init);
    const config = {
      secret, trustHost: true, basePath: "/api/auth",
      providers: [Cognito({ ...settings, checks: ["pkce", "state", "nonce"], [customFetch]: toPool })],
    };
    return async (request, response) => {
      const body = await bodyOf(request);
      const answer = await Auth(new Request(new URL(request.url, origin), {
        method: request.method, headers: request.headers, body: request.method === "POST" ? body : undefined,
      }), config);
      response.writeHead(answer.status, [...answer.headers].flat());
      response.end(await answer.text());
    };
  });
  await tellJourney(origin, client);
});
