// Sign-in for this app's pages. Tokens never reach the browser, only the server.
const base = "{base}"; // of BaseURL, "" in most apps
const as = (method) => ({ method, headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(3e4) });

// session is {user, expires_at, session_ends_at, login_url, logout_url}.
export async function session() {
  const response = await window.fetch(base + "{user}", as("GET"));
  if (response.ok) return response.json();
  throw Object.assign(new Error("Cannot tell who is signed in"), { response });
}

// user is the signed-in user's claims, or null.
export const user = async () => (await session()).user;

// renew renews the tokens now. Concurrent calls share one request.
let renewing;
export async function renew() {
  renewing ??= window.fetch(base + "{refresh}", as("POST")).finally(() => (renewing = null));
  return (await renewing).clone();
}

// fetch is like the browser's, but after a 401 it renews the tokens and retries once.
async function send(input, init) {
  const request = new Request(input, init);
  const response = await window.fetch(request.clone());
  if (response.status !== 401 || new URL(request.url).origin !== location.origin) return response;
  const renewed = await renew();
  if (renewed.ok) return window.fetch(request);
  return renewed.status === 401 ? response : renewed;
}
export { send as fetch };

// loginURL signs in and returns here, or to another path of the app.
export function loginURL(back = location.pathname + location.search + location.hash) {
  const rest = back.slice(base.length); // base alone is home
  if (back.startsWith(base) && /^([/?#]|$)/.test(rest)) back = rest.replace(/^(?!\/)/, "/");
  return base + "{login}?return_to=" + encodeURIComponent(back);
}
export const login = (back) => location.assign(loginURL(back));

export function logout() {
  const form = Object.assign(document.createElement("form"), { method: "post", action: base + "{logout}" });
  document.body.append(form);
  form.submit();
}
