import { fetch, loginURL, renew } from "/session.js"; // beside UserPath

// A page that outlives its tokens. It never holds one: the browser sends the
// session's cookie, and the server renews the tokens when a request needs it.

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((e) => [e.id, e]));

let known = false; // somebody is shown
let expiresAt = 0; // of the tokens, by the server's clock
let serverAhead = 0; // by how much the server's clock is ahead of ours
let calling = false;
let next = { at: Infinity }; // the next call that nobody has to ask for

const askWhoIsThere = () => call(askTheAPI, showUser);
const renewTokens = () => call(renew, showRenewed);

const askTheAPI = () => fetch("/api/me", { cache: "no-store", signal: AbortSignal.timeout(30_000) });

// call makes one call at a time, so that an answer is never overtaken.
async function call(request, show) {
  if (calling) return;
  calling = true;
  page.main.setAttribute("aria-busy", "true");
  next = { at: Infinity };
  const answer = await answerOf(request);
  page.main.setAttribute("aria-busy", "false");
  calling = false;
  if (!answer) {
    showTrouble("No answer came from the app. Check your connection and try again.");
  } else if (answer.status === 200) {
    show(answer.body);
  } else if (answer.status === 401) {
    showSignedOut(answer.body);
  } else if (answer.status === 503) {
    showTrouble(`${answer.body.title}. ${answer.body.detail} This page will try again automatically.`);
    next = { at: Date.now() + 1000 * answer.retryAfter, again: () => call(request, show) };
  } else {
    showTrouble(`${answer.body.title}. ${answer.body.detail}`);
  }
}

// answerOf returns what the app answers: JSON always, so that anything else is
// somebody else's answer and counts as none, like a failure of the network.
async function answerOf(request) {
  try {
    const response = await request();
    const body = await response.json();
    // Computers' clocks are often wrong, and a countdown must not be.
    serverAhead = (Date.parse(response.headers.get("Date")) || Date.now()) - Date.now();
    return { status: response.status, body, retryAfter: Number(response.headers.get("Retry-After")) || 5 };
  } catch {
    return null;
  }
}

function showUser(user) {
  const renewed = known && Date.parse(user.expires_at) > expiresAt;
  known = true;
  page.state.hidden = page.profile.hidden = page.renew.hidden = false;
  page.login.hidden = true;
  page.name.textContent = user.name ?? user.email ?? user["cognito:username"];
  page.username.textContent = user["cognito:username"];
  const groups = user["cognito:groups"] ?? [];
  page.groups.replaceChildren(...(groups.length ? groups.flatMap((g) => [label("tag", g), " "]) : [label("none", "none")]));
  expectExpiry(user.expires_at);
  say(`${renewed ? "The server has renewed the tokens. " : ""}Asked at ${timeOfDay(Date.now())}.`);
}

function showRenewed(tokens) {
  expectExpiry(tokens.expires_at);
  say(`Renewed at ${timeOfDay(Date.now())}.`);
}

// showSignedOut leaves the way to the login to a click: a page that went there
// by itself would do so again and again where cookies are not kept.
function showSignedOut(problem) {
  page.name.textContent = known || problem.code === "session_ended" ? "You have been signed out" : "You are not signed in";
  known = false;
  page.login.href = loginURL();
  page.login.hidden = false;
  if (document.activeElement === page.renew) page.login.focus(); // the button goes
  page.state.hidden = page.profile.hidden = page.renew.hidden = true;
  say(problem.detail);
}

// showTrouble keeps on the page what is there: nobody has been signed out.
function showTrouble(text) {
  if (!known) page.name.textContent = "We can’t tell who you are right now";
  say(text, true);
}

// say is silent when there is nothing new, since every text is read aloud.
function say(text, trouble = false) {
  page.notice.classList.toggle("trouble", trouble);
  page.ask.textContent = trouble ? "Try again" : "Ask the API";
  if (page.notice.textContent !== text) page.notice.textContent = text;
}

function label(className, text) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  return span;
}

function expectExpiry(time) {
  expiresAt = Date.parse(time);
  page.expiry.dateTime = time;
  page.expiry.textContent = timeOfDay(expiresAt);
  next = { at: expiresAt - serverAhead + 1000, again: askWhoIsThere };
  countDown();
}

function countDown() {
  const seconds = Math.round((expiresAt - serverAhead - Date.now()) / 1000);
  page.countdown.textContent = seconds > 0 ? `in ${duration(seconds)}` : "expired";
}

const timeOfDay = (time) => new Date(time).toLocaleTimeString();

function duration(seconds) {
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  if (seconds >= 3600) parts.unshift(Math.floor(seconds / 3600));
  return parts.map((n, i) => (i ? String(n).padStart(2, "0") : n)).join(":");
}

page.ask.addEventListener("click", askWhoIsThere);
page.renew.addEventListener("click", renewTokens);
addEventListener("pageshow", askWhoIsThere); // also when the back button brings the page out of memory
addEventListener("online", askWhoIsThere);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) askWhoIsThere();
});

// A clock that looks every second, and no long timer, because timers stand
// still while a computer sleeps. A tab that nobody looks at makes no calls: it
// would keep a session alive that its user has left.
setInterval(() => {
  countDown();
  if (Date.now() >= next.at && !document.hidden) next.again();
}, 1000);
