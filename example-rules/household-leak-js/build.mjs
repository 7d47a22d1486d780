// Makes a component of a rule in JavaScript: the script and the engine that runs it, initialised, in one file.
//
//   node build.mjs --output FILE [--source FILE] [--wit DIR]
//
// What is written carries no cases yet: `davyctl rule build --component FILE --fixtures DIR --output RULE` packs them.

import { componentize } from "@bytecodealliance/componentize-js";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    output: { type: "string", default: resolve(here, "household-leak-js.wasm") },
    source: { type: "string", default: resolve(here, "src/rule.js") },
    wit: { type: "string", default: resolve(here, "../../wit") },
  },
});

const { component, imports } = await componentize({
  sourcePath: resolve(values.source),
  witPath: resolve(values.wit),
  worldName: "alarm-policy",
  // A rule has no clock, no dice, no files and no network: with any of these the component would import what the platform refuses.
  disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
});
if (imports.length > 0) {
  throw new Error(`expected a component without imports, got ${JSON.stringify(imports)}`);
}
const output = resolve(values.output);
await mkdir(dirname(output), { recursive: true });
await writeFile(output, component);
console.log(`${output}  ${component.length} bytes`);
