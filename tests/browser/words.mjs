// Holds allim.js to its words, without a browser: `node words.mjs <allim.js> <replacement.json>`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const [script, table] = process.argv.slice(2).map((path) => readFileSync(path, 'utf8'));
const { backoff, itemOf, meets } = await import(`data:text/javascript,${encodeURIComponent(script)}`);

const { rows } = JSON.parse(table);
assert(rows.length >= 20);
for (const { why, shown, came, verdict, unread } of rows) {
  const [next, before] = [came, shown].map(({ event, data }) => (event === 'job' ? { ...data, running: true } : data));
  const wanted = verdict === 'replaces' ? (unread ? 'unread' : 'read') : verdict;
  assert.equal(meets(next, before), wanted, why);
  if (wanted !== 'another') assert.equal(itemOf(next), itemOf(before), why);
}

// Full jitter: anything from nothing to a bound that doubles, and ends at half a minute.
for (let n = 0; n < 40; n += 1) {
  const bound = Math.min(30_000, 1000 * 2 ** n);
  assert.equal(backoff(n, () => 0), 0);
  assert.equal(backoff(n, () => 0.5), bound / 2);
  const waits = Array.from({ length: 200 }, () => backoff(n));
  assert(waits.every((wait) => wait >= 0 && wait < bound), String(waits));
  assert(new Set(waits).size > 100, 'they would all return at once');
}
console.log(`${rows.length} rows of the table hold`);
