// One operator's view: who is looking, how the line is, running jobs, the list, and what was counted.
//
// A pane is given a source, which calls back with what comes; it does not know whether that came over allim.js, a bare
// EventSource or a bare WebSocket. It counts by itself: received, missing, repeated are what this page saw, not what somebody claims.

import { itemOf, meets } from "/allim.js";
import { bellPanel, opener } from "/bell.js";
import { announce, h, hush, icon, word } from "/dom.js";
import { spoken, t } from "/texts.js";

const MOST_FRAMES = 20;
const MOST_IDS = 5000;

/** What that is called. */
const RETRY = { reconnecting: "now", waiting: "now", accounts: "now", replaced: "useThis", ended: "signIn" };

/** A frame of an event stream, as it stands on the wire. */
export function written({ event, id, data }) {
  return `${id ? `id: ${id}\n` : ""}${event === "message" ? "" : `event: ${event}\n`}data: ${data}`;
}

/**
 * @param {object} options
 * @param {HTMLElement} options.head what names the operator: a choice, or a box for a token
 * @param {string} options.code the dozen lines that make it work
 * @param {() => void} [options.cut] kills the line on the server's side; absent outside the demo
 * @param {(link: string) => Promise<boolean>} [options.download] fetches a file with the operator's right
 * @param {(severity: string) => void} [options.sound]
 * @param {() => void} [options.makeOne] publishes an order
 * @param {() => void} options.retry what a person can do about a line that is away
 */
