-- title: What is wrong now
-- grain: alert_id
-- columns:
--   alert_id       text     SHA-256 of kind and subject.
--   kind           text     step_failed, credential, destination_stopped, quality, delivery, cac, roas.
--   severity       text     critical, warning, info.
--   urgency        count    1 critical, 2 warning, 3 info: to sort by.
--   subject        text     What it is about: a step, a check, a destination.
--   code           text     CTX-nnnn; `cortex explain` has the page.
--   title          text     A few words, in English.
--   message        text     One sentence, in English, cleaned.
--   facts          text     JSON: what title and message name, so that they can be said in another language.
--   action         text     The command or the change that mends it.
--   first_seen_at  instant  When the condition began, this time.
--   last_seen_at   instant  When a run last met it.
--   times          count    Runs that met it since it began.
--   is_read        flag     Whether somebody said that they have read it.
--   notified_at    instant  When people were last told of it.
--   run_id         text     Last run that met it.
SELECT
    a.alert_id AS alert_id,
    a.kind AS kind,
    a.severity AS severity,
    CASE a.severity WHEN 'critical' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END AS urgency,
    a.subject AS subject,
    a.code AS code,
    a.title AS title,
    a.message AS message,
    a.facts AS facts,
    a.action AS action,
    a.first_seen_at AS first_seen_at,
    a.last_seen_at AS last_seen_at,
    a.times AS times,
    CASE WHEN a.read_at IS NULL THEN 0 ELSE 1 END AS is_read,
    a.notified_at AS notified_at,
    a.run_id AS run_id
FROM alerts a
WHERE a.resolved_at IS NULL AND a.dismissed_at IS NULL
