// One minute around: five moments, each of which does what it speaks of.

import { h, word } from "/dom.js";
import { spoken, t } from "/texts.js";

/** @param {(() => void)[]} does what each moment does */
export function guide(does) {
  let at = 0;
  const hint = h("p");
  const moments = does.map((act, i) => h("button", { onclick: () => {
    at = i;
    draw();
    act();
  } }));
  spoken(draw);
  return h("section", { className: "card guide", id: "guide" }, word("guide", "h2"),
    h("ol", {}, ...moments.map((moment) => h("li", {}, moment))), hint);

  function draw() {
    hint.textContent = t().hints[at];
    moments[at].className = "done";
    moments.forEach((moment, i) => {
      moment.textContent = ` ${t().moments[i]}`;
      moment.ariaPressed = String(i === at);
    });
  }
}
