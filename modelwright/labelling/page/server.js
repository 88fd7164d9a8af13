// Speaks with the server: the token, reads, and an outbox of answers that are sent until they are kept.

const KEPT = "wright-outbox";
let token = decodeURIComponent(location.hash.slice(1)) || sessionStorage.getItem("wright-token") || "";
if (token) sessionStorage.setItem("wright-token", token);
if (location.hash) history.replaceState(null, "", location.pathname);

export class Refused extends Error {
  constructor(status, plain) {
    super(plain.error + (plain.hint ? ` (${plain.hint})` : ""));
    this.status = status;
    this.code = plain.code;
  }
}

async function answered(response) {
  if (response.ok) return response;
  let plain = { error: `the server answered ${response.status}` };
  try { plain = await response.json(); } catch { /* no JSON: the status says it */ }
  throw new Refused(response.status, plain);
}

const head = () => ({ authorization: `Bearer ${token}` });

export async function get(path) {
  return (await answered(await fetch(path, { headers: head() }))).json();
}

export async function post(path, plain, keepalive = false) {
  const body = JSON.stringify(plain);
  const sent = fetch(path, { method: "POST", headers: { ...head(), "content-type": "application/json" }, body, keepalive });
  return (await answered(await sent)).json();
}

export async function blob(path) {
  return (await answered(await fetch(path, { headers: head() }))).blob();
}

export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The outbox: one answer at a time, in order; a network that is away only delays it.
export class Outbox {
  constructor(tell) {
    this.tell = tell;
    this.waiting = JSON.parse(sessionStorage.getItem(KEPT) || "[]");
    this.busy = false;
    this.idle = [];
    this.run();
  }

  put(path, plain) {
    this.waiting.push({ path, plain: { ...plain, key: newKey() } });
    this.keep();
    this.run();
  }

  rows() { return this.waiting.map((one) => one.plain.row); }

  empty() { return this.waiting.length ? new Promise((resolve) => this.idle.push(resolve)) : Promise.resolve(); }

  keep() {
    try { sessionStorage.setItem(KEPT, JSON.stringify(this.waiting)); } catch { /* too large to keep: it is in memory */ }
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    let pause = 500;
    while (this.waiting.length) {
      const { path, plain } = this.waiting[0];
      try {
        await post(path, plain);
        pause = 500;
        this.tell("", this.waiting.length - 1);
      } catch (problem) {
        const lasting = problem instanceof Refused && problem.status < 500 && problem.status !== 408;
        if (!lasting) {
          this.tell(`not sent yet: ${this.waiting.length} answers wait for the server`, this.waiting.length);
          await new Promise((resolve) => setTimeout(resolve, pause));
          pause = Math.min(pause * 2, 10000);
          continue;
        }
        this.tell(`this answer was not kept: ${problem.message}`, this.waiting.length - 1);
      }
      this.waiting.shift();
      this.keep();
    }
    this.busy = false;
    this.idle.splice(0).forEach((resolve) => resolve());
  }
}
