-- title: Where orders go
-- grain: day, country, state, city
-- columns:
--   day        date   Local day of payment.
--   country    text   ISO 3166.
--   state      text   UF the postcode lies in, else as the order says.
--   state_name text   Its name; empty outside Brazil.
--   region     text   Region of Brazil it lies in, likewise.
--   city       text   Town the postcode lies in, else as the order says.
--   orders     count  Paid orders.
--   revenue    money  Paid.
--   shipping   money  Freight charged.
SELECT
    o.paid_date AS day,
    o.country AS country,
    COALESCE(g.state, o.state) AS state,
    COALESCE(MAX(s.name), '') AS state_name,
    COALESCE(MAX(s.region), '') AS region,
    COALESCE(g.city, o.city) AS city,
    COUNT(*) AS orders,
    SUM(o.paid) AS revenue,
    SUM(o.shipping) AS shipping
FROM fct_orders o
LEFT JOIN dim_geolocation g ON g.country = o.country AND g.postal_prefix = o.postal_prefix
LEFT JOIN dim_states s ON s.country = o.country AND s.state = COALESCE(g.state, o.state)
WHERE o.is_paid = 1 AND o.paid_date IS NOT NULL
GROUP BY o.paid_date, o.country, COALESCE(g.state, o.state), COALESCE(g.city, o.city)
