// @ts-check
/**
 * Allim's client for browsers: one module, nothing to build, nothing else to load.
 *
 *   import { connect } from "https://allim.example.com/allim.js";
 *   const line = connect({ url: "https://allim.example.com", token: async () => session.token, name: session.adminNo });
 *   line.on("notification", (notification) => …);
 *
 * It logs in (with a ticket for your token, or with the cookie of the back office), resumes where it was after every
 * break, notices a dead connection, waits with jitter, and shares one connection among the tabs of one operator.
 *
 * @typedef {object} Options
 * @property {string} url Where Allim is: `https://allim.example.com`.
 * @property {() => Promise<string>} [token] The operator's token, asked for at every connect. Without it the cookie counts.
 * @property {string} [lang] `ko` or `en`; without it the operator's own.
 * @property {string} [name] Who is looking, such as the operator's number. Tabs with the same `url`, `name` and `lang`
 *   share one connection, and one that joins hears the last of what they heard; without a name each tab has its own.
 * @property {string} [position] Where to begin: the last position you kept, or `earliest` for what the server remembers.
 * @property {number} [hiddenAfterMs] A tab hidden for so long gives its connection away (30,000).
 *
 * @typedef {{ id: string, type: string, category?: string, severity: string, title: string, body?: string, link?: string,
 *   mallNo?: number, mallName?: string, partnerNo?: number, at: string, occurredAt?: string, expiresAt?: string,
 *   collapseKey?: string, silent?: boolean, correlationId?: string, actorNo?: number, handledBy?: unknown, data?: any,
 *   running?: boolean }} Notification
 *
 * @typedef {"connecting" | "catching-up" | "caught-up" | "live" | "paused" | "reconnecting" | "waiting" | "offline"
 *   | "accounts" | "full" | "resting" | "ended" | "replaced" | "refused"} StateName
 * `live` and `caught-up`: you have everything so far (`caught-up` says how many were missed, and how long they took).
 * `paused`: Kafka is away; nothing is lost. `waiting`: the server does not answer. `full`: over HTTP/1.1
 * a browser has six connections, and other tabs have them all. `ended`, `replaced`, `refused`: it does
 * not come back by itself; see `retry`.
 * @typedef {{ state: StateName, missed?: number, tookMs?: number, inMs?: number, reason?: string }} State
 *
 * @typedef {{ event: string, id: string, data: string }} Frame A frame as it came.
 *
 * @typedef {object} Events
 * @property {State} state The line is another.
 * @property {Notification} notification Each once, in order.
 * @property {Notification} job The newest state of a running job; its end is a notification.
 * @property {{ reason: string }} gap Something was missed that cannot be sent again: reload your list.
 * @property {Notification} repeated Came again and was dropped.
 * @property {Frame} frame Every frame, for who wants to look.
 */

/** Ids remembered to drop repeats; frames kept for a tab that joins. */
const MOST_IDS = 5000;
const KEPT = 200;
/** A question that takes longer was lost on the way. */
const PATIENCE = 10_000;
/** So many connections to one address has a browser over HTTP/1.1; who has one of them holds this lock, shared. */
const [SLOTS, STREAM] = [6, "allim stream"];
const FRAMES = ["hello", "message", "job", "read", "gap", "status", "beat", "bye"];

/** How long to wait before try `n`: full jitter, so that those who were cut together do not return together.
 * @param {number} n @param {() => number} [random] */
export function backoff(n, random = Math.random) {
  return random() * Math.min(30_000, 1000 * 2 ** n);
}

const SEVERITIES = ["info", "notice", "warning", "error", "critical"];

/** What becomes of a shown notification when another comes: it is about `another` thing, or comes too `late`, or takes
 * its place, as `unread` or, being less severe, as `read`.
 * @param {Notification} next @param {Notification} shown @returns {"another" | "late" | "unread" | "read"} */
export function meets(next, shown) {
  if (!next.collapseKey || itemOf(next) !== itemOf(shown)) return "another";
  // The end of a job is the end, whatever the clocks of those say who work on it.
  if (!next.running === !shown.running ? older(next, shown) : next.running) return "late";
  return SEVERITIES.indexOf(next.severity) < SEVERITIES.indexOf(shown.severity) ? "read" : "unread";
}

/** What a notification is about: keys of two malls never meet. @param {Notification} n */
export const itemOf = (n) => `${n.mallNo ?? ""} ${n.collapseKey}`;

