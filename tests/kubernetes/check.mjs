// What is wrong with documents of other people's kinds: JSON, an array of them, comes on stdin; on stdout goes an array
// of as many arrays of sentences.
//
// The packages hold each kind twice. Its validator knows required fields, types and formats, and lets unknown keys
// pass; its TypeScript interface knows the keys, and the compiler rejects any other in a literal. So both are asked.

import { writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";

const KINDS = {
  ScaledObject: [ScaledObject, "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject"],
  PodMonitor: [PodMonitor, "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor"],
};
const SOURCE = fileURLToPath(new URL("documents.ts", import.meta.url));

const documents = JSON.parse(await text(process.stdin));
const found = documents.map(told);
const imports = Object.entries(KINDS).map(([kind, [, module]]) => `import type { I${kind} } from "${module}";`);
const literals = documents.map(
  (document, index) => `export const d${index}: I${document.kind} = ${JSON.stringify(document)};`,
);
writeFileSync(SOURCE, [...imports, ...literals].join("\n"));
const program = ts.createProgram([SOURCE], {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
});
for (const one of ts.getPreEmitDiagnostics(program)) {
  const said = ts.flattenDiagnosticMessageText(one.messageText, " ");
  const line = one.file?.fileName === SOURCE ? one.file.getLineAndCharacterOfPosition(one.start).line : -1;
  if (line < imports.length) throw new Error(said);
  found[line - imports.length].push(said);
}
process.stdout.write(JSON.stringify(found));

function told(document) {
  const kind = KINDS[document.kind];
  if (!kind) return [`no schema for ${document.kind}`];
  try {
    new kind[0](document).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}
