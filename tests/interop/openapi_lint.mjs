// Reads `/openapi.json` by the rules of redocly.yaml: `node openapi_lint.mjs <url> <redocly.yaml>`. Prints what it found, and
// how much of it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [url, config] = process.argv.slice(2);
if (!url || !config) {
  console.error('usage: node openapi_lint.mjs <url> <redocly.yaml>');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'openapi-'));
const file = join(folder, 'openapi.json');
writeFileSync(file, await (await fetch(`${url}/openapi.json`)).text());
const redocly = fileURLToPath(new URL('node_modules/@redocly/cli/bin/cli.js', import.meta.url));
// It would tell its makers of each run, and ask them for a newer one.
const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
const ended = spawnSync(process.execPath, [redocly, 'lint', file, '--config', config, '--format=json'], { env, encoding: 'utf8' });
rmSync(folder, { recursive: true });
const { totals, problems } = JSON.parse(ended.stdout);
for (const { severity, message, location } of problems) {
  console.log(`${severity}: ${message} (${location.map(({ pointer }) => pointer).join(', ')})`);
}
console.log(`${totals.errors} errors, ${totals.warnings} warnings`);
