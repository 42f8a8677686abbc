// Every word of the pages, in Korean and English, and how numbers and times are said.

/** @typedef {"ko" | "en"} Lang */

const words = {
  ko: {
    nobody: "토큰을 넣고 연결하세요.",
    connecting: "연결 중…",
    live: "실시간",
    reconnecting: "다시 연결 중…",
    now: "지금 연결",
    offline: "인터넷이 끊겼습니다. 돌아오면 이어서 받습니다.",
    "catching-up": "놓친 알림 받는 중…",
    caughtUp: (n, s) => `놓친 ${n}건을 모두 받았습니다 (${s}초)`,
    gap: "오래 떨어져 있어 일부는 다시 받을 수 없습니다.",
    "gap.list": "오래 떨어져 있어 일부는 목록에서만 볼 수 있습니다.",
    reload: "목록 새로고침",
    "list.ill": "목록을 불러오지 못했습니다. 새 알림은 계속 오고, 곧 다시 시도합니다.",
    "list.later": "저장이 밀려 있습니다. 빠진 알림은 곧 목록에 채워집니다.",
    notMarked: "읽음 표시를 저장하지 못했습니다.",
    noneSuch: "조건에 맞는 알림이 없습니다.",
    unreadOnly: "안 읽음만",
    anyMall: "모든 몰",
    anySeverity: "모든 중요도",
    severityOf: "중요도",
    read: "읽음 표시",
    readAll: "모두 읽음",
    more: "더 보기",
    "gap.scope": "권한이 바뀌었습니다. 지금부터는 새 권한으로 받습니다.",
    "gap.epoch": "이벤트 기록이 새로 시작되었습니다. 처음부터 이어서 받습니다.",
    paused: "이벤트 통로(Kafka)가 멈췄습니다. 복구되면 빠짐없이 도착합니다.",
    accounts: "로그인 확인 서버가 응답하지 않습니다. 곧 다시 시도합니다.",
    waiting: "서버를 기다리는 중…",
    ended: "로그인이 끝났습니다.",
    signIn: "다시 로그인",
    replaced: "다른 탭에서 보고 있습니다.",
    useThis: "여기서 보기",
    refused: "이 주소의 페이지는 연결할 수 없습니다. 서버의 ALLIM_ALLOWED_ORIGINS를 확인해 주세요.",
    full: "이 브라우저의 연결이 모두 쓰이고 있습니다. 다른 탭을 닫아 주세요.",
    empty: "아직 알림이 없습니다.",
    makeOne: "주문 하나 만들기",
    newer: (n) => `새 알림 ${n}건 ↑`,
    missedDivider: (n) => `끊긴 동안 온 ${n}건`,
    grouped: (label, n) => `${label} ${n}건`,
    sum: "합계",
    handled: (name) => (name ? `처리됨 · ${name}` : "처리됨"),
    received: "받음",
    missing: "빠짐",
    repeated: "중복",
    cut: "5초 끊기",
    bell: (n) => `읽지 않은 알림 ${n}`,
    list: "알림 목록",
    jobs: "작업",
    silent: (s) => `${s}초째 소식이 없습니다. 담당 서비스를 확인하고 있습니다.`,
    download: "내려받기",
    open: "열기",
    notYours: "찾을 수 없습니다. 이 파일은 요청한 사람만 받을 수 있습니다.",
    wire: "전선 위: 마지막 20개 그대로",
    code: "이 화면을 움직이는 코드",
    operator: "보는 사람",
    tokenLabel: "로그인 토큰",
    tokenGo: "연결",
    shop: "가게",
    pace: { off: "멈춤", calm: "보통", busy: "바쁨 ×50" },
    sound: "소리",
    language: "English",
    publish: "발행",
    what: "무슨 일이 있었나요?",
    to: "누구에게",
    toAuto: "자동 (이벤트에서)",
    toEveryone: "전체",
    toMall: (n) => `${n} 운영자`,
    toPartner: (n) => `${n} (파트너)`,
    receives: (n, all) => `받을 사람 ${n} / ${all}`,
    publishing: "발행하는 중…",
    published: (p, o, ms, shown) => `p${p}@${o} · Kafka ${ms} ms${shown ? ` · 화면 ${shown} ms` : ""}`,
    failed: "발행하지 못했습니다",
    asCode: "같은 것을 코드로",
    copy: "복사",
    copied: "복사했습니다",
    oldBox: "예전 방식 (텍스트 한 줄)",
    oldHint: "메세지를 입력하세요.",
    oldAll: "전체전송여부",
    title: "제목",
    body: "내용",
    mall: "몰",
    amount: "금액 합계",
    event: "이벤트 (JSON)",
    kinds: { order: "주문", claim: "클레임", inquiry: "문의", approval: "상품승인", fds: "이상거래", notice: "공지",
      excel: "엑셀", free: "직접 쓰기", json: "JSON" },
    reasons: { other_mall: "다른 몰", other_partner: "다른 파트너", not_a_partner: "파트너 아님", not_an_operator: "운영자 아님",
      other_person: "다른 사람" },
    severity: { info: "정보", notice: "알림", warning: "주의", error: "오류", critical: "긴급" },
    guide: "1분 둘러보기",
    moments: ["숨쉬기", "한 주문, 두 화면", "엑셀", "끊어 보기", "서버 끄기"],
    hints: [
      "화면을 열면 지난 알림이 채워지고, 데모 가게가 문을 엽니다.",
      "주문을 발행했습니다. 왼쪽 운영자는 두 상품의 합계를, 오른쪽 파트너는 자기 상품 한 줄만 봅니다.",
      "엑셀 생성을 요청했습니다. 진행률은 요청한 사람의 화면에만 나오고, 끝나면 내려받을 수 있습니다.",
      "서버 쪽에서 연결을 5초 동안 끊었습니다. 돌아오면 그동안 온 알림이 빠짐없이 순서대로 들어옵니다.",
      "터미널에서 Ctrl-C를 누르고 다시 cargo run 하세요. 이 화면은 그대로 두면 됩니다.",
    ],
  },
  en: {
    nobody: "Enter a token.",
    connecting: "Connecting…",
    live: "Live",
    reconnecting: "Reconnecting…",
    now: "Now",
    offline: "You are offline. We will continue where you left off.",
    "catching-up": "Catching up…",
    caughtUp: (n, s) => `All ${n} missed notifications received (${s} s)`,
    gap: "You were away too long: some notifications cannot be replayed.",
    "gap.list": "You were away too long for replay: some are only in the list.",
    reload: "Reload the list",
    "list.ill": "The list cannot be loaded now. New notifications keep coming; we will try again.",
    "list.later": "The store is behind. What is missing will soon be in the list.",
    notMarked: "It could not be marked as read.",
    noneSuch: "Nothing like that.",
    unreadOnly: "Unread only",
    anyMall: "All malls",
    anySeverity: "Any severity",
    severityOf: "Severity",
    read: "Mark read",
    readAll: "Read all",
    more: "Load more",
    "gap.scope": "Your rights have changed. From here on the new ones count.",
    "gap.epoch": "The event log was started anew. You continue from its beginning.",
    paused: "Kafka is unreachable. Nothing is lost; it arrives when it returns.",
    accounts: "The sign-in service is not answering. Retrying.",
    waiting: "Waiting for the server…",
    ended: "Your session ended.",
    signIn: "Sign in",
    replaced: "Open in another tab.",
    useThis: "Use this one",
    refused: "Pages of this address may not connect. See the server's ALLIM_ALLOWED_ORIGINS.",
    full: "This browser has no free connection. Close another tab.",
    empty: "Nothing yet.",
    makeOne: "Create an order",
    newer: (n) => `${n} new ↑`,
    missedDivider: (n) => `${n} came while you were cut off`,
    grouped: (label, n) => `${label} ×${n}`,
    sum: "total",
    handled: (name) => (name ? `Handled by ${name}` : "Handled"),
    received: "received",
    missing: "missing",
    repeated: "repeated",
    cut: "Cut for 5 s",
    bell: (n) => `Notifications: ${n} unread`,
    list: "Notifications",
    jobs: "Jobs",
    silent: (s) => `No news for ${s} s.`,
    download: "Download",
    open: "Open",
    notYours: "Not found. Only who asked for it can have this file.",
    wire: "On the wire: the last 20 as they came",
    code: "The code that moves this view",
    operator: "Who is looking",
    tokenLabel: "Token",
    tokenGo: "Connect",
    shop: "Shop",
    pace: { off: "Off", calm: "Calm", busy: "Busy ×50" },
    sound: "Sound",
    language: "한국어",
    publish: "Publish",
    what: "What has happened?",
    to: "To whom",
    toAuto: "Automatic (from the event)",
    toEveryone: "Everyone",
    toMall: (n) => `Operators of ${n}`,
    toPartner: (n) => `${n} (partner)`,
    receives: (n, all) => `${n} of ${all} will get it`,
    publishing: "Publishing…",
    published: (p, o, ms, shown) => `p${p}@${o} · Kafka ${ms} ms${shown ? ` · shown ${shown} ms` : ""}`,
    failed: "It could not be published",
    asCode: "The same as code",
    copy: "Copy",
    copied: "Copied",
    oldBox: "The old way (one line of text)",
    oldHint: "Type a message.",
    oldAll: "To everyone",
    title: "Title",
    body: "Text",
    mall: "Mall",
    amount: "Total",
    event: "Event (JSON)",
    kinds: { order: "Order", claim: "Claim", inquiry: "Inquiry", approval: "Approval", fds: "Fraud", notice: "Notice",
      excel: "Export", free: "Free text", json: "JSON" },
    reasons: { other_mall: "other mall", other_partner: "other partner", not_a_partner: "not a partner",
      not_an_operator: "not an operator", other_person: "somebody else" },
    severity: { info: "Info", notice: "Notice", warning: "Warning", error: "Error", critical: "Urgent" },
    guide: "One minute around",
    moments: ["It breathes", "One order, two views", "An export", "Cut the line", "Kill the server"],
    hints: [
      "The page fills with what memory has, and the demo shop opens.",
      "An order was published. The operator sees both products and their total, the partner its own line alone.",
      "An export was asked for. Its progress shows only to whoever asked; at the end there is a file to download.",
      "The server cut the line for 5 seconds. When it returns, everything of meanwhile comes in order.",
      "Press Ctrl-C in the terminal and start cargo run again. Leave this page as it is.",
    ],
  },
};

