-- schemagate: no-transaction
-- Built while visits go on being counted, which no transaction allows.
CREATE INDEX CONCURRENTLY visits_visited_at_idx ON visits (visited_at);
