// Evaluates the compiled railway.ts as the Railway CLI does and checks the graph that comes out of it.
// Takes the folder with railway.ts compiled to build/railway.js. Never speaks to Railway.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const folder = resolve(process.argv[2]);
// The package lies where railway.ts finds it, not where this file does.
const entry = createRequire(resolve(folder, "package.json")).resolve("railway/iac").replace(/\.cjs$/, ".js");
const iac = await import(pathToFileURL(entry));
const { default: program } = await import(pathToFileURL(resolve(folder, "build/railway.js")));
const context = iac.createRailwayContext({ command: "plan", environment: "production" });
const definition = await program(context, iac.project);
const resources = definition.resources.flat();
const service = (name) => resources.find((one) => one.address === `service.${name}`);
const databaseUrl = { type: "reference", resource: "database.Postgres", output: "DATABASE_URL" };

const checks = {
  "the graph is valid"() {
    const graph = {
      version: iac.RAILWAY_GRAPH_VERSION,
      project: { name: definition.name },
      environments: [{ name: "production" }],
      resources,
      edges: [],
    };
    assert.deepEqual(iac.validateGraph(graph), []);
  },
  "api: the release waits for schemagate, alone and without a shell"() {
    assert.deepEqual(service("api").deploy.preDeployCommand, ["schemagate"]);
  },
  "api: is restarted and looked after as an application"() {
    assert.equal(service("api").deploy.restartPolicyType, "ON_FAILURE");
    assert.equal(service("api").deploy.healthcheckPath, "/health");
  },
  "api: has the database's own URL and a bound on the run"() {
    const { DATABASE_URL, SCHEMAGATE_DEADLINE, ...others } = service("api").variables;
    assert.deepEqual(DATABASE_URL, databaseUrl);
    assert.match(SCHEMAGATE_DEADLINE.value, /^\d+m$/);
    assert.deepEqual(others, {});
  },
  "migrations: runs once, with time to roll back, on the same database"() {
    const { deploy, variables, build } = service("migrations");
    assert.equal(deploy.restartPolicyType, "NEVER");
    assert.equal(deploy.preDeployCommand, undefined);
    assert.ok(deploy.drainingSeconds > 5);
    assert.equal(build.builder, "DOCKERFILE");
    assert.deepEqual(variables, { DATABASE_URL: databaseUrl });
  },
  "nothing else is made"() {
    const made = resources.map((one) => one.address).sort();
    assert.deepEqual(made, ["database.Postgres", "service.api", "service.migrations"]);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    check();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.message}`);
  }
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
