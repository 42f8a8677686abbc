// Reads an AsyncAPI document with AsyncAPI's own parser: no error, no warning, and every example fits its schema.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import Ajv from "ajv";

const text = readFileSync(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(text);
// 0 is an error, 1 a warning; hints tell of newer versions of the specification.
const complaints = diagnostics.filter(({ severity, code }) => severity <= 1 && code !== "asyncapi-latest-version");
if (!document || complaints.length) {
  throw new Error(JSON.stringify(complaints.map(({ code, message, path }) => ({ code, message, path })), null, 1));
}
const ajv = new Ajv({ strict: false, allErrors: true });
let examples = 0;
for (const message of document.messages()) {
  const validate = ajv.compile(message.payload().json());
  for (const example of message.examples()) {
    if (!validate(example.payload())) throw new Error(`${message.name()}: ${ajv.errorsText(validate.errors)}`);
    examples += 1;
  }
}
const operations = document.operations().all().map((operation) => `${operation.action()} ${operation.id()}`);
console.log(`${document.channels().length} channels, ${operations.join(", ")}, ${examples} examples valid`);
