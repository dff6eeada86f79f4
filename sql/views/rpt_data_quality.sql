-- title: What the quality step found
-- grain: run_id, rule, part
-- columns:
--   run_id      text     Run.
--   checked_at  instant  When.
--   rule        text     What was checked.
--   part        text     Of which stream or table.
--   severity    text     error, warning: what a failure means.
--   status      text     ok, failed, unknown.
--   measured    rate     What was found.
--   allowed     rate     The most that passes.
--   message     text     One sentence.
SELECT
    q.run_id AS run_id,
    q.checked_at AS checked_at,
    q.rule AS rule,
    q.part AS part,
    q.severity AS severity,
    q.status AS status,
    q.measured AS measured,
    q.allowed AS allowed,
    q.message AS message
FROM dq_results q
