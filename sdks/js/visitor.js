// A visitor with cookies, who can fill in the pool's form.
export class Visitor {
  #jar = new Map();

  // visit asks for one address, and follows no redirect.
  async visit(address, options = {}) {
    const cookie = [...this.#jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(address, { redirect: "manual", ...options, headers: { ...options.headers, cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0].split(/=(.*)/s);
      if (value) this.#jar.set(name, value);
      else this.#jar.delete(name);
    }
    return answer;
  }

  async post(address, fields) {
    return this.visit(address, { method: "POST", body: new URLSearchParams(fields) });
  }

  async json(address) {
    return (await this.visit(address)).json();
  }

  // logIn takes an address of the pool's authorize, and returns the one that the
  // pool sends the visitor back to.
  async logIn(start, username = "alice", password = "wonderland") {
    const page = new URL((await this.visit(start)).headers.get("location"), start);
    const form = /<form id="login"[^>]* action="([^"]*)"[^>]*>(.*?)<\/form>/s.exec(await (await this.visit(page)).text());
    const fields = {};
    for (const [input] of form[2].matchAll(/<(?:input|button)\b[^>]*>/g)) {
      const name = /\bname="([^"]*)"/.exec(input);
      if (name) fields[name[1]] = unescape(/\bvalue="([^"]*)"/.exec(input)?.[1] ?? "");
    }
    const answer = await this.post(new URL(unescape(form[1]), page), { ...fields, username, password });
    return answer.headers.get("location");
  }
}

function unescape(text) {
  return text.replaceAll("&amp;", "&").replaceAll("&#43;", "+").replaceAll("&#34;", '"');
}
