// A page that signs in by Amplify, as an app without a server does. The test in e2e
// that opens it says where the pool is, in the page.
import { Amplify } from "aws-amplify";
import "aws-amplify/auth/enable-oauth-listener";
import { fetchAuthSession, fetchUserAttributes, signIn, signInWithRedirect, signOut } from "aws-amplify/auth";
import { Hub } from "aws-amplify/utils";

Amplify.configure(JSON.parse(document.getElementById("settings").textContent));

// show says who is signed in, with what access token, or what went wrong.
async function show(session) {
  const { tokens } = await session;
  if (!tokens) return say("", "nobody");
  const { payload } = tokens.accessToken;
  say(payload.jti, `${(await fetchUserAttributes()).email}, with ${payload.scope}`);
}

function say(token, text) {
  document.body.dataset.token = token;
  document.getElementById("who").textContent = text;
}

async function attempt(action) {
  try {
    await action();
  } catch (err) {
    say("", `${err.name}: ${err.message}`);
  }
}

function on(id, action) {
  document.getElementById(id).addEventListener("click", () => attempt(action));
}

on("password", async () => {
  await signIn({ username: "alice", password: document.getElementById("typed").value });
  await show(fetchAuthSession());
});
on("redirect", () => signInWithRedirect());
on("renew", () => show(fetchAuthSession({ forceRefresh: true })));
on("leave", async () => {
  await signOut();
  await show(fetchAuthSession());
});

Hub.listen("auth", ({ payload }) => {
  if (payload.event === "signInWithRedirect") attempt(() => show(fetchAuthSession()));
  if (payload.event === "signInWithRedirect_failure") say("", `failed: ${payload.data?.error}`);
});
if (!location.search) await attempt(() => show(fetchAuthSession()));
