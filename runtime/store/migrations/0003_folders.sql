-- Whoever takes a deployment over knows where its configuration's relative paths start, and what
-- it is about may change as long as nothing of it happened.

ALTER TABLE deployments ADD COLUMN folder TEXT; -- none: written before this column was there
