-- title: What a reader of the numbers must know
-- grain: run_id, stream, code, message
-- columns:
--   noticed_at  instant  When.
--   run_id      text     Run that noticed.
--   stream      text     Stream concerned.
--   code        text     Kind of notice.
--   message     text     One sentence.
--   row_count   count    Rows concerned, 0 if unknown.
--   amount      money    Money concerned, 0 if unknown.
--   facts       text     JSON: what the message names.
SELECT
    n.noticed_at AS noticed_at,
    n.run_id AS run_id,
    n.stream AS stream,
    n.code AS code,
    n.message AS message,
    n.row_count AS row_count,
    n.amount AS amount,
    n.facts AS facts
FROM data_notices n
