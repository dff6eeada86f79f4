-- title: From a visit to a sale
-- grain: origin, day, channel, device
-- columns:
--   origin           text   Which source counts. ga4: sessions in which each stage happened, each stage for itself. ga4_bigquery: sessions that went through the stages one after the other.
--   day              date   Property-local day.
--   channel          text   Channel of the visit's source.
--   device           text   GA4's device category; empty where it does not tell.
--   visits           count  Sessions.
--   views            count  Sessions in which a product was looked at. This and the following are empty, not 0, on days before the first and after the last such event any visit of the property had.
--   carts            count  Sessions in which something was put into the cart.
--   checkouts        count  Sessions in which the checkout began.
--   payments         count  Sessions in which a way to pay was given.
--   purchases        count  Sessions in which something was bought.
--   view_events      count  How often a product was looked at, in whatever session.
--   cart_events      count  How often something was put into the cart.
--   checkout_events  count  How often a checkout began.
--   payment_events   count  How often a way to pay was given.
--   purchase_events  count  Purchases, as GA4 counts them.
--   view_rate        rate   views / visits.
--   cart_rate        rate   carts / views.
--   checkout_rate    rate   checkouts / carts.
--   purchase_rate    rate   purchases / checkouts.
--   overall_rate     rate   purchases / visits.
SELECT
    t.origin AS origin,
    t.day AS day,
    t.channel AS channel,
    t.device AS device,
    t.visits AS visits,
    t.views AS views,
    t.carts AS carts,
    t.checkouts AS checkouts,
    t.payments AS payments,
    t.purchases AS purchases,
    t.view_events AS view_events,
    t.cart_events AS cart_events,
    t.checkout_events AS checkout_events,
    t.payment_events AS payment_events,
    t.purchase_events AS purchase_events,
    CASE WHEN t.visits > 0 THEN ROUND(1.0 * t.views / t.visits, 6) END AS view_rate,
    CASE WHEN t.views > 0 THEN ROUND(1.0 * t.carts / t.views, 6) END AS cart_rate,
    CASE WHEN t.carts > 0 THEN ROUND(1.0 * t.checkouts / t.carts, 6) END AS checkout_rate,
    CASE WHEN t.checkouts > 0 THEN ROUND(1.0 * t.purchases / t.checkouts, 6) END AS purchase_rate,
    CASE WHEN t.visits > 0 THEN ROUND(1.0 * t.purchases / t.visits, 6) END AS overall_rate
FROM (
    SELECT
        f.origin AS origin,
        f.day AS day,
        f.channel AS channel,
        f.device AS device,
        SUM(CASE WHEN f.stage = 'visit' THEN f.sessions ELSE 0 END) AS visits,
        CASE
            WHEN f.day BETWEEN MIN(m.view_since) AND MAX(m.view_last)
                THEN SUM(CASE WHEN f.stage = 'view' THEN f.sessions ELSE 0 END)
        END AS views,
        CASE
            WHEN f.day BETWEEN MIN(m.cart_since) AND MAX(m.cart_last)
                THEN SUM(CASE WHEN f.stage = 'cart' THEN f.sessions ELSE 0 END)
        END AS carts,
        CASE
            WHEN f.day BETWEEN MIN(m.checkout_since) AND MAX(m.checkout_last)
                THEN SUM(CASE WHEN f.stage = 'checkout' THEN f.sessions ELSE 0 END)
        END AS checkouts,
        CASE
            WHEN f.day BETWEEN MIN(m.payment_since) AND MAX(m.payment_last)
                THEN SUM(CASE WHEN f.stage = 'payment' THEN f.sessions ELSE 0 END)
        END AS payments,
        CASE
            WHEN f.day BETWEEN MIN(m.purchase_since) AND MAX(m.purchase_last)
                THEN SUM(CASE WHEN f.stage = 'purchase' THEN f.sessions ELSE 0 END)
        END AS purchases,
        CASE
            WHEN f.day BETWEEN MIN(m.view_since) AND MAX(m.view_last)
                THEN SUM(CASE WHEN f.stage = 'view' THEN f.events ELSE 0 END)
        END AS view_events,
        CASE
            WHEN f.day BETWEEN MIN(m.cart_since) AND MAX(m.cart_last)
                THEN SUM(CASE WHEN f.stage = 'cart' THEN f.events ELSE 0 END)
        END AS cart_events,
        CASE
            WHEN f.day BETWEEN MIN(m.checkout_since) AND MAX(m.checkout_last)
                THEN SUM(CASE WHEN f.stage = 'checkout' THEN f.events ELSE 0 END)
        END AS checkout_events,
        CASE
            WHEN f.day BETWEEN MIN(m.payment_since) AND MAX(m.payment_last)
                THEN SUM(CASE WHEN f.stage = 'payment' THEN f.events ELSE 0 END)
        END AS payment_events,
        CASE
            WHEN f.day BETWEEN MIN(m.purchase_since) AND MAX(m.purchase_last)
                THEN SUM(CASE WHEN f.stage = 'purchase' THEN f.events ELSE 0 END)
        END AS purchase_events
    FROM fct_funnel f
    JOIN (
        SELECT
            origin,
            property_id,
            MIN(CASE WHEN stage = 'view' THEN day END) AS view_since,
            MAX(CASE WHEN stage = 'view' THEN day END) AS view_last,
            MIN(CASE WHEN stage = 'cart' THEN day END) AS cart_since,
            MAX(CASE WHEN stage = 'cart' THEN day END) AS cart_last,
            MIN(CASE WHEN stage = 'checkout' THEN day END) AS checkout_since,
            MAX(CASE WHEN stage = 'checkout' THEN day END) AS checkout_last,
            MIN(CASE WHEN stage = 'payment' THEN day END) AS payment_since,
            MAX(CASE WHEN stage = 'payment' THEN day END) AS payment_last,
            MIN(CASE WHEN stage = 'purchase' THEN day END) AS purchase_since,
            MAX(CASE WHEN stage = 'purchase' THEN day END) AS purchase_last
        FROM fct_funnel
        GROUP BY origin, property_id
    ) m ON m.origin = f.origin AND m.property_id = f.property_id
    GROUP BY f.origin, f.day, f.channel, f.device
) t
