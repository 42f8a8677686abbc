// The publishing panel: an event as a domain service would send it, who will get it, and the same as code.

import { h, word } from "/dom.js";
import { examples } from "/code.js";
import { named, post } from "/page.js";
import { spoken, t } from "/texts.js";

const MALLS = { 1001: "온달몰", 1002: "평강몰" };
const malls = Object.entries(MALLS);
const now = () => new Date(Date.now() + 9 * 3600e3).toISOString().slice(0, 19).replace("T", " ");
const serial = () => String(Date.now()).slice(-9);
const orderNo = () => now().slice(0, 10).replaceAll("-", "") + serial();
const FOOD = { partnerNo: 501, partnerName: "한결식품" };

const about = (mall, type, data) => ({ type, data: { mallNo: Number(mall), mallName: MALLS[mall], ...data } });
const MALL = ["mall", "1001"];

/** What each kind asks for, and the event it becomes. A field is [name, value]; `mall` is a choice. */
const kinds = {
  order: {
    fields: [MALL, ["title", "사과 3kg"], ["amount", "39000"]],
    make: ({ mall, title, amount }) => about(mall, "order.created", { orderNo: orderNo(), orderYmdt: now(), currencyCode: "KRW",
      firstPayAmt: Number(amount) + 89000, orderProductOptions: [
        { productName: title, orderCnt: 1, salePrice: Number(amount), amount: Number(amount), ...FOOD },
        { productName: "선물 포장 세트", orderCnt: 1, salePrice: 89000, amount: 89000 }] }),
  },
  claim: {
    fields: [MALL, ["amount", "39000"]],
    make: ({ mall, amount }) => about(mall, "claim.requested", { claimNo: Number(serial()), claimType: "RETURN", claimYmdt: now(),
      orderNo: orderNo(), ...FOOD, claimReasonType: "DEFECTIVE_PRODUCT", claimAmt: Number(amount) }),
  },
  inquiry: {
    fields: [MALL, ["title", "언제 출고되나요?"]],
    make: ({ mall, title }) => about(mall, "inquiry.created", { inquiryNo: Number(serial()), inquiryTypeName: "배송문의",
      inquiryTitle: title, issuer: { issuerName: "이영희" }, issuedDateTime: now() }),
  },
  approval: {
    fields: [MALL, ["title", "사과 3kg 선물세트"]],
    make: ({ mall, title }) => about(mall, "product.approval.approved", { productNo: Number(serial()), productName: title, ...FOOD,
      approvedDateTime: now(), approvedByAdminNo: 70002 }),
  },
  fds: {
    fields: [MALL, ["amount", "1450000"]],
    make: ({ mall, amount }) => about(mall, "fds.detected", { fdsCaseNo: `FDS-${serial()}`, ruleName: "동일 카드 단시간 다회 결제 시도",
      riskLevel: "HIGH", orderNo: orderNo(), amount: Number(amount), currencyCode: "KRW", detectedYmdt: now() }),
  },
  notice: {
    fields: [["title", "연말 배송 마감 안내"], ["body", "12월 30일 16시 이후 주문은 1월 2일부터 출고됩니다."]],
    make: ({ title, body }) => ({ type: "notice.published", audience: "everyone", data: { noticeNo: Number(serial()), title, summary: body } }),
  },
  free: {
    fields: [MALL, ["title", "창고 점검"], ["body", "…"]],
    make: ({ mall, title, body }) => ({ type: "team.message", audience: `mall:${mall}`, mallNo: Number(mall), title, body }),
  },
  json: {
    fields: [["event", JSON.stringify({ type: "order.status_changed", data: { mallNo: 1001, orderNo: "202611201405331234", partnerNo: 501,
      orderStatusType: "DELIVERY_ING" } }, null, 1)]],
    make: ({ event }) => JSON.parse(event),
  },
};

/** The publisher of the demo. */
const KEY = "demo-publisher";

/**
 * @param {object} options
 * @param {any[]} options.people the cast
 * @param {() => void} options.exports asks for an export, which only a running job shows well
 * @param {(line: object) => any} options.says writes a line of plain text
 */
