// One minute around: five moments, each of which does what it speaks of.

import { h } from "/dom.js";
import { spoken, t } from "/texts.js";

/** @param {HTMLElement} root @param {(() => void)[]} does what each moment does */
export function guide(root, does) {
  let at = 0;
  const hint = h("p");
  const moments = does.map((act, i) => h("button", { type: "button", onclick: () => {
    at = i;
    draw();
    act();
  } }));
  root.append(h("h2"), h("ol", {}, ...moments.map((moment) => h("li", {}, moment))), hint);
  root.hidden = false;
  spoken(draw);

  function draw() {
    root.firstElementChild.textContent = t().guide;
    hint.textContent = t().hints[at];
    moments[at].className = "done";
    moments.forEach((moment, i) => {
      moment.textContent = ` ${t().moments[i]}`;
      moment.setAttribute("aria-pressed", String(i === at));
    });
  }
}
