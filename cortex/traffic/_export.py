"""The one question asked of GA4's BigQuery export: visits of orders, journeys by path, and what it could not tie."""

from __future__ import annotations

QUIET_DAYS = 7
"""A journey without an order is over when its shopper has not been seen for so many days."""
MOST_DAYS = 31
"""Days asked for in one query; the days before them are read too, for earlier visits."""

COLUMNS = (
    "kind", "day", "order_id", "moment", "source", "medium", "campaign", "campaign_id", "content", "channel_group",
    "gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid", "page", "path", "journeys", "orders",
    "device",
)  # fmt: skip
"""What a row answers. kind: `touch` (a visit of an order), `path` (journeys that went the same way and ended on the
day), `hidden` (events and purchases of visitors without consent, whom nobody can follow), `unnamed` (purchases without
a transaction id). day: YYYYMMDD of the property. moment: microseconds, UTC. path: JSON list of visits, oldest first.
device: of the browser, which is that of the order and of every visit before it."""

STEPS = ("source", "medium", "channel_group", "click")
"""What a visit of a path tells."""

# A visit came through what its own landing was tagged with. GA4's last click of the session is the last one that was
# not direct, often that of an earlier visit: it speaks only where the session came from another site, and for the names
# of a campaign whose source it shares. The consent-less have no user_pseudo_id (they are counted, and nothing else).
QUERY = """
WITH seen AS (
  SELECT
    event_date AS day,
    event_timestamp AS moment,
    user_pseudo_id AS person,
    (SELECT value.int_value FROM UNNEST(event_params) WHERE key = 'ga_session_id') AS session,
    (SELECT value.string_value FROM UNNEST(event_params) WHERE key = 'page_location') AS page,
    (SELECT value.string_value FROM UNNEST(event_params) WHERE key = 'page_referrer') AS referrer,
    device.category AS device,
    event_name = 'purchase' AS bought,
    NULLIF(NULLIF(TRIM(ecommerce.transaction_id), ''), '(not set)') AS order_id,
    collected_traffic_source AS told,
    session_traffic_source_last_click.cross_channel_campaign AS credited
  FROM `{events}`
  WHERE _TABLE_SUFFIX BETWEEN @first AND @last OR _TABLE_SUFFIX IN UNNEST(@intraday)
),
purchases AS (
  SELECT day, moment, person, session, order_id, device
  FROM seen
  WHERE bought
  QUALIFY order_id IS NULL OR ROW_NUMBER() OVER (PARTITION BY order_id ORDER BY moment) = 1
),
landings AS (
  SELECT
    person,
    session,
    MIN(moment) AS moment,
    MAX(day) AS day,
    ARRAY_AGG(page IGNORE NULLS ORDER BY moment LIMIT 1)[SAFE_OFFSET(0)] AS page,
    ARRAY_AGG(referrer IGNORE NULLS ORDER BY moment LIMIT 1)[SAFE_OFFSET(0)] AS referrer,
    ARRAY_AGG(
      IF(COALESCE(told.gclid, told.manual_source, told.manual_medium, told.manual_campaign_name) IS NULL, NULL, told)
      IGNORE NULLS ORDER BY moment LIMIT 1
    )[SAFE_OFFSET(0)] AS told,
    ARRAY_AGG(credited IGNORE NULLS ORDER BY moment LIMIT 1)[SAFE_OFFSET(0)] AS credited
  FROM seen
  WHERE person IS NOT NULL AND session IS NOT NULL
  GROUP BY person, session
),
visits AS (
  SELECT
    person,
    session,
    moment,
    day,
    COALESCE(told.manual_source, IF(told.gclid IS NULL, IF(came_in, credited.source, NULL), 'google'), '') AS source,
    COALESCE(told.manual_medium, IF(told.gclid IS NULL, IF(came_in, credited.medium, NULL), 'cpc'), '') AS medium,
    COALESCE(told.manual_campaign_name, IF(is_its_own, credited.campaign_name, NULL), '') AS campaign,
    COALESCE(told.manual_campaign_id, IF(is_its_own, credited.campaign_id, NULL), '') AS campaign_id,
    COALESCE(told.manual_content, '') AS content,
    COALESCE(IF(is_its_own, credited.default_channel_group, NULL), '') AS channel_group,
    COALESCE(told.gclid, REGEXP_EXTRACT(page, r'[?&]gclid=([^&#]+)'), '') AS gclid,
    COALESCE(REGEXP_EXTRACT(page, r'[?&]gbraid=([^&#]+)'), '') AS gbraid,
    COALESCE(REGEXP_EXTRACT(page, r'[?&]wbraid=([^&#]+)'), '') AS wbraid,
    COALESCE(REGEXP_EXTRACT(page, r'[?&]fbclid=([^&#]+)'), '') AS fbclid,
    COALESCE(REGEXP_EXTRACT(page, r'[?&]ttclid=([^&#]+)'), '') AS ttclid,
    COALESCE(REGEXP_EXTRACT(page, r'[?&]msclkid=([^&#]+)'), '') AS msclkid,
    COALESCE(REGEXP_EXTRACT(page, r'^https?://[^/?#]+(/[^?#]*)'), '') AS page
  FROM (
    SELECT
      *,
      COALESCE(NET.REG_DOMAIN(referrer) != NET.REG_DOMAIN(page), FALSE) AS came_in,
      CASE
        WHEN told.gclid IS NOT NULL THEN credited.source = 'google'
        WHEN told.manual_source IS NOT NULL THEN credited.source = told.manual_source
        ELSE COALESCE(NET.REG_DOMAIN(referrer) != NET.REG_DOMAIN(page), FALSE)
      END AS is_its_own
    FROM landings
  )
),
marked AS (
  SELECT
    v.*,
    b.session IS NOT NULL AS bought,
    CASE
      WHEN gclid != '' THEN 'gclid'
      WHEN gbraid != '' THEN 'gbraid'
      WHEN wbraid != '' THEN 'wbraid'
      WHEN ttclid != '' THEN 'ttclid'
      WHEN msclkid != '' THEN 'msclkid'
      WHEN fbclid != '' THEN 'fbclid'
      ELSE ''
    END AS click
  FROM visits AS v
  LEFT JOIN (SELECT DISTINCT person, session FROM purchases) AS b
    ON b.person = v.person AND b.session = v.session
),
numbered AS (
  SELECT *, SUM(opens) OVER (PARTITION BY person ORDER BY moment, session) AS journey
  FROM (
    SELECT
      *,
      IF(
        COALESCE(moment - LAG(moment) OVER (PARTITION BY person ORDER BY moment, session) <= @quiet_days * 86400000000, FALSE)
        AND NOT COALESCE(LAG(bought) OVER (PARTITION BY person ORDER BY moment, session), FALSE),
        0, 1
      ) AS opens
    FROM marked
  )
),
closed AS (
  SELECT
    person,
    journey,
    MAX(day) AS day,
    MAX(moment) AS ended,
    LOGICAL_OR(bought) AS bought,
    ARRAY_AGG(STRUCT(moment, session, source, medium, channel_group, click)) AS visits
  FROM numbered
  GROUP BY person, journey
),
walked AS (
  SELECT
    day,
    bought,
    TO_JSON_STRING(ARRAY(
      SELECT AS STRUCT visit.source, visit.medium, visit.channel_group, visit.click
      FROM UNNEST(visits) AS visit
      WHERE visit.moment > ended - @lookback_days * 86400000000
      ORDER BY visit.moment, visit.session
    )) AS path
  FROM closed
  WHERE day BETWEEN @since AND LEAST(@until, @settled)
)
SELECT
  'touch' AS kind, p.day AS day, p.order_id AS order_id, v.moment AS moment, v.source AS source, v.medium AS medium,
  v.campaign AS campaign, v.campaign_id AS campaign_id, v.content AS content, v.channel_group AS channel_group,
  v.gclid AS gclid, v.gbraid AS gbraid, v.wbraid AS wbraid, v.fbclid AS fbclid, v.ttclid AS ttclid,
  v.msclkid AS msclkid, v.page AS page, '' AS path, 0 AS journeys, 0 AS orders, COALESCE(p.device, '') AS device
FROM purchases AS p
JOIN visits AS v ON v.person = p.person
WHERE p.order_id IS NOT NULL AND p.day BETWEEN @since AND @until
  AND v.moment <= p.moment AND v.moment > p.moment - @lookback_days * 86400000000
UNION ALL
SELECT
  'path', day, '', 0, '', '', '', '', '', '', '', '', '', '', '', '', '', path, COUNT(*), COUNTIF(bought), ''
FROM walked
GROUP BY day, path
UNION ALL
SELECT
  'hidden', day, '', 0, '', '', '', '', '', '', '', '', '', '', '', '', '', '', COUNT(*), COUNTIF(bought), ''
FROM seen
WHERE person IS NULL AND day BETWEEN @since AND @until
GROUP BY day
UNION ALL
SELECT
  'unnamed', day, '', 0, '', '', '', '', '', '', '', '', '', '', '', '', '', '', 0, COUNT(*), ''
FROM purchases
WHERE order_id IS NULL AND day BETWEEN @since AND @until
GROUP BY day
"""
