// What is under the bell: the list, kept and live, what of it is unread, and what somebody wants to see of it.

import { announce, h, icon, safe, show, word } from "/dom.js";
import { ago, exactly, language, spoken, t, won } from "/texts.js";
import { Timeline } from "/timeline.js";

const SHOWN_ROWS = 60;
/** So many of one type, each within so long of the next, are one row. */
const CROWD = 6;
const CROWDED = 3000;
const SEVERITIES = ["critical", "error", "warning", "notice", "info"];

/** @param {{ changed: () => void, makeOne?: () => void, download?: (link: string) => Promise<boolean> }} options */
export function bellPanel({ changed, makeOne, download }) {
  /** @type {Timeline | null} */
  let list = null;
  let most = SHOWN_ROWS;
  let rest = false;
  let busy = false;
  let fresh = 0;
  let came = 0;
  let said = "";
  /** The malls of what came. */
  const malls = new Map();
  /** When the line was cut, and how many came until it was back; newest first. */
  let dividers = [];
  let cutAt = 0;
  /** What is drawn, by its oldest notification. */
  let drawn = new Map();

  const badge = h("b", { hidden: true });
  const button = h("button", { className: "bell plain", ariaExpanded: "true", onkeydown: escape,
    onclick: () => toggle(element.hidden) }, icon("bell"), badge);
  const unread = word("unreadOnly", "button", { ariaPressed: "false", onclick: () => {
    unread.ariaPressed = String(unread.ariaPressed === "false");
    narrow();
  } });
  const mall = h("select", { onchange: narrow });
  const severity = h("select", { onchange: narrow });
  /** @type {any} */
  const all = word("readAll", "button", { onclick: () => tell(list?.readAll()) });
  const note = h("p", { className: "note", hidden: true });
  const rows = h("ol", { className: "list", tabIndex: 0, onscroll: () => rows.scrollTop < 8 && changed() });
  const newer = h("button", { className: "newer main", hidden: true, onclick: toTop });
  const more = h("li", { className: "more" }, word("more", "button", { onclick: loadMore }));
  const element = h("section", { className: "rows", onkeydown: escape },
    h("div", { className: "filters" }, unread, mall, severity, all), note, rows, newer);

  spoken(() => {
    const words = t();
    rows.ariaLabel = words.list;
    mall.ariaLabel = words.mall;
    severity.ariaLabel = words.severityOf;
    choices(severity, [["", words.anySeverity], ...SEVERITIES.map((name) => [name, words.severity[name]])]);
  });

  function choices(select, values) {
    const { value } = select;
    select.replaceChildren(...values.map(([value, textContent]) => h("option", { value, textContent })));
    select.value = value;
  }

  function toggle(open) {
    element.hidden = !open;
    button.ariaExpanded = String(open);
    changed();
  }

  function escape({ key }) {
    if (key !== "Escape" || element.hidden) return;
    toggle(false);
    button.focus();
  }

  function narrow() {
    const wanted = { unread: unread.ariaPressed === "true", mall: mall.value, severity: severity.value };
    most = SHOWN_ROWS;
    rows.scrollTop = 0;
    list?.narrow(Object.fromEntries(Object.entries(wanted).filter(([, value]) => value)));
    changed();
  }

  /** A mark that the server does not take is taken back, and that is said. */
  async function tell(marked) {
    said = (await marked) === false ? t().notMarked : "";
    changed();
  }

  async function loadMore() {
    if (busy) return;
    busy = true;
    most += SHOWN_ROWS;
    if (!rest) await list?.more();
    busy = false;
    changed();
  }

  function toTop() {
    rows.scrollTop = 0;
    changed();
    rows.focus();
  }

  function draw() {
    const many = list?.unread ?? 0;
    badge.hidden = many === 0;
    badge.textContent = many > 99 ? "99+" : String(many);
    button.ariaLabel = t().bell(badge.textContent);
    if (!list || element.hidden) return;
    const words = t()[`list.${list.state}`] ?? said;
    if (words && note.textContent !== words) announce(words);
    note.textContent = words;
    note.hidden = !words;
    all.disabled = many === 0;
    if (rows.scrollTop <= 8) fresh = 0;
    newer.hidden = fresh === 0;
    newer.textContent = t().newer(fresh);
    const children = lines();
    // Behind the lines, which name the malls.
    mall.hidden = malls.size < 2;
    if (mall.options.length <= malls.size) choices(mall, [["", t().anyMall], ...malls]);
    if (rest || list.older) children.push(more);
    else if (children.length === 0) children.push(empty());
    // Whoever reads further down stays there, whatever is put above or below.
    const top = rows.scrollTop;
    const seen = top > 8 ? children.filter((li) => li.isConnected && li.offsetTop + li.offsetHeight > top) : [];
    const was = seen[0]?.offsetTop;
    show(rows, children);
    if (seen[0]) rows.scrollTop = top + seen[0].offsetTop - was;
  }

  function lines() {
    const shown = list.rows();
    for (const { n } of shown) if (n.mallNo) malls.set(String(n.mallNo), n.mallName ?? n.mallNo);
    const before = drawn;
    drawn = new Map();
    const made = [];
    const open = [...dividers];
    let i = 0;
    while (i < shown.length && made.length < most) {
      while (open.length > 0 && shown[i].time <= open[0].at) made.push(open.shift().li);
      const n = crowd(shown, i, open[0]?.at ?? 0);
      made.push(row(shown.slice(i, i + n), before));
      i += n;
    }
    rest = i < shown.length;
    if (!rest && shown.length > 0) made.push(...open.map(({ li }) => li));
    return made;
  }

  /** How many from here on are one row. */
  function crowd(shown, from, until) {
    const first = shown[from];
    if (first.key) return 1;
    let n = 1;
    for (; from + n < shown.length; n += 1) {
      const [one, next] = [shown[from + n - 1], shown[from + n]];
      if (next.time <= until || next.n.type !== first.n.type || next.key || one.time - next.time > CROWDED) break;
    }
    return n >= CROWD ? n : 1;
  }

  function empty() {
    const nothing = list.state === "loading" ? "" : Object.keys(list.filter).length > 0 ? t().noneSuch : t().empty;
    return h("li", { className: "empty" }, h("p", { textContent: nothing }),
      makeOne && nothing === t().empty && h("button", { textContent: t().makeOne, onclick: makeOne }));
  }

  /** One line for one notification, or for many of a kind. */
  function row(some, before) {
    const key = some.at(-1).n.id;
    const looks = `${language()} ${some.length} ${some[0].n.id}`;
    const known = before.get(key);
    const made = known?.looks === looks ? known : { looks, ...make(some, !known) };
    drawn.set(key, made);
    made.some = some;
    const read = some.every(list.isRead);
    made.time.textContent = ago(some[0].n.at);
    made.li.classList.toggle("seen", read);
    made.mark.hidden = read;
    return made.li;
  }

  function make(some, isNew) {
    const item = some[0].n;
    const group = some.length > 1;
    const sum = some.reduce((total, { n }) => total + (Number(n.data?.amount) || 0), 0);
    const urgent = item.severity === "critical";
    const live = isNew && Date.now() - came < 1000;
    const severe = urgent || ["warning", "error"].includes(item.severity);
    const label = group ? t().grouped(item.title.replace(/\s*[₩\d,.]+원?$/, ""), some.length)
      : item.title.replace(/^\[(긴급|urgent)\] /i, "");
    const time = h("time", { dateTime: item.at, title: exactly(item.at) });
    const mark = h("button", { className: "plain mark", textContent: t().read, onclick: () => rows.focus() });
    // Also whoever opens what it links to has read it.
    const read = () => tell(list.read(drawn.get(some.at(-1).n.id)?.some ?? some));
    const li = h("li", { className: [urgent && "critical", live && "new"].filter(Boolean).join(" "),
      "data-id": item.id, onclick: read },
    h("span", { className: "icon" }, icon(item.category ?? "notice")),
    h("div", { role: urgent && live ? "alert" : null },
      h("h3", { dir: "auto" }, severe && h("span", { className: `word ${item.severity}` }, icon(item.severity), t().severity[item.severity]), label),
      h("p", { dir: "auto", textContent: !group ? item.body : sum > 0 ? `${t().sum} ${won(sum)}` : "" }),
      h("p", { className: "meta" },
        item.mallName && !item.body?.includes(item.mallName) && h("span", { dir: "auto", textContent: item.mallName }), time,
        item.handledBy && h("span", { className: "handled", textContent: t().handled(item.handledBy.adminName) }),
        opener(item.link, download), mark)));
    return { li, time, mark };
  }

  return {
    button,
    element,
    draw,
    /** Another operator looks: nothing of the one before stays. Where a stream begins. */
    open(operator) {
      list?.close();
      [most, fresh, said, dividers, drawn] = [SHOWN_ROWS, 0, "", [], new Map()];
      unread.ariaPressed = "false";
      severity.value = "";
      malls.clear();
      mall.replaceChildren();
      list = new Timeline({ url: location.origin, token: async () => operator.token, lang: language(), me: operator.adminNo, changed });
      return list.open();
    },
    /** Whether somebody should be called to it. */
    hear(kind, id, body) {
      const calls = list?.hear(kind, id, body) ?? false;
      if (kind === "notification") came = Date.now();
      if (calls && rows.scrollTop > 8) fresh += 1;
      if (kind === "gap" && body.reason === "scope") dividers = [];
      return calls;
    },
    reload: () => list?.load(),
    /** Whether what cannot be replayed is in the list all the same. */
    keeps: () => !["none", "ill"].includes(list?.state ?? "none"),
    known: () => list?.known ?? 0,
    /** The line is cut here. */
    cut() {
      cutAt = list?.rows()[0]?.time ?? 0;
    },
    /** It is back, and brought so many. */
    divide(missed) {
      dividers.unshift({ at: cutAt, li: h("li", { className: "divider", textContent: t().missedDivider(missed) }) });
    },
    /** Whether so much comes that eyes cannot follow. */
    rush: () => Date.now() - came < 50 && crowded(),
  };

  function crowded() {
    const shown = list?.rows() ?? [];
    return shown.length > 0 && crowd(shown, 0, 0) > 1;
  }
}

/** What a link is for. The operator's token goes nowhere but to this server. */
export function opener(to, download) {
  const link = to && safe(to);
  if (!link) return null;
  if (!download || !link.startsWith(`${location.origin}/demo/exports/`)) {
    return h("a", { href: link, rel: "noreferrer", target: "_blank", textContent: t().open });
  }
  const button = h("button", { className: "plain", onclick: async () => {
    if (!(await download(link))) button.replaceChildren(t().notYours);
  } }, icon("download"), t().download);
  return button;
}
