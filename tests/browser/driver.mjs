// A browser by remote control: `node driver.mjs <chromium>` reads one command a line, as JSON, and answers each with a
// line. The scenes are in tests/it/browser; what a page of theirs does is in page.html. It ends when its input does.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const quiet = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
// As many processes as tabs: one that crashes takes no other with it.
const args = ['--no-sandbox', '--renderer-process-limit=200', ...quiet];
// Whoever started this may be gone already.
process.stdout.on('error', () => {});
const browser = await chromium.launch({ executablePath: process.argv[2], args });

const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** Profiles, each with its own cookies and connections; and tabs, by the names that scenes give them. */
const profiles = new Map();
const tabs = new Map();

/** What is wrong in a tab goes to its profile: mistakes of scripts, and what a page's policy forbade. A connection that
 *  broke is none. */
function watch(profile, tab, page) {
  const complain = (what) => profile.complaints.push(`${tab}: ${what}`);
  page.on('pageerror', (error) => complain(error.message));
  page.on('console', (said) => /Content Security Policy/i.test(said.text()) && complain(said.text()));
  page.on('dialog', (dialog) => {
    complain(`a dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
}

const inPage = (js) => new Function(`return async (arg) => { ${js} }`)();

const verbs = {
  async profile({ profile, ...options }) {
    const context = await browser.newContext({ locale: 'ko-KR', timezoneId: 'Asia/Seoul', ...options });
    profiles.set(profile, { context, complaints: [], requests: [], frames: [], sockets: [], held: [] });
  },
  async open({ profile, tab, url }) {
    const mine = profiles.get(profile);
    const page = await mine.context.newPage();
    watch(mine, tab, page);
    // Not by Playwright's own events: they leave preflights out.
    const session = await mine.context.newCDPSession(page);
    session.on('Network.requestWillBeSent', ({ type, request }) => mine.requests.push(`${type} ${request.method} ${request.url}`));
    session.on('Network.eventSourceMessageReceived', ({ requestId, eventName, eventId, data }) =>
      mine.frames.push({ stream: requestId, event: eventName, id: eventId, data }));
    session.on('Network.webSocketFrameReceived', ({ requestId, response }) =>
      mine.frames.push({ stream: requestId, event: 'websocket', data: response.payloadData }));
    await session.send('Network.enable');
    tabs.set(tab, Object.assign(page, { complaints: mine.complaints }));
    await page.goto(url);
  },
  async close({ tab }) {
    await tabs.get(tab).close();
    tabs.delete(tab);
  },
  /** As when its process dies: nothing in it is told. */
  async crash({ tab }) {
    const page = tabs.get(tab);
    const session = await page.context().newCDPSession(page);
    const crashed = new Promise((resolve) => page.once('crash', resolve));
    session.send('Page.crash').catch(() => {});
    await crashed;
    tabs.delete(tab);
  },
  run: ({ tab, js, arg }) => tabs.get(tab).evaluate(inPage(js), arg),
  async until({ tab, js, arg, patience }) {
    try {
      await tabs.get(tab).waitForFunction(new Function('arg', `return ${js}`), arg, { timeout: patience, polling: 20 });
    } catch (error) {
      const look = () => JSON.stringify(globalThis.story ?? document.body.innerText);
      const shows = await tabs.get(tab).evaluate(look).catch(String);
      const complaints = tabs.get(tab).complaints.join('\n');
      throw new Error(`${tab} never came to: ${js} ${JSON.stringify(arg)}: ${error.message}\n${complaints}\n${shows.slice(-4000)}`);
    }
  },
  /** Headless tabs are all on top: being hidden is told to the page alone. */
  look: ({ tab, away }) =>
    tabs.get(tab).evaluate((away) => {
      Object.defineProperty(document, 'visibilityState', { value: away ? 'hidden' : 'visible', configurable: true });
      Object.defineProperty(document, 'hidden', { value: away, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, away),
  offline: ({ profile, on }) => profiles.get(profile).context.setOffline(on),
  cookie: ({ profile, cookie }) => profiles.get(profile).context.addCookies([cookie]),
  /** Answers for addresses, in place of who is there. */
  answer: ({ profile, like, kind, body, status }) =>
    profiles.get(profile).context.route(like, (route) => route.fulfill({ contentType: kind, body, status })),
  /** Lets what is asked of addresses wait until they are left, and refuses it then. */
  hold: ({ profile, like, status }) =>
    profiles.get(profile).context.route(like, (route) =>
      new Promise((done) => profiles.get(profile).held.push(() => route.fulfill({ status }).then(done)))),
  /** They answer themselves again. */
  async leave({ profile, like }) {
    await Promise.all(profiles.get(profile).held.splice(0).map((refuse) => refuse()));
    await profiles.get(profile).context.unroute(like);
  },
  /** Is the other end of WebSockets to addresses like this one, and says all this when it is spoken to. */
  converse: ({ profile, like, messages }) =>
    profiles.get(profile).context.routeWebSocket(like, (socket) => {
      profiles.get(profile).sockets.push(socket);
      socket.onMessage(() => messages.forEach((message) => socket.send(message)));
    }),
  /** One more message of that other end. */
  say: ({ profile, message }) => profiles.get(profile).sockets.forEach((socket) => socket.send(message)),
  /** What its tabs asked servers for since the last time, with preflights. */
  requests: ({ profile }) => profiles.get(profile).requests.splice(0),
  /** The raw frames of its event streams, and messages of its WebSockets, since the last time; no script has seen them. */
  frames: ({ profile }) => profiles.get(profile).frames.splice(0),
  click: ({ tab, what }) => tabs.get(tab).click(what),
  async press({ tab, keys }) {
    for (const key of keys) await tabs.get(tab).keyboard.press(key);
  },
  type: ({ tab, text }) => tabs.get(tab).keyboard.type(text),
  scheme: ({ tab, colorScheme }) => tabs.get(tab).emulateMedia({ colorScheme }),
  size: ({ tab, width, height }) => tabs.get(tab).setViewportSize({ width, height }),
  async picture({ tab, file }) {
    await tabs.get(tab).screenshot({ path: file });
  },
  /** Clicks, and waits for the file that comes of it. */
  async download({ tab, what }) {
    const page = tabs.get(tab);
    const [file] = await Promise.all([page.waitForEvent('download'), page.click(what)]);
    return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
  },
  /** What keeps people out of a page, as axe sees it. */
  async axe({ tab }) {
    const page = tabs.get(tab);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    return violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ html }) => html.slice(0, 200)) }));
  },
  /** Ends a profile with its tabs; what they complained of. */
  async done({ profile }) {
    const { context, complaints } = profiles.get(profile);
    profiles.delete(profile);
    await context.close();
    return complaints;
  },
};

async function answer({ id, verb, ...rest }) {
  try {
    console.log(JSON.stringify({ id, value: (await verbs[verb](rest)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ id, error: String(error?.message ?? error) }));
  }
}

for await (const line of createInterface({ input: process.stdin })) answer(JSON.parse(line));
await browser.close();
process.exit(0);