/** @type {Lang} */
let lang = "ko";
const told = new Set();

/** The words of now. */
export const t = () => words[lang];
export const language = () => lang;

/** @param {Lang} next */
export function speak(next) {
  lang = next;
  document.documentElement.lang = next;
  for (const tell of told) tell();
}

/** Calls back whenever the language changes, and once at once. */
export function spoken(tell) {
  told.add(tell);
  tell();
}

export function won(n) {
  const number = new Intl.NumberFormat(lang).format(n);
  return lang === "ko" ? `${number}원` : `₩${number}`;
}

/** @type {["minute" | "hour" | "day", number, number][]} */
const UNITS = [["minute", 60, 3600], ["hour", 3600, 86400], ["day", 86400, 604800]];

/** `3분 전`; the exact time belongs into a title. */
export function ago(at) {
  const seconds = Math.max(0, (Date.now() - Date.parse(at)) / 1000);
  if (seconds < 60) return lang === "ko" ? "방금 전" : "just now";
  const relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "short" });
  for (const [unit, size, most] of UNITS) if (seconds < most) return relative.format(-Math.floor(seconds / size), unit);
  return new Date(at).toLocaleDateString(lang);
}

export const exactly = (at) => new Date(at).toLocaleString(lang, { dateStyle: "medium", timeStyle: "medium" });
