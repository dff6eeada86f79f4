-- title: How fresh and how whole the data is
-- grain: stream
-- columns:
--   stream             text     Such as store.orders or ads.meta.
--   complete_until     date     First local day not yet read whole.
--   source_updated_at  instant  Newest change seen, by the platform's clock.
--   moved_at           instant  When a run last read the stream to its end.
--   run_id             text     Which run.
--   quarantined        count    Records that could not be trusted and are not in the numbers.
--   last_quarantined   instant  When such a record was last met.
--   notices            count    Caps, truncations and the like that were noted.
--   last_notice        instant  When the last one was.
SELECT
    x.stream AS stream,
    s.complete_until AS complete_until,
    s.source_updated_at AS source_updated_at,
    s.moved_at AS moved_at,
    s.run_id AS run_id,
    COALESCE(q.quarantined, 0) AS quarantined,
    q.last_quarantined AS last_quarantined,
    COALESCE(n.notices, 0) AS notices,
    n.last_notice AS last_notice
FROM (
    SELECT stream FROM sync_state
    UNION
    SELECT stream FROM quarantine
    UNION
    SELECT stream FROM data_notices
) x
LEFT JOIN sync_state s ON s.stream = x.stream
LEFT JOIN (
    SELECT stream, COUNT(DISTINCT record_key) AS quarantined, MAX(last_seen) AS last_quarantined
    FROM quarantine
    GROUP BY stream
) q ON q.stream = x.stream
LEFT JOIN (
    SELECT stream, COUNT(*) AS notices, MAX(noticed_at) AS last_notice FROM data_notices GROUP BY stream
) n ON n.stream = x.stream
