// The findings of GitHub's official language service, which also checks the editor's files:
// `node --import ./json_hook.mjs language_service.mjs FILE…` prints one JSON list of
// {"file", "line", "column", "severity", "message"}.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";

const SEVERITIES = { 1: "error", 2: "warning", 3: "information", 4: "hint" };
const findings = [];
for (const file of process.argv.slice(2)) {
  const uri = pathToFileURL(resolve(file)).href;
  const document = TextDocument.create(uri, "yaml", 1, readFileSync(file, "utf8"));
  for (const { message, range, severity } of await validate(document)) {
    findings.push({
      file,
      line: range.start.line + 1,
      column: range.start.character + 1,
      severity: SEVERITIES[severity] ?? "error",
      message,
    });
  }
}
process.stdout.write(JSON.stringify(findings) + "\n");
