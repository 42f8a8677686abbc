// Holds the schemas of kafka/schemas against cases that say what the server makes of them.
// Each line of the file: {"schema", "value", "understood", "exactly", "what"}.
import { readFileSync, readdirSync } from "node:fs";
import Ajv from "ajv";

const [folder, file] = process.argv.slice(2);
const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false, allErrors: true });
ajv.addKeyword("x-allim");
const validators = new Map();
for (const name of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
  const schema = JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
  validators.set(name.replace(/\.json$/, ""), ajv.compile(schema));
  for (const example of schema.examples ?? []) {
    if (!validators.get(name.replace(/\.json$/, ""))(example)) throw new Error(`${name}: its own example is not valid`);
  }
}
const wrong = [];
let cases = 0;
for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
  const { schema, value, understood, exactly, what } = JSON.parse(line);
  const validate = validators.get(schema);
  if (!validate) throw new Error(`no schema ${schema}`);
  const valid = validate(value);
  cases += 1;
  // A schema may be narrower than what is read, never wider.
  if (valid && !understood) wrong.push(`${schema}: ${what}: the schema allows it, the server refuses it`);
  if (!valid && understood && exactly) wrong.push(`${schema}: ${what}: the server takes it, the schema does not: ${ajv.errorsText(validate.errors)}`);
}
if (wrong.length) throw new Error(`${wrong.length} of ${cases} differ:\n${wrong.slice(0, 40).join("\n")}`);
console.log(`${validators.size} schemas agree with the server in ${cases} cases`);
