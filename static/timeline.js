// @ts-check
/**
 * The list under a bell: what is kept and what comes live as one list, and what of it is read.
 *
 *   const list = new Timeline({ url, token, lang, changed: () => paint(list.rows(), list.unread) });
 *   const line = connect({ url, token, lang, name, position: await list.open() });
 *   line.on("frame", (frame) => list.frame(frame));
 *
 * What it shows depends on what it knows, not on the way by which that came.
 *
 * @typedef {import("./allim.js").Notification} Notification
 * @typedef {{ n: Notification, time: number, key: string, read: boolean, stays?: boolean, under: Row[] }} Row
 * `under` is what it has replaced; `stays`: it was read while only unread ones were shown.
 * @typedef {{ unread?: boolean, mall?: string, severity?: string }} Filter
 * @typedef {object} Options
 * @property {string} url Where Allim is.
 * @property {() => Promise<string>} [token] The operator's token; without it the cookie counts.
 * @property {string} [lang] `ko` or `en`.
 * @property {number} [me] The operator's number: what one did oneself is no news.
 * @property {() => void} changed It is time to paint.
 */

import { backoff, itemOf, meets } from "./allim.js";

/** Rows and marks remembered; pages asked for in a row; ids in one mark. */
const [MOST_ROWS, MOST_MARKS, MOST_PAGES, MOST_IDS] = [5000, 1000, 10, 500];
/** So long a stream waits for its list, and a question for its answer. */
const [OPENING, PATIENCE] = [3000, 10_000];
/** From here on nobody counts. */
const ENOUGH = 100;