export function operatorPane(options) {
  const jobs = new Map();
  const frames = [];
  /** What the stream has brought. */
  const ids = new Set();
  const counts = { received: 0, missing: 0, repeated: 0 };
  /** @type {any} */
  let state = { state: "nobody" };
  /** Whether it has been live: what comes before that was not missed. */
  let been = false;
  let drawing = false;
  /** Why something could not be replayed, until somebody has seen it. */
  let gapped = null;

  const bell = bellPanel({ changed: draw, makeOne: options.makeOne, download: options.download });
  const line = h("span");
  const act = h("button", { hidden: true, onclick: () => (offersReload() ? reload() : options.retry()) });
  const stateLine = h("section", { className: "state" }, line, act);
  const jobList = h("ul", { className: "jobs" });
  const jobStrip = h("section", { hidden: true }, word("jobs", "h3"), jobList);
  const counted = h("p", { className: "counts" });
  const cut = options.cut && h("button", { onclick: () => options.cut() }, icon("cut"), word("cut"));
  const wire = h("pre", { tabIndex: 0 });
  const wireBox = h("details", { ontoggle: drawWire }, word("wire", "summary"), wire);
  const codeBox = h("details", {}, word("code", "summary"), h("pre", { tabIndex: 0, textContent: options.code }));
  const element = h("article", { className: "card pane" },
    h("header", {}, options.head, bell.button), stateLine, jobStrip, bell.element,
    h("footer", {}, counted, cut), wireBox, codeBox);

  spoken(draw);
  setInterval(() => document.hidden || draw(), 20_000);

  /** Nothing of what was shown before stays. */
  function clear() {
    jobs.clear();
    ids.clear();
    frames.length = 0;
    hush();
    drawWire();
  }

  function offersReload() {
    return isLive(state) && gapped && bell.keeps();
  }

  function reload() {
    gapped = null;
    bell.reload();
    draw();
  }

  /** What the source calls back with. */
  const handlers = {
    state(next) {
      const was = state;
      state = next;
      if (!been && next.state === "catching-up") state = { state: "connecting" };
      if (!been && next.state === "caught-up") state = { state: "live" };
      if (isLive(was) && !isLive(next)) bell.cut();
      if (isLive(next)) been = true;
      if (state.state === "caught-up" && next.missed > 0) {
        bell.divide(next.missed);
        announce(caughtUp(next));
        setTimeout(() => state === next && handlers.state({ state: "live" }), 15_000);
      }
      draw();
    },
    /** A frame of the stream: its kind, its id, what it says, and how that is written. */
    hear(kind, id, body, raw) {
      frames.unshift(raw);
      frames.length = Math.min(frames.length, MOST_FRAMES);
      if (wireBox.open) drawWire();
      const calls = bell.hear(kind, id, body);
      if (kind === "notification") came(body, calls);
      if (kind === "job") job(body);
      if (kind === "gap") gap(body);
    },
  };

  function came(notification, calls) {
    if (ids.has(notification.id)) counts.repeated += 1;
    ids.add(notification.id);
    if (ids.size > MOST_IDS) ids.delete(ids.values().next().value);
    if (jobs.has(itemOf(notification))) finish(notification);
    if (calls) {
      options.sound?.(notification.severity);
      if (notification.severity !== "critical") announce(notification.title);
    }
    draw();
  }

  function job(body) {
    const one = { ...body, running: true, arrived: Date.now() };
    const known = jobs.get(itemOf(one));
    if (known && meets(one, known) === "late") return;
    jobs.set(itemOf(one), one);
    draw();
  }

  function gap({ reason, list }) {
    // Other rights are no loss, nor is what the list has. How many else were lost nobody can know.
    if (reason === "scope") clear();
    else if (!bell.keeps()) counts.missing = NaN;
    gapped = list === "later" ? null : reason;
    draw();
  }

  function finish(end) {
    const ended = { ...end, ended: true, arrived: Date.now() };
    jobs.set(itemOf(end), ended);
    for (const [key, one] of jobs) if (one.ended && jobs.size > 3 && one !== ended) jobs.delete(key);
  }

  function isLive(one) {
    return one.state === "live" || one.state === "caught-up";
  }

  function caughtUp({ missed, tookMs }) {
    return t().caughtUp(missed, Math.max(0.1, tookMs / 1000).toFixed(1));
  }

  function stateText() {
    const words = t();
    if (!isLive(state)) return words[state.state] ?? words.connecting;
    if (gapped) return words[`gap.${gapped}`] ?? (bell.keeps() ? words["gap.list"] : words.gap);
    return state.missed > 0 ? caughtUp(state) : words.live;
  }

  function drawState() {
    const good = ["nobody", "live", "caught-up", "connecting", "catching-up"].includes(state.state) && !gapped;
    stateLine.dataset.state = state.state;
    stateLine.dataset.tone = good ? "good" : "bad";
    element.toggleAttribute("data-away", !["live", "caught-up", "catching-up", "paused"].includes(state.state));
    line.textContent = stateText();
    const word = offersReload() ? "reload" : RETRY[state.state];
    act.hidden = !word;
    act.textContent = word ? t()[word] : "";
  }

  function drawWire() {
    wire.textContent = frames.join("\n\n");
  }

  function draw() {
    if (drawing) return;
    drawing = true;
    // Four times a second are enough for eyes, however much comes.
    setTimeout(() => requestAnimationFrame(() => {
      drawing = false;
      drawAll();
    }), bell.rush() ? 250 : 0);
  }

  function drawAll() {
    drawState();
    bell.draw();
    counts.received = bell.known();
    counted.replaceChildren(...Object.entries(counts).flatMap(([name, n], i) =>
      [`${i > 0 ? " · " : ""}${t()[name]} `, h("b", { textContent: Number.isNaN(n) ? "?" : n })]));
    jobStrip.hidden = jobs.size === 0;
    jobList.replaceChildren(...[...jobs.values()].reverse().map(jobRow));
  }

  function jobRow(job) {
    const quiet = Math.floor((Date.now() - job.arrived) / 1000);
    const stale = !job.ended && quiet > (Number(job.data?.staleAfter) || 60);
    const bar = h("progress", { max: 100, ariaLabel: job.title });
    const percent = Number(job.data?.progress?.percent);
    if (Number.isFinite(percent)) bar.value = percent;
    return h("li", {},
      h("span", { dir: "auto", className: job.severity === "error" ? "bad" : "", textContent: job.title }),
      job.ended ? opener(job.link, options.download) : bar,
      h("small", { dir: "auto", textContent: stale ? t().silent(quiet) : job.body }));
  }

  return {
    element,
    handlers,
    /** Another operator looks: nothing of the one before stays. Where the stream begins. */
    open(operator) {
      clear();
      Object.assign(counts, { missing: 0, repeated: 0 });
      [gapped, been, state] = [null, false, { state: "connecting" }];
      const position = bell.open(operator);
      drawAll();
      return position;
    },
  };
}