/** @param {Notification} next @param {Notification} shown */
function older(next, shown) {
  const [version, before] = [next.data?.version, shown.data?.version];
  if (Number.isInteger(version) && Number.isInteger(before) && version !== before) return version < before;
  if (next.occurredAt && shown.occurredAt) return Date.parse(next.occurredAt) < Date.parse(shown.occurredAt);
  return Date.parse(next.at) < Date.parse(shown.at);
}

/** Opens a line. It stays until `close`. @param {Options} options */
export function connect(options) {
  return new Line(options);
}

/** What `connect` gives back. */
export class Line {
  /** @type {Map<string, Set<(event: any) => void>>} */
  #hears = new Map();
  #ids = new Set();
  /** @type {Frame[]} */
  #kept = [];
  /** Of running jobs the newest frame. @type {Map<string, Frame>} */
  #jobs = new Map();
  #me = Math.random();
  /** Whether it has what the others have. */
  #joined = false;
  /** @type {State} */
  #state = { state: "connecting" };
  #position = "";
  /** @type {Wire | null} */
  #wire = null;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {AbortController | null} */
  #wish = null;
  /** Gives the lock back. @type {(() => void) | null} */
  #yield = null;
  /** Tells that the stream is over. */
  #gone = () => {};
  #hidden = 0;
  #closed = new AbortController();
  #options;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#position = options.position ?? "";
    const { signal } = this.#closed;
    document.addEventListener("visibilitychange", () => this.#seen(), { signal });
    addEventListener("online", () => this.#wire?.now(), { signal });
    addEventListener("offline", () => this.#wire?.offline(), { signal });
    if (options.name !== undefined && "locks" in navigator) {
      this.#channel = new BroadcastChannel(this.#key());
      this.#channel.onmessage = ({ data }) => this.#told(data);
      this.#channel.postMessage({ ask: this.#me });
    }
    // So that whoever has just called `connect` can say what it wants to hear.
    queueMicrotask(() => this.#seen());
  }

  /** @template {keyof Events} K @param {K} name @param {(event: Events[K]) => void} hear @returns {this} */
  on(name, hear) {
    const all = this.#hears.get(name) ?? new Set();
    this.#hears.set(name, all.add(hear));
    return this;
  }

  /** Where the line stands; keep it to begin there another time. */
  get position() {
    return this.#position;
  }

  get state() {
    return this.#state;
  }

  /** At once instead of later; also after `ended` or `replaced`, when a person wants it. */
  retry() {
    if (this.#wire) this.#wire.now(true);
    else this.#channel?.postMessage({ retry: true });
  }

  close() {
    this.#closed.abort();
    clearTimeout(this.#hidden);
    this.#wish?.abort();
    this.#stop();
    this.#channel?.close();
    this.#hears.clear();
  }

  #key() {
    const { url, name, lang } = this.#options;
    return `allim ${new URL(url, location.href).origin} ${name} ${lang ?? ""}`;
  }

  /** A tab that can be seen wants to lead, or to be led. One that was hidden for long gives its place away. */
  #seen() {
    clearTimeout(this.#hidden);
    if (this.#closed.signal.aborted) return;
    if (document.hidden) {
      const rest = () => {
        this.#wish?.abort();
        this.#wish = null;
        if (this.#wire) {
          this.#stop();
          this.#become({ state: "resting" }, true);
        }
      };
      this.#hidden = setTimeout(rest, this.#options.hiddenAfterMs ?? 30_000);
      if (this.#wish) return;
    }
    if (this.#wire) this.#wire.now();
    else if (!this.#wish) this.#lead();
  }

  #lead() {
    this.#wish = new AbortController();
    if (!this.#channel) return this.#start();
    const hold = () => new Promise((done) => {
      if (this.#closed.signal.aborted) return done(null);
      this.#yield = () => done(null);
      this.#start();
    });
    // The lock goes to the next tab when this one gives it back, is closed, or dies.
    navigator.locks.request(this.#key(), { signal: this.#wish.signal }, hold).catch(() => {});
  }

  #start() {
    this.#joined = true;
    const held = new Promise((done) => { this.#gone = () => done(null); });
    navigator.locks?.request(STREAM, { mode: "shared" }, () => held);
    this.#wire = new Wire(this.#options, this.#position, {
      state: (state) => this.#become(state, true),
      frame: (frame) => {
        this.#channel?.postMessage({ frame });
        this.#frame(frame);
      },
    });
  }

  #stop() {
    this.#wire?.close();
    this.#wire = null;
    this.#gone();
    this.#wish = null;
    this.#yield?.();
    this.#yield = null;
  }

  /** What another tab says. @param {any} said */
  #told(said) {
    if (this.#wire) {
      const [kept, position, state] = [[...this.#kept, ...this.#jobs.values()], this.#position, this.#state];
      if (said.ask) this.#channel?.postMessage({ to: said.ask, kept, position, state });
      if (said.retry) this.#wire.now(true);
    } else if (said.to) {
      if (said.to !== this.#me || this.#joined) return;
      this.#joined = true;
      // Also where its own position is one of those: it goes on behind it.
      const known = said.kept.findIndex((/** @type {Frame} */ { id }) => id && id === this.#position);
      for (const frame of said.kept.slice(known + 1)) this.#frame(frame);
      this.#position = said.position;
      this.#become(said.state, false);
    } else if (this.#joined) {
      if (said.frame) this.#frame(said.frame);
      if (said.state) this.#become(said.state, false);
    } else if (said.frame || said.state) {
      // The answer has it.
      this.#channel?.postMessage({ ask: this.#me });
    }
  }

  /** @param {State} state @param {boolean} tell */
  #become(state, tell) {
    this.#state = state;
    if (tell) this.#channel?.postMessage({ state });
    this.#say("state", state);
  }

  /** @param {Frame} frame */
  #frame(frame) {
    if (frame.id) this.#position = frame.id;
    this.#say("frame", frame);
    const body = JSON.parse(frame.data);
    if (frame.event === "gap") {
      // With other rights nothing of before is for whoever joins.
      if (body.reason === "scope") [this.#kept, this.#jobs, this.#ids] = [[], new Map(), new Set()];
      this.#say("gap", body);
    } else if (frame.event === "job") {
      this.#jobs.set(itemOf(body), frame);
      this.#say("job", { ...body, running: true });
    } else if (frame.event === "message") this.#message(frame, body);
  }

  /** @param {Frame} frame @param {Notification} body */
  #message(frame, body) {
    this.#jobs.delete(itemOf(body));
    this.#kept.push(frame);
    if (this.#kept.length > KEPT) this.#kept.shift();
    if (this.#ids.has(body.id)) return this.#say("repeated", body);
    this.#ids.add(body.id);
    if (this.#ids.size > MOST_IDS) this.#ids.delete(this.#ids.values().next().value);
    this.#say("notification", body);
  }

  /** @param {string} name @param {unknown} event */
  #say(name, event) {
    for (const hear of this.#hears.get(name) ?? []) {
      try {
        hear(event);
      } catch (error) {
        // One listener's mistake is not the line's.
        reportError(error);
      }
    }
  }
}

/** The connection itself: a ticket, an EventSource, and what to do when it ends. */
class Wire {
  #options;
  #position;
  #to;
  /** @type {EventSource | null} */
  #events = null;
  #timer = 0;
  #silence = 0;
  #tries = 0;
  #turn = 0;
  #missed = 0;
  #began = 0;
  /** Whether it has been live before: what comes before the next `live` was missed. */
  #before = false;
  #live = false;
  #over = false;
  #opening = false;

  /** @param {Options} options @param {string} position
   *  @param {{ state: (state: State) => void, frame: (frame: Frame) => void }} to */
  constructor(options, position, to) {
    this.#options = options;
    this.#position = position;
    this.#to = to;
    this.#before = position !== "" && position !== "earliest";
    this.#open();
  }

  offline() {
    if (!this.#over) this.#later({ state: "offline" });
  }

  /** A person or the system says that now is a good moment. */
  now(byHand = false) {
    if (this.#events || this.#opening || (this.#over && !byHand)) return;
    this.#over = false;
    this.#tries = 0;
    this.#open();
  }

  /** Whatever is under way is for nobody any more. */
  close() {
    this.#turn += 1;
    this.#opening = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#events?.close();
    this.#events = null;
    this.#live = false;
  }

  /** @param {State} state @param {number} [wait] */
  #later(state, wait = backoff(this.#tries)) {
    this.close();
    this.#tries += 1;
    this.#to.state(navigator.onLine === false ? { state: "offline" } : { ...state, inMs: Math.round(wait) });
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  /** @param {StateName} state @param {string} [reason] */
  #end(state, reason) {
    this.close();
    this.#over = true;
    this.#to.state({ state, reason });
  }

  async #open() {
    this.close();
    const turn = this.#turn;
    this.#opening = true;
    if (this.#tries === 0 && !this.#before) this.#to.state({ state: "connecting" });
    const { status, ticket } = await this.#ask().catch(() => ({ status: 0, ticket: "" }));
    if (turn !== this.#turn) return;
    if (status !== 200) return this.#refused(status);
    this.#opening = false;
    const query = new URLSearchParams();
    if (ticket) query.set("ticket", ticket);
    if (this.#position) query.set("last_event_id", this.#position);
    if (this.#options.lang) query.set("lang", this.#options.lang);
    const events = new EventSource(`${this.#base()}/notifications?${query}`, { withCredentials: !this.#options.token });
    this.#events = events;
    this.#missed = 0;
    this.#began = performance.now();
    this.#listen();
    for (const name of FRAMES) {
      events.addEventListener(name, (event) => turn === this.#turn && this.#frame(/** @type {MessageEvent} */ (event), name));
    }
    events.onerror = () => turn === this.#turn && this.#later({ state: "reconnecting" });
  }

  #base() {
    return this.#options.url.replace(/\/+$/, "");
  }

  /** Asks to be let in: for a ticket, a new one each time, as it opens one stream. With a cookie an EventSource would do,
   *  but cannot say why it was refused. */
  async #ask() {
    const { token } = this.#options;
    const late = new Promise((_, no) => setTimeout(no, PATIENCE));
    /** @type {RequestInit} */
    const how = token ? { method: "POST", headers: { Authorization: `Bearer ${await Promise.race([token(), late])}` } }
      : { method: "HEAD", credentials: "include" };
    const path = token ? "/tickets" : "/notifications";
    const answer = await fetch(this.#base() + path, { ...how, signal: AbortSignal.timeout(PATIENCE) });
    return { status: answer.status, ticket: token && answer.ok ? (await answer.json()).ticket : "" };
  }

  /** @param {number} status 0: no answer */
  async #refused(status) {
    const turn = this.#turn;
    const locks = status ? [] : (await navigator.locks?.query())?.held ?? [];
    if (turn !== this.#turn) return;
    if (status === 401) this.#end("ended", "expired");
    else if (status === 403) this.#end("refused");
    else if (locks.filter(({ name }) => name === STREAM).length > SLOTS) this.#later({ state: "full" });
    else this.#later({ state: status === 503 ? "accounts" : status || this.#tries > 0 ? "waiting" : "reconnecting" });
  }

  #heartbeat = 15;

  /** A line on which nothing comes for two heartbeats and some is dead, whatever the system believes. */
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#later({ state: "reconnecting" }), this.#heartbeat * 2000 + 5000);
  }

  /** @param {MessageEvent} event @param {string} name */
  #frame({ data, lastEventId }, name) {
    const body = JSON.parse(data);
    // The browser repeats the last id for frames that have none.
    const id = ["job", "read", "status", "bye"].includes(name) || lastEventId === this.#position ? "" : lastEventId;
    if (name === "hello") this.#heartbeat = body.heartbeatSeconds ?? 15;
    this.#listen();
    if (id) this.#position = id;
    if (name === "message" && !this.#live) this.#missed += 1;
    this.#to.frame({ event: name, id, data });
    if (name === "hello") this.#to.state({ state: this.#before ? "catching-up" : "connecting" });
    if (name === "status") this.#status(body);
    if (name === "bye") this.#bye(body);
  }

  /** @param {{ live?: boolean, reason?: string }} status */
  #status({ live, reason }) {
    if (live === false) {
      this.#live = false;
      this.#to.state({ state: "paused", reason });
    } else if (live) {
      const missed = this.#before ? this.#missed : 0;
      this.#live = this.#before = true;
      this.#tries = 0;
      this.#missed = 0;
      this.#to.state(missed > 0 ? { state: "caught-up", missed, tookMs: performance.now() - this.#began } : { state: "live" });
    }
  }

  /** @param {{ reason: string, reconnect: boolean, retryAfterMs?: number }} bye */
  #bye({ reason, reconnect, retryAfterMs }) {
    if (!reconnect) this.#end(reason === "replaced" ? "replaced" : "ended", reason);
    else this.#later({ state: reason === "accounts" ? "accounts" : "reconnecting", reason }, retryAfterMs);
  }
}