export class Timeline {
  /** `none`: the server keeps none. `ill`: it cannot be had now. `later`: it is not complete yet.
   * @type {"loading" | "ready" | "none" | "ill" | "later"} */
  state = "loading";
  /** So many different ones came, kept or live. */
  known = 0;
  /** @type {Filter} */
  filter = {};
  /** Newest first. @type {Row[]} */
  #rows = [];
  /** @type {Map<string, Row>} */
  #byId = new Map();
  /** What was marked since the list was asked for: it knows better, also where the row comes later. @type {Map<string, boolean>} */
  #marks = new Map();
  /** Unread ones that are not loaded. */
  #beyond = 0;
  /** Below this time something may not be loaded, so nothing is shown. Before the first page there is none. */
  #floor = Infinity;
  /** Where older ones begin; empty: not known; null: there are none. @type {string | null} */
  #next = "";
  #position = "";
  #upTo = "";
  /** What the operator's rights are. */
  #scope = "";
  /** Ids of what one did oneself, to be told. @type {string[]} */
  #mine = [];
  /** Whether a stream has begun, and whether it has said all that was missed; and what was counted before that. */
  #greeted = false;
  #live = true;
  /** @type {number | null} */
  #held = null;
  #tries = 0;
  #timer = 0;
  #closed = false;
  /** @type {Promise<void> | null} */
  #loading = null;
  #again = false;
  #options;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /** Loads the newest; where a stream begins that misses nothing of what comes after. Does not wait for an ill store. */
  async open() {
    await Promise.race([this.load(), new Promise((late) => setTimeout(late, OPENING))]);
    if (this.state === "ready") this.#count();
    return this.#position || "earliest";
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #changed() {
    if (this.#closed) return;
    const ids = this.#mine.splice(0, MOST_IDS);
    if (ids.length > 0) this.#tell({ ids });
    this.#options.changed();
  }

  /** How many are unread; from 100 on "99+". */
  get unread() {
    return this.#unseen() + this.#beyond;
  }

  /** Whether there are older ones, as far as that is known. */
  get older() {
    return this.#next !== null && (this.#next !== "" || this.#floor !== Infinity);
  }

  /** What is to be shown, newest first. */
  rows() {
    /** @type {Map<string, Row>} */
    const items = new Map();
    const shown = new Set(this.#rows);
    for (let i = this.#rows.length - 1; i >= 0; i -= 1) {
      const row = this.#rows[i];
      row.under = [];
      const before = row.key && items.get(row.key);
      if (before && meets(row.n, before.n) === "late") {
        before.under.push(row);
        shown.delete(row);
      } else if (row.key) {
        if (before) row.under = [...before.under, before];
        if (before) shown.delete(before);
        items.set(row.key, row);
      }
    }
    return [...shown].filter((row) => (row.time >= this.#floor || this.#floor === Infinity) && this.#passes(row));
  }

  /** With all that it has replaced. @param {Row} row */
  isRead = (row) => row.read && row.under.every(({ read }) => read);

  /** @param {Row} row */
  #passes(row) {
    const { unread, mall, severity } = this.filter;
    return (!unread || row.stays || !this.isRead(row)) && (!mall || String(row.n.mallNo) === mall)
      && (!severity || row.n.severity === severity);
  }

  /** Shows only these. @param {Filter} filter */
  narrow(filter) {
    this.filter = filter;
    for (const row of this.#rows) row.stays = false;
    if (this.state === "none") return this.#changed();
    [this.#floor, this.#next] = [Infinity, ""];
    this.load();
  }

  /** Loads it anew, as far down as it was loaded. Who asks meanwhile gets one more. */
  load() {
    clearTimeout(this.#timer);
    this.#again = this.#loading !== null;
    this.#loading ??= this.#newest().finally(() => {
      this.#loading = null;
      if (this.#again) this.load();
    });
    return this.#loading;
  }

  #newest() {
    const down = this.#next === null ? this.#rows.at(-1)?.time ?? Infinity : this.#floor;
    return this.#pages("", Infinity, (floor) => floor === Infinity || floor > down);
  }

  /** Older ones, until there is something to see. */
  async more() {
    await this.#loading;
    const before = this.rows().length;
    if (this.#next !== null) await this.#pages(this.#next, this.#floor, (floor) => (this.#floor = floor, this.rows().length <= before));
  }

  /** Page after page, while more is wanted; one may be empty and not the last.
   * @param {string | null} cursor @param {number} floor @param {(floor: number) => boolean} wants */
  async #pages(cursor, floor, wants) {
    const { filter } = this;
    for (let pages = 0; cursor !== null && pages < MOST_PAGES && (pages === 0 || wants(floor)); pages += 1) {
      this.#marks.clear();
      const page = await this.#page(cursor);
      if (!page || filter !== this.filter || this.#closed) return;
      floor = this.#merge(page.items) ?? floor;
      cursor = page.next ?? null;
      this.#position ||= page.position ?? "";
    }
    [this.#next, this.#floor] = [cursor, cursor === null ? -Infinity : floor];
    if (this.#whole) this.#beyond = 0;
    this.#tries = 0;
    if (this.state !== "later") this.state = "ready";
    this.#trim();
    this.#changed();
  }

  /** @param {string} cursor @returns {Promise<any>} null: that is told, and tried again */
  async #page(cursor) {
    const asked = { ...this.filter, cursor, lang: this.#options.lang };
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(asked)) if (value) query.set(name, String(value));
    const answer = await this.#ask(`/timeline?${query}`);
    const page = answer?.ok ? await answer.json().catch(() => null) : null;
    if (page || this.#closed) return page;
    this.state = answer?.status === 404 ? "none" : "ill";
    if (this.state === "none") this.#next = null;
    // What is refused is asked for again when a stream begins.
    else if (!answer || answer.status >= 500) this.#timer = setTimeout(() => this.load(), 500 + backoff((this.#tries += 1)));
    this.#changed();
    return null;
  }

  /** Null: no answer. @param {string} path @param {object} [body] @returns {Promise<Response | null>} */
  async #ask(path, body) {
    const { url, token } = this.#options;
    try {
      /** @type {Record<string, string>} */
      const headers = { ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${await token()}` }) };
      return await fetch(url.replace(/\/+$/, "") + path, { headers, method: body ? "POST" : "GET", body: body && JSON.stringify(body),
        // The click that marks a row may be the one that leaves the page.
        keepalive: !!body, credentials: token ? "same-origin" : "include", signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      return null;
    }
  }

  /** @param {{ notification: Notification, read: boolean }[]} items @returns {number | undefined} how far down they reach */
  #merge(items) {
    const page = items.map(({ notification, read }) => {
      const known = this.#byId.get(notification.id);
      const row = known ?? this.#row(notification, read);
      if (known) row.read = this.#marks.get(row.n.id) ?? (read || this.#noNews(row.n));
      else if (!row.read) this.#beyond = Math.max(0, this.#beyond - 1);
      return row;
    });
    // Of one moment as the list has them; before them what it does not have yet.
    const others = new Set(this.#rows);
    for (const row of page) others.delete(row);
    this.#rows = [...others, ...page].sort((a, b) => b.time - a.time);
    return page.at(-1)?.time;
  }

  /** @param {Notification} n @param {boolean} read @returns {Row} */
  #row(n, read) {
    if (!read && !n.silent && this.#noNews(n)) this.#mine.push(n.id);
    const row = { n, time: Date.parse(n.at) || 0, key: n.collapseKey ? itemOf(n) : "", under: [],
      read: this.#marks.get(n.id) ?? (read || this.#noNews(n)) };
    this.#byId.set(n.id, row);
    this.known += 1;
    return row;
  }

  /** @param {Notification} n */
  #noNews(n) {
    return Boolean(n.silent) || (n.actorNo !== undefined && n.actorNo === this.#options.me);
  }

  #unseen() {
    return this.#rows.filter(({ read }) => !read).length;
  }

  #trim() {
    if (this.#rows.length <= MOST_ROWS) return;
    for (const row of this.#rows.splice(MOST_ROWS)) this.#byId.delete(row.n.id);
    if (this.state !== "none") [this.#floor, this.#next] = [Math.max(this.#floor, this.#rows[MOST_ROWS - 1].time), ""];
  }

  /** A frame of the stream, as `connect` gives it. @param {import("./allim.js").Frame} frame */
  frame({ event, id, data }) {
    this.hear(event === "message" ? "notification" : event, id, JSON.parse(data));
  }

  /** What a stream says. @param {string} kind @param {string} id @param {any} body
   * @returns {boolean} whether it is news that somebody should be called to */
  hear(kind, id, body) {
    if (id) this.#position = id;
    let calls = false;
    if (kind === "notification") calls = this.#came(body);
    else if (kind === "read") this.#read(body);
    else if (kind === "gap") this.#gap(body);
    else if (kind === "hello") {
      [this.#greeted, this.#live] = [true, false];
      if (this.#scope && this.#scope !== body.scope) this.#gap({ reason: "scope" });
      this.#scope = body.scope;
      if (this.state === "ill") this.#soon();
      if ("unread" in body) this.#stated(body.unread);
    } else if (kind === "status") {
      if (body.live) this.#live = true;
      if (body.live && this.#held !== null) this.#stated(this.#held);
      if (body.kept && this.state === "later") this.state = "ready";
      if (body.kept) this.load();
    } else return false;
    this.#changed();
    return calls;
  }

  /** @param {Notification} n */
  #came(n) {
    if (this.#byId.has(n.id)) return false;
    const row = this.#row(n, false);
    const before = row.key && this.#rows.find(({ key }) => key === row.key);
    const at = this.#rows.findIndex(({ time }) => time <= row.time);
    this.#rows.splice(at < 0 ? this.#rows.length : at, 0, row);
    this.#trim();
    return !row.read && !(before && ["late", "read"].includes(meets(n, before.n)));
  }

  /** @param {{ reason: string, list?: string }} gap */
  #gap({ reason, list }) {
    if (reason === "scope") {
      // With other rights nothing of before is to be seen.
      this.#byId.clear();
      [this.#rows, this.#beyond] = [[], 0];
    }
    if (this.state === "none") return;
    if (reason === "scope") this.state = "loading";
    if (list === "later") this.state = "later";
    // There may be older ones again.
    if (this.#next === null) [this.#next, this.#floor] = ["", this.#rows.at(-1)?.time ?? Infinity];
    this.#soon();
  }

  /** One reload for all that ask for one; and those who were told at the same moment do not ask at the same moment. */
  #soon() {
    clearTimeout(this.#timer);
    if (this.state !== "none") this.#timer = setTimeout(() => this.load(), Math.random() * 1000);
  }

  async #count() {
    const answer = await this.#ask("/timeline/unread-count");
    const counted = answer?.ok && await answer.json().catch(() => null);
    // What the stream has said meanwhile is newer.
    if (counted && !this.#greeted) this.#stated(counted.unread);
    this.#changed();
  }

  /** So many the server counts, with those on their way. Are it others than are known, some were marked elsewhere.
   * @param {number} unread */
  #stated(unread) {
    this.#held = this.#live ? null : unread;
    if (!this.#live) return;
    const known = this.#unseen();
    this.#beyond = this.#whole ? 0 : Math.max(0, unread - known);
    const differs = unread - Math.min(known, ENOUGH);
    if (differs < 0 || (this.#whole && differs > 0)) this.#soon();
  }

  /** Whether all there is is known. */
  get #whole() {
    return this.#next === null && Object.keys(this.filter).length === 0;
  }

  /** @param {{ ids?: string[], read?: boolean, upTo?: string, unread?: number }} body */
  #read({ ids, read = true, upTo, unread }) {
    for (const id of ids ?? []) {
      this.#marks.set(id, read);
      const row = this.#byId.get(id);
      if (row) this.#mark([row], read);
    }
    if (this.#marks.size > MOST_MARKS) this.#marks.clear();
    if (!ids && (!upTo || upTo !== this.#upTo)) {
      // Which rows that was only the list can say; if it is all, nobody has to wait for it.
      if (unread === 0) this.#mark(this.#rows, true);
      this.#soon();
    }
    if (unread !== undefined) this.#stated(unread);
  }

  /** @param {Row[]} rows @param {boolean} read @returns {Row[]} those that were not so */
  #mark(rows, read) {
    const others = rows.filter((row) => row.read !== read && (read || !row.n.silent));
    for (const row of others) {
      row.read = row.stays = read;
      this.#marks.set(row.n.id, read);
    }
    return others;
  }

  /** Marks rows with all that they have replaced, at once. @param {Row[]} rows
   * @returns {Promise<boolean>} false: the server does not take it, so it is taken back */
  async read(rows, read = true) {
    const marked = this.#mark(rows.flatMap((row) => [row, ...row.under]), read);
    this.#changed();
    for (let from = 0; from < marked.length; from += MOST_IDS) {
      const ids = marked.slice(from, from + MOST_IDS).map(({ n }) => n.id);
      if (!(await this.#tell({ ids, read }))) return this.#undo(marked.slice(from), read);
    }
    return true;
  }

  /** All up to here, also what is not loaded; what comes meanwhile stays unread. */
  async readAll() {
    if (!this.#position) return this.read(this.#rows);
    const [marked, beyond] = [this.#mark(this.#rows, true), this.#beyond];
    this.#beyond = 0;
    this.#changed();
    this.#upTo = this.#position;
    if (await this.#tell({ upTo: this.#upTo })) return true;
    this.#beyond = beyond;
    return this.#undo(marked, true);
  }

  /** @param {object} mark */
  async #tell(mark) {
    return this.state === "none" || Boolean((await this.#ask("/timeline/read", mark))?.ok);
  }

  /** @param {Row[]} rows @param {boolean} read */
  #undo(rows, read) {
    this.#mark(rows, !read);
    // Perhaps only the answer was lost: the list knows.
    for (const { n } of rows) this.#marks.delete(n.id);
    this.#soon();
    this.#changed();
    return false;
  }
}
