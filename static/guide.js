// One minute around: five moments, each of which does what it speaks of.

import { h } from "/dom.js";
import { spoken, t } from "/texts.js";

/** @param {HTMLElement} root @param {(() => void)[]} does what each moment does */
export function guide(root, does) {
  let at = 0;
  const done = new Set([0]);
  const moments = h("ol");
  const hint = h("p");
  root.append(h("h2"), moments, hint);
  root.hidden = false;
  spoken(() => {
    root.firstElementChild.textContent = t().guide;
    moments.replaceChildren(...t().moments.map((name, i) => h("li", { className: done.has(i) ? "done" : "" },
      h("button", { type: "button", textContent: ` ${name}`, "aria-pressed": String(i === at), onclick: () => go(i) }))));
    hint.textContent = t().hints[at];
  });

  function go(i) {
    at = i;
    done.add(i);
    for (const [n, moment] of [...moments.children].entries()) {
      moment.className = done.has(n) ? "done" : "";
      moment.firstElementChild.setAttribute("aria-pressed", String(n === i));
    }
    hint.textContent = t().hints[i];
    does[i]();
  }
}
