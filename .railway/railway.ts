// Two ways to run schemagate on Railway. Keep the one you need: both together would share one history table.
//
//   npm ci --prefix .railway    the types of this file; scripts/test --all checks it against them
//   railway config plan         shows what would change
//   railway config apply        changes it, after asking
//
// Railway reads railway.toml for existing services until 2026-12-01, and one service cannot have both files.
// `railway config migrate` turns the old preDeployCommand into a comment: check that `preDeploy` is here.

import { defineRailway, github, postgres, project, service } from "railway/iac";

export default defineRailway(() => {
  const db = postgres("Postgres");

  // 1. This repository as a one-shot service: it applies what is pending and ends.
  const migrations = service("migrations", {
    source: github("schemagate/schemagate", { branch: "main" }),
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile" },
    deploy: {
      // Exit 0 is the end of the work; any other code is for someone to read: what time can cure, the run itself
      // has waited for already.
      restartPolicyType: "NEVER",
      // The default of 0 between SIGTERM and SIGKILL leaves no time to cancel the statement and roll back.
      drainingSeconds: 10,
    },
    env: {
      DATABASE_URL: db.env.DATABASE_URL,
    },
  });

  // 2. An application whose image carries the binary (deploy/railway is one in full): the release waits for
  // exit 0, and on any other code the version before it goes on serving.
  const api = service("api", {
    source: github("acme/api", { branch: "main" }),
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile" },
    // The command alone, in exec form: no shell reads it, so `&&` would arrive as an argument (exit 2).
    // What it needs beyond that comes by variables.
    preDeploy: ["schemagate"],
    healthcheck: "/health",
    // For the application itself. A pre-deploy command is never tried again, whatever this says.
    deploy: { restartPolicyType: "ON_FAILURE" },
    env: {
      DATABASE_URL: db.env.DATABASE_URL,
      // Where PgBouncer has taken over DATABASE_URL, name the direct URL: a transaction pooler carries no lock.
      // SCHEMAGATE_DATABASE_URL: pgbouncer.env.DATABASE_UNPOOLED_URL,
      //
      // A pre-deploy command holds a build slot while it runs: bound the whole of it.
      SCHEMAGATE_DEADLINE: "15m",
    },
  });

  return project("schemagate", {
    resources: [db, migrations, api],
  });
});
