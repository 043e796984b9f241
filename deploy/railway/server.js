// A minimal application that needs its schema: it counts its visits. It creates no table and checks no version;
// that the table is there when it starts is the work of the pre-deploy command, which applies drizzle/.

import { createServer } from "node:http";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { visits } from "./schema.js";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
// A connection that is lost while idle is replaced; without a listener it would end the process.
pool.on("error", (error) => console.error(error.message));
const database = drizzle(pool);

const routes = {
  "/": async () => {
    const [visit] = await database.insert(visits).values({}).returning({ id: visits.id });
    return `visit ${visit.id}\n`;
  },
  "/health": async () => {
    await database.select().from(visits).limit(1);
    return "ok\n";
  },
};

const server = createServer(async (request, response) => {
  const route = routes[request.url];
  try {
    const text = route ? await route() : "not found\n";
    response.writeHead(route ? 200 : 404);
    response.end(text);
  } catch (error) {
    console.error(error.message);
    response.writeHead(503);
    response.end("unavailable\n");
  }
});

// Railway names the port, and reaches it by IPv6.
server.listen(Number(process.env.PORT ?? 3000), "::");

process.once("SIGTERM", () => {
  server.close(() => pool.end());
  server.closeIdleConnections();
});
