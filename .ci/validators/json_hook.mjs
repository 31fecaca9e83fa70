// The packages of github.com/actions/languageservices import JSON without import attributes, which
// Node refuses. This hook hands such a file over as a module: `node --import ./json_hook.mjs …`.
import { register } from "node:module";

const hook = `
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
export async function load(url, context, next) {
  if (!url.endsWith(".json")) return next(url, context);
  const text = await readFile(fileURLToPath(url), "utf8");
  return { format: "module", source: "export default " + text, shortCircuit: true };
}`;
register("data:text/javascript," + encodeURIComponent(hook), import.meta.url);
