-- title: Visits
-- grain: day, source, medium, campaign
-- columns:
--   day               date   Property-local day.
--   source            text   Source.
--   medium            text   Medium.
--   campaign          text   Campaign.
--   channel_group     text   GA4's default channel group.
--   sessions          count  Sessions.
--   engaged_sessions  count  Engaged sessions.
--   new_users         count  New users.
--   revenue           money  Purchase revenue as GA4 saw it.
--   engagement_rate   rate   engaged_sessions / sessions.
SELECT
    s.day AS day,
    s.source AS source,
    s.medium AS medium,
    s.campaign AS campaign,
    MAX(s.channel_group) AS channel_group,
    SUM(s.sessions) AS sessions,
    SUM(s.engaged_sessions) AS engaged_sessions,
    SUM(s.new_users) AS new_users,
    SUM(s.revenue) AS revenue,
    CASE WHEN SUM(s.sessions) > 0 THEN ROUND(1.0 * SUM(s.engaged_sessions) / SUM(s.sessions), 6) END AS engagement_rate
FROM fct_sessions s
GROUP BY s.day, s.source, s.medium, s.campaign
