// The schema, as Drizzle reads it. After a change, `npm run generate` writes the next migration into drizzle/.

import { bigint, index, pgTable, timestamp } from "drizzle-orm/pg-core";

export const visits = pgTable(
  "visits",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    visitedAt: timestamp("visited_at", { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [index("visits_visited_at_idx").on(table.visitedAt)],
);
