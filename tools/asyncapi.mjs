// Checks a description of streams: `node asyncapi.mjs <file>`. It fails on errors and on warnings alike.
import { createRequire } from "node:module";

// The parser's CommonJS form is its only one that Node takes as it is.
const { Parser, fromFile } = createRequire(import.meta.url)("@asyncapi/parser");

const severities = ["error", "warning", "information", "hint"];
const path = process.argv[2];
if (!path) {
  console.error("usage: node asyncapi.mjs <file>");
  process.exit(2);
}
const { document, diagnostics } = await fromFile(new Parser(), path).parse();
for (const { severity, message, range, path: at } of diagnostics) {
  console.error(`${path}:${range.start.line + 1}: ${severities[severity]}: ${message} (${at.join(".")})`);
}
if (!document || diagnostics.length > 0) {
  process.exit(1);
}
console.log(`${path}: ${document.channels().all().length} channels, ${document.operations().all().length} operations`);
