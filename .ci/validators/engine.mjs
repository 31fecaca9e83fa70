// GitHub's own parser of action.yml and its expression engine, as a server of lines: one JSON
// request a line on stdin, one JSON answer a line on stdout.
//
//   {"parse": TEXT}                                     -> {"errors": [...], "root": NODE}
//   {"evaluate": EXPRESSION, "contexts", "status"}      -> {"text", "truthy"} or {"error"}
//
// A NODE is {"mapping": {KEY: NODE}}, {"sequence": [NODE]}, {"text": TEXT} or {"expression": TEXT}.
import { createInterface } from "node:readline";
import { data, Evaluator, Lexer, Parser } from "@actions/expressions";
import { truthy } from "@actions/expressions/result";
import { parseAction } from "@actions/workflow-parser/actions/action-parser";
import { convertToIfCondition } from "@actions/workflow-parser/model/converter/if-condition";
import { NoOperationTraceWriter } from "@actions/workflow-parser/templates/trace-writer";
import {
  isBasicExpression, isMapping, isScalar, isSequence,
} from "@actions/workflow-parser/templates/tokens/type-guards";

function node(token, context, within = "") {
  if (isMapping(token)) {
    const mapping = {};
    for (const { key, value } of token) {
      const name = key.assertString("a key").value;
      // Only a step's `if` is an expression without ${{ }}, and success() unless it says otherwise.
      const condition = name === "if" && within === "steps";
      mapping[name] = node(condition ? convertToIfCondition(context, value) : value, context, name);
    }
    return { mapping };
  }
  if (isSequence(token)) {
    const items = [];
    for (const item of token) items.push(node(item, context, within));
    return { sequence: items };
  }
  if (isBasicExpression(token)) return { expression: token.expression };
  if (isScalar(token)) return { text: token.toString() };
  throw new Error("what is this token?");
}

function parse(text) {
  const { context, value } = parseAction({ name: "action.yml", content: text }, new NoOperationTraceWriter());
  const root = value && context.errors.getErrors().length === 0 ? node(value, context) : null;
  return { errors: context.errors.getErrors().map((error) => error.message), root };
}

function evaluate(expression, contexts, status) {
  const functions = Object.entries({ ...status, always: true }).map(([name, value]) => ({
    name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(value),
  }));
  const tokens = new Lexer(expression).lex().tokens;
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  const values = JSON.parse(JSON.stringify(contexts), data.reviver);
  const byName = new Map(functions.map((entry) => [entry.name, entry]));
  const result = new Evaluator(tree, values, byName).evaluate();
  return { text: result.coerceString(), truthy: truthy(result) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = "parse" in request
      ? parse(request.parse)
      : evaluate(request.evaluate, request.contexts, request.status);
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
