// Lists the institutions of a network, each with its agent's address and whether it may act.
// Usage: node institutions.js MANIFEST (the network's manifest.json)
import { readFileSync } from "node:fs";
import { CosmWasmClient } from "@cosmjs/cosmwasm";
import { RegistrarQueryClient } from "../../schema/typescript/Registrar.client.js";

async function main(file: string): Promise<void> {
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  const node = await CosmWasmClient.connect(manifest.endpoints[0]);
  const registrar = new RegistrarQueryClient(node, manifest.contracts.registrar);
  const { net, institutions } = await registrar.config();
  console.log(`network ${net}: ${institutions} institutions`);
  for (let last = 0; last < institutions; ) {
    const page = await registrar.institutions({ startAfter: last });
    for (const { number, name, endpoint, status } of page.institutions) {
      console.log(`${number}\t${name}\t${endpoint}\t${status}`);
      last = number;
    }
  }
  node.disconnect();
}

const manifest = process.argv[2];
if (manifest === undefined) {
  console.error("usage: node institutions.js MANIFEST");
  process.exit(2);
}
main(manifest).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
