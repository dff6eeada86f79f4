-- title: Orders, one by one
-- grain: platform, external_id
-- columns:
--   platform           text     Store platform.
--   external_id        text     The platform's order id.
--   number             text     Number shown to the buyer.
--   created_at         instant  Placed.
--   order_date         date     Local day of that.
--   paid_at            instant  Paid.
--   paid_date          date     Local day of that.
--   status             text     open, closed, cancelled.
--   payment_status     text     pending, authorized, paid, partially_refunded, refunded, voided, abandoned, unknown.
--   status_detail      text     The platform's own, finer word for where the order stands; empty without one.
--   fulfilment_status  text     As the platform says.
--   shipped_at         instant  Handed over to whom brings it.
--   delivered_at       instant  Delivered.
--   delivery_days      count    Local days from order_date to delivery; empty before, and where nobody tells.
--   closed_at          instant  Closed.
--   cancelled_at       instant  Cancelled.
--   is_paid            flag     1 when the order counts as revenue.
--   is_test            flag     1 for test orders.
--   is_new_customer    flag     1 when it won its buyer.
--   currency           text     The client's.
--   native_currency    text     The order's own.
--   native_total       money    Asked of the buyer in the order's own currency.
--   native_paid        money    Paid in the order's own currency.
--   exchange_rate      factor   What one unit of it is worth; empty while there is no rate, and then money is 0.
--   rate_day           date     Day of the rate; empty for the client's own currency.
--   rate_source        text     Where the rate is from.
--   subtotal           money    Sum of lines.
--   discount           money    Discounts on the order.
--   shipping           money    Freight charged.
--   shipping_cost      money    What the shop pays for sending it, where it tells.
--   shipping_mode      text     How it is sent: the option the buyer chose, else the carrier.
--   tax                money    Tax charged on top.
--   total              money    Asked of the buyer.
--   paid               money    Paid by the buyer.
--   refunded           money    Given back so far.
--   net                money    paid - refunded.
--   payment_method     text     Method of the largest payment.
--   installments       count    Of the largest payment.
--   coupon             text     Coupon code.
--   items              count    Units.
--   state              text     UF.
--   country            text     ISO 3166.
--   marketplace        text     Marketplace the order was imported from.
--   touches            count    Touches known before it.
--   channel            text     Channel of the last touch; unattributed without one.
--   source             text     Source of the last touch.
--   medium             text     Medium of the last touch.
--   campaign           text     Campaign of the last touch, as tagged.
SELECT
    o.platform AS platform,
    o.external_id AS external_id,
    o.number AS number,
    o.created_at AS created_at,
    o.order_date AS order_date,
    o.paid_at AS paid_at,
    o.paid_date AS paid_date,
    o.status AS status,
    o.payment_status AS payment_status,
    o.status_detail AS status_detail,
    o.fulfilment_status AS fulfilment_status,
    o.shipped_at AS shipped_at,
    o.delivered_at AS delivered_at,
    o.delivery_days AS delivery_days,
    o.closed_at AS closed_at,
    o.cancelled_at AS cancelled_at,
    o.is_paid AS is_paid,
    o.is_test AS is_test,
    o.is_new_customer AS is_new_customer,
    o.currency AS currency,
    o.native_currency AS native_currency,
    COALESCE(o.native_total, o.total) AS native_total,
    COALESCE(o.native_paid, o.paid) AS native_paid,
    o.exchange_rate AS exchange_rate,
    o.rate_day AS rate_day,
    o.rate_source AS rate_source,
    o.subtotal AS subtotal,
    o.discount AS discount,
    o.shipping AS shipping,
    o.shipping_cost AS shipping_cost,
    o.shipping_mode AS shipping_mode,
    o.tax AS tax,
    o.total AS total,
    o.paid AS paid,
    o.refunded AS refunded,
    o.paid - o.refunded AS net,
    o.payment_method AS payment_method,
    o.installments AS installments,
    o.coupon AS coupon,
    o.items AS items,
    o.state AS state,
    o.country AS country,
    o.marketplace AS marketplace,
    COALESCE(p.position, 0) AS touches,
    COALESCE(p.channel, 'unattributed') AS channel,
    COALESCE(p.source, '') AS source,
    COALESCE(p.medium, '') AS medium,
    COALESCE(p.campaign, '') AS campaign
FROM fct_orders o
LEFT JOIN fct_touchpoints p ON p.order_key = o.order_key AND NOT EXISTS (
    SELECT 1 FROM fct_touchpoints later
    WHERE later.order_key = p.order_key AND later.position > p.position
)
