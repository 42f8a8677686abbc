// The plain start page: what an operator of the demo sees, read with fetch because EventSource cannot send a token.
const state = document.getElementById("state");
const list = document.getElementById("list");
let position = "earliest";
let retry = 2000;

const show = {
  message({ title, body, at }) {
    const item = document.createElement("li");
    item.textContent = [title, body, new Date(at).toLocaleTimeString("ko-KR")].filter(Boolean).join(" · ");
    list.prepend(item);
  },
  status: ({ live }) => (state.textContent = live ? "실시간" : "이벤트 통로(Kafka)가 멈췄습니다. 복구되면 빠짐없이 도착합니다."),
  gap: () => (state.textContent = "오래 떨어져 있어 일부는 볼 수 없습니다."),
  bye: () => (state.textContent = "서버를 기다리는 중…"),
};

function dispatch(block) {
  const fields = Object.fromEntries(block.split("\n").map((line) => line.match(/^(\w+): ?(.*)$/)?.slice(1)).filter(Boolean));
  if (fields.id) position = fields.id;
  if (fields.retry) retry = Number(fields.retry);
  if (fields.data) show[fields.event ?? "message"]?.(JSON.parse(fields.data));
}

async function listen() {
  const headers = { Authorization: "Bearer demo-70001", "Last-Event-ID": position };
  const response = await fetch("/notifications", { headers });
  if (!response.ok) throw new Error((await response.json()).detail);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", chunk; !(chunk = await reader.read()).done; ) {
    const blocks = (rest + chunk.value).split("\n\n");
    rest = blocks.pop();
    blocks.forEach(dispatch);
  }
}

for (;;) {
  await listen().catch((error) => (state.textContent = error.message || "다시 연결 중…"));
  await new Promise((resolve) => setTimeout(resolve, retry));
}
