// One operator's view: who is looking, how the line is, running jobs, the list, and what was counted.
//
// A pane is given a source, which calls back with what comes; it does not know whether that came over allim.js, a bare
// EventSource or a bare WebSocket. It counts by itself: received, missing, repeated are what this page saw, not what somebody claims.

import { itemOf, meets } from "/allim.js";
import { announce, h, hush, icon, safe, show, word } from "/dom.js";
import { ago, exactly, language, spoken, t, won } from "/texts.js";

const MOST_ROWS = 1000;
const SHOWN_ROWS = 60;
const MOST_FRAMES = 20;
/** So many of one type, each within so long of the next, are one row. */
const CROWD = 6;
const CROWDED = 3000;

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
  /** Newest first: notifications, and dividers. */
  let items = [];
  const jobs = new Map();
  const frames = [];
  const ids = new Set();
  /** @type {any} */
  const counts = { received: 0, missing: 0, repeated: 0 };
  /** @type {any} */
  let state = { state: "connecting" };
  let me = null;
  let fresh = 0;
  let unseen = 0;
  let drawing = false;
  let cutAt = null;
  /** Why something could not be replayed, until somebody has seen it. */
  let gapped = null;

  const badge = h("b", { hidden: true });
  const bell = h("button", { className: "bell plain", onclick: seen }, icon("bell"), badge);
  const line = h("span");
  const act = h("button", { hidden: true, onclick: () => options.retry() });
  const stateLine = h("section", { className: "state" }, line, act);
  const jobList = h("ul", { className: "jobs" });
  const jobStrip = h("section", { hidden: true }, word("jobs", "h3"), jobList);
  const list = h("ol", { className: "list", tabIndex: 0, onscroll: () => list.scrollTop < 8 && draw() });
  const newer = h("button", { className: "newer main", hidden: true, onclick: toTop });
  const counted = h("p", { className: "counts" });
  const cut = options.cut && h("button", { onclick: () => options.cut() }, icon("cut"), word("cut"));
  const wire = h("pre", { tabIndex: 0 });
  const wireBox = h("details", { ontoggle: drawWire }, word("wire", "summary"), wire);
  const codeBox = h("details", {}, word("code", "summary"), h("pre", { tabIndex: 0, textContent: options.code }));
  const element = h("article", { className: "card pane" },
    h("header", {}, options.head, bell), stateLine, jobStrip, h("div", { className: "rows" }, list, newer),
    h("footer", {}, counted, cut), wireBox, codeBox);

  spoken(() => {
    list.ariaLabel = t().list;
    draw();
  });
  setInterval(() => document.hidden || draw(), 20_000);

  /** Nothing of what was shown before stays. */
  function clear() {
    items = [];
    jobs.clear();
    ids.clear();
    frames.length = fresh = unseen = 0;
    cutAt = null;
    hush();
    drawWire();
  }

  function seen() {
    unseen = 0;
    gapped = null;
    for (const item of items) item.seen = true;
    for (const li of list.children) li.classList.add("seen");
    draw();
  }

  function toTop() {
    list.scrollTop = 0;
    draw();
    list.focus();
  }

  /** What the source calls back with. */
  const handlers = {
    state(next) {
      const was = state;
      state = next;
      if (isLive(was) && !isLive(next)) cutAt = items[0] ?? null;
      if (next.state === "caught-up" && next.missed > 0) {
        const at = cutAt ? items.indexOf(cutAt) : items.length;
        if (at > 0) items.splice(at, 0, { divider: next.missed });
        announce(caughtUp(next));
        setTimeout(() => state === next && handlers.state({ state: "live" }), 15_000);
      }
      draw();
    },
    notification(notification) {
      counts.received += 1;
      if (ids.has(notification.id)) {
        counts.repeated += 1;
        return draw();
      }
      ids.add(notification.id);
      if (ids.size > 5000) ids.delete(ids.values().next().value);
      const old = items.findIndex((item) => meets(notification, item) !== "another");
      const verdict = old >= 0 && meets(notification, items[old]);
      if (jobs.has(itemOf(notification))) finish(notification);
      if (verdict === "late") return draw();
      const before = old >= 0 ? items.splice(old, 1)[0] : null;
      const own = me !== null && notification.actorNo === me;
      const item = { ...notification, arrived: Date.now(), seen: own || verdict === "read" || Boolean(notification.silent) };
      if (before && before === cutAt) cutAt = item;
      items.unshift(item);
      items.length = Math.min(items.length, MOST_ROWS);
      if (before && !before.seen) unseen = Math.max(0, unseen - 1);
      if (!item.seen) {
        unseen += 1;
        if (list.scrollTop > 8) fresh += 1;
        options.sound?.(item.severity);
        if (item.severity !== "critical") announce(item.title);
      }
      draw();
    },
    job(came) {
      const job = { ...came, running: true, arrived: Date.now() };
      const known = jobs.get(itemOf(job));
      if (known && meets(job, known) === "late") return;
      jobs.set(itemOf(job), job);
      draw();
    },
    gap(gap) {
      // How many were lost nobody can know; other rights are no loss.
      if (gap.reason === "scope") clear();
      else counts.missing = NaN;
      gapped = gap.reason;
      draw();
    },
    repeated() {
      counts.received += 1;
      counts.repeated += 1;
      draw();
    },
    frame(frame) {
      frames.unshift(frame);
      frames.length = Math.min(frames.length, MOST_FRAMES);
      if (wireBox.open) drawWire();
    },
  };

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
    if (gapped) return words[`gap.${gapped}`] ?? words.gap;
    return state.missed > 0 ? caughtUp(state) : words.live;
  }

  function drawState() {
    const good = ["live", "caught-up", "connecting", "catching-up"].includes(state.state) && !gapped;
    stateLine.dataset.state = state.state;
    stateLine.dataset.tone = good ? "good" : "bad";
    element.toggleAttribute("data-away", !["live", "caught-up", "catching-up", "paused"].includes(state.state));
    line.textContent = stateText();
    const word = RETRY[state.state];
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
    }), items.length > 0 && Date.now() - items[0].arrived < 50 && crowded(0) ? 250 : 0);
  }

  function drawAll() {
    drawState();
    badge.hidden = unseen === 0;
    badge.textContent = unseen > 99 ? "99+" : String(unseen);
    bell.ariaLabel = t().bell(badge.textContent);
    counted.replaceChildren(...Object.entries(counts).flatMap(([name, n], i) =>
      [`${i > 0 ? " · " : ""}${t()[name]} `, h("b", { textContent: Number.isNaN(n) ? "?" : n })]));
    jobStrip.hidden = jobs.size === 0;
    jobList.replaceChildren(...[...jobs.values()].reverse().map(jobRow));
    if (list.scrollTop > 8 && fresh > 0) {
      newer.hidden = false;
      newer.textContent = t().newer(fresh);
    } else {
      newer.hidden = true;
      fresh = 0;
    }
    const rows = items.length > 0 ? folded().slice(0, SHOWN_ROWS).map(row) : [empty()];
    const kept = list.scrollTop > 8 ? list.scrollHeight - list.scrollTop : 0;
    show(list, rows);
    if (kept > 0) list.scrollTop = list.scrollHeight - kept;
  }

  /** Whether a crowd of one type begins here: how many belong to it. */
  function crowded(from) {
    const first = items[from];
    if (!first || first.divider || first.collapseKey) return 0;
    let n = 1;
    while (from + n < items.length) {
      const [one, next] = [items[from + n - 1], items[from + n]];
      if (next.divider || next.type !== first.type || next.collapseKey || one.arrived - next.arrived > CROWDED) break;
      n += 1;
    }
    return n >= CROWD ? n : 0;
  }

  function folded() {
    const rows = [];
    for (let i = 0; i < items.length; i += 1) {
      const n = crowded(i);
      if (n > 0) {
        const all = items.slice(i, i + n);
        const sum = all.reduce((total, one) => total + (Number(one.data?.amount) || 0), 0);
        rows.push({ ...items[i], group: n, sum });
        i += n - 1;
      } else rows.push(items[i]);
    }
    return rows;
  }

  function empty() {
    return h("li", { className: "empty" }, h("p", { textContent: t().empty }),
      options.makeOne && h("button", { textContent: t().makeOne, onclick: options.makeOne }));
  }

  function row(item) {
    if (item.divider) return h("li", { className: "divider", textContent: t().missedDivider(item.divider) });
    const made = item.group ? null : item.row;
    if (made && made.lang === language()) {
      made.time.textContent = ago(item.at);
      return made.li;
    }
    const severe = ["warning", "error", "critical"].includes(item.severity);
    const label = item.group ? t().grouped(item.title.replace(/\s*[₩\d,.]+원?$/, ""), item.group) : item.title.replace(/^\[(긴급|urgent)\] /i, "");
    const time = h("time", { dateTime: item.at, title: exactly(item.at), textContent: ago(item.at) });
    const li = h("li", { className: [item.severity === "critical" && "critical", item.seen && "seen", !made && "new"]
      .filter(Boolean).join(" "), "data-id": item.id },
    h("span", { className: "icon" }, icon(item.category ?? "notice")),
    h("div", { role: item.severity === "critical" ? "alert" : null },
      h("h3", { dir: "auto" }, severe && h("span", { className: `word ${item.severity}` }, icon(item.severity), t().severity[item.severity]), label),
      h("p", { dir: "auto", textContent: !item.group ? item.body : item.sum > 0 ? `${t().sum} ${won(item.sum)}` : "" }),
      h("p", { className: "meta" },
        item.mallName && !item.body?.includes(item.mallName) && h("span", { dir: "auto", textContent: item.mallName }), time,
        item.handledBy && h("span", { className: "handled", textContent: t().handled(item.handledBy.adminName) }),
        opener(item.link))));
    if (!item.group) item.row = { li, time, lang: language() };
    return li;
  }

  /** What a link is for. The operator's token goes nowhere but to this server. */
  function opener(to) {
    const link = to && safe(to);
    if (!link) return null;
    if (!options.download || !link.startsWith(`${location.origin}/demo/exports/`)) {
      return h("a", { href: link, rel: "noreferrer", target: "_blank", textContent: t().open });
    }
    const button = h("button", { className: "plain", onclick: async () => {
      if (!(await options.download(link))) button.replaceChildren(t().notYours);
    } }, icon("download"), t().download);
    return button;
  }

  function jobRow(job) {
    const quiet = Math.floor((Date.now() - job.arrived) / 1000);
    const stale = !job.ended && quiet > (Number(job.data?.staleAfter) || 60);
    const bar = h("progress", { max: 100, ariaLabel: job.title });
    const percent = Number(job.data?.progress?.percent);
    if (Number.isFinite(percent)) bar.value = percent;
    return h("li", {},
      h("span", { dir: "auto", className: job.severity === "error" ? "bad" : "", textContent: job.title }),
      job.ended ? opener(job.link) : bar,
      h("small", { dir: "auto", textContent: stale ? t().silent(quiet) : job.body }));
  }

  return {
    element,
    handlers,
    /** Another operator looks: nothing of the one before stays. */
    reset(operator) {
      me = operator;
      clear();
      Object.assign(counts, { received: 0, missing: 0, repeated: 0 });
      gapped = null;
      state = { state: "connecting" };
      drawAll();
    },
  };
}
