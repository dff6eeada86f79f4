-- title: Scores buyers gave
-- grain: day, platform, score
-- columns:
--   day       date   Local day the review was asked for.
--   platform  text   Store platform.
--   score     count  1 to 5.
--   reviews   count  Reviews with it.
--   orders    count  Orders they are about.
--   answered  count  Of the reviews, those with an answer's date.
SELECT
    r.review_date AS day,
    r.platform AS platform,
    r.score AS score,
    COUNT(DISTINCT r.review_id) AS reviews,
    COUNT(DISTINCT r.order_key) AS orders,
    COUNT(DISTINCT CASE WHEN r.answered_at IS NOT NULL THEN r.review_id END) AS answered
FROM fct_reviews r
GROUP BY r.review_date, r.platform, r.score