export function publishPanel({ people, exports, says }) {
  let kind = "order";
  /** What each kind asks for, once it was chosen. */
  const labels = {};
  let asked = 0;
  /** When the panes showed what; the last that was sent from here. */
  const showed = new Map();
  let last = null;
  const chips = h("div", { className: "chips" });
  const fields = h("div", { className: "group-fields" });
  const to = h("select", { onchange: preview });
  const receives = h("h3");
  const list = h("ul", { className: "who" });
  const done = h("p", { className: "done" });
  const code = h("div");
  /** In which language. */
  let chosen = "kcat";
  const text = h("input", { name: "text" });
  const all = h("input", { type: "checkbox", name: "all" });
  const old = h("details", {}, word("oldBox", "summary"), h("form", { onsubmit: sendText }, text,
    h("label", { className: "inline" }, all, word("oldAll")), word("publish", "button", { type: "submit" })));
  const form = h("form", { onsubmit: submit, oninput: preview }, fields, h("label", {}, word("to"), to),
    h("div", {}, receives, list), word("publish", "button", { type: "submit", className: "main" }), done);
  const element = h("section", { className: "card publish" }, h("header", {}, word("publish", "h2")),
    h("section", {}, word("what", "h3"), chips), form, h("details", {}, word("asCode", "summary"), code), old);

  spoken(() => {
    const words = t();
    // An export is no event to write but something to ask for.
    chips.replaceChildren(...Object.entries(words.kinds).map(([name, textContent]) =>
      h("button", { value: name, textContent, onclick: () => (name === "excel" ? exports() : choose(name)) })));
    const target = to.value;
    const targets = [["", words.toAuto], ["everyone", words.toEveryone], ...malls.map(([no, name]) => [`mall:${no}`, words.toMall(name)]),
      ["partner:501", words.toPartner("한결식품")], ["partner:502", words.toPartner("두리패션")],
      ...people.map((one) => [`operator:${one.adminNo}`, named(one)])];
    to.replaceChildren(...targets.map(([value, label]) => h("option", { value, textContent: label, selected: value === target })));
    text.placeholder = text.ariaLabel = words.oldHint;
    choose(kind);
  });

  function choose(name) {
    kind = name;
    for (const chip of chips.querySelectorAll("button")) chip.ariaPressed = String(chip.value === kind);
    fields.replaceChildren(...labels[kind] ??= kinds[kind].fields.map(([name, value]) => {
      const input = name === "mall" ? h("select", { name }, ...malls.map(([value, textContent]) => h("option", { value, textContent })))
        : name === "event" ? h("textarea", { name, rows: 9, className: "code", spellcheck: false })
        : h("input", { name, type: name === "amount" ? "number" : "text" });
      input.value = value;
      return h("label", {}, word(name), input);
    }));
    preview();
  }

  /** The event of the form; null while its JSON is none. */
  function event() {
    try {
      const made = kinds[kind].make(Object.fromEntries(new FormData(form)));
      return to.value ? { ...made, audience: to.value } : made;
    } catch {
      return null;
    }
  }

  async function preview() {
    const made = event();
    const number = (asked += 1);
    drawCode(made);
    const answer = made && await post("/notifications?dryRun=true", made, KEY).then((sent) => sent.json(), () => null);
    if (number !== asked) return;
    const viewers = answer?.viewers ?? [];
    receives.textContent = viewers.length > 0 ? t().receives(viewers.filter((one) => one.sees).length, viewers.length) : problem(answer);
    list.replaceChildren(...viewers.map((one) => h("li", { className: one.sees ? "yes" : "",
      textContent: one.sees ? `● ${called(one)}` : `○ ${called(one)} · ${t().reasons[one.reason] ?? one.reason}` })));
  }

  const called = ({ adminNo, name }) => named(people.find((one) => one.adminNo === adminNo) ?? { name });

  function problem(answer) {
    return answer?.errors?.map((error) => `${error.pointer} ${error.detail}`).join(" · ") ?? answer?.detail ?? "";
  }

  function submit(submitted) {
    submitted.preventDefault();
    const made = event();
    if (made) publish(made);
  }

  /** Sends it, and says where it went and how long that took. */
  async function publish(made) {
    const began = performance.now();
    done.textContent = t().publishing;
    const answer = await post("/notifications", made, KEY).catch(() => null);
    const took = performance.now() - began;
    const body = await answer?.json().catch(() => null);
    last = answer?.status === 202 ? { ...body, began, took } : null;
    if (last) drawSent();
    else done.textContent = `${t().failed}: ${problem(body)}`;
  }

  /** Where it lies in Kafka, how long that took, and how long until a pane had it. */
  function drawSent() {
    const at = showed.get(last.id);
    done.textContent = t().published(last.partition, last.offset, Math.round(last.took), at && Math.round(at - last.began));
  }

  function shown({ id }) {
    if (showed.has(id)) return;
    showed.set(id, performance.now());
    if (showed.size > 100) showed.delete(showed.keys().next().value);
    if (last?.id === id) drawSent();
  }

  /** Exactly as the page of the old system did: one line of text, to all or to oneself. */
  async function sendText(submitted) {
    submitted.preventDefault();
    const message = text.value.trim();
    const sent = message && await says({ text: message, all: all.checked }).catch(() => null);
    if (sent?.ok) text.value = "";
    else done.textContent = t().failed;
  }

  function drawCode(made) {
    const all = made ? examples(made, KEY) : {};
    const copy = h("button", { textContent: t().copy, onclick: async () => {
      await navigator.clipboard.writeText(all[chosen]);
      copy.textContent = t().copied;
    } });
    const choose = (name) => {
      chosen = name;
      drawCode(made);
    };
    code.replaceChildren(
      h("div", { className: "tabs" }, ...Object.keys(all).map((name) =>
        h("button", { textContent: name, ariaPressed: String(name === chosen), onclick: () => choose(name) }))),
      h("div", { className: "copy" }, h("pre", { textContent: all[chosen], tabIndex: 0 }), copy));
  }

  return { element, shown, order: () => publish(kinds.order.make(Object.fromEntries(kinds.order.fields))) };
}
