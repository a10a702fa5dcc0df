// Writes the TypeScript client of the contracts from their JSON schemas.
// Usage: node generate.cjs SCHEMAS OUT. Must never reach the network.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const codegen = require("@cosmwasm/ts-codegen").default;

const CONTRACTS = ["registrar", "ppr", "summary"];
const REWRITES = [
  // What the generator takes from a client library is said in a few lines by schema/typescript/baseClient.ts,
  // so that the client itself depends on nothing.
  [/from "@interchainjs\/types"/g, 'from "./baseClient"'],
  // Modules name their files.
  [/from "\.\/([A-Za-z.]+)"/g, 'from "./$1.js"'],
  // The generator spells this type in two ways.
  [/\bNullableUint32\b/g, "Nullableuint32"],
];

async function main([schemas, out]) {
  if (!schemas || !out) throw new Error("usage: node generate.cjs SCHEMAS OUT");
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "casewise-typescript-"));
  try {
    const contracts = CONTRACTS.map((contract) => {
      const dir = path.join(work, contract);
      fs.mkdirSync(dir);
      fs.copyFileSync(path.join(schemas, `${contract}.json`), path.join(dir, `${contract}.json`));
      return { name: contract[0].toUpperCase() + contract.slice(1), dir };
    });
    const made = path.join(work, "made");
    const off = { enabled: false };
    const options = {
      bundle: { enabled: false },
      types: { enabled: true },
      // a message and a query may bear one name (grant)
      client: { enabled: true, execExtendsQuery: false },
      reactQuery: off,
      recoil: off,
      messageComposer: off,
      messageBuilder: off,
      useContractsHook: off,
    };
    await codegen({ contracts, outPath: made, options });
    fs.mkdirSync(out, { recursive: true });
    for (const file of fs.readdirSync(made).filter((file) => file !== "baseClient.ts")) {
      const text = fs.readFileSync(path.join(made, file), "utf8");
      fs.writeFileSync(path.join(out, file), REWRITES.reduce((now, [from, to]) => now.replace(from, to), text));
    }
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
