-- The first shape of a client's schema.
-- Portable: what only the MySQL family understands (COLLATE utf8mb4_bin, DATETIME(6), LONGTEXT) is reworded for SQLite.

CREATE TABLE IF NOT EXISTS schema_migrations (
  version VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  name VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  applied_at DATETIME(6) NOT NULL,
  PRIMARY KEY (version)
);

CREATE TABLE IF NOT EXISTS cortex_meta (
  name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  value VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE IF NOT EXISTS sync_state (
  stream VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  complete_until DATE,
  source_updated_at DATETIME(6),
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  moved_at DATETIME(6) NOT NULL,
  PRIMARY KEY (stream)
);

CREATE TABLE IF NOT EXISTS quarantine (
  stream VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  record_key VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  reason VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  first_seen DATETIME(6) NOT NULL,
  last_seen DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (stream, record_key, reason)
);

CREATE TABLE IF NOT EXISTS data_notices (
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  stream VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  code VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  message VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  row_count BIGINT NOT NULL,
  amount NUMERIC(18, 2) NOT NULL,
  facts LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  noticed_at DATETIME(6) NOT NULL,
  PRIMARY KEY (run_id, stream, code, message)
);

CREATE TABLE IF NOT EXISTS raw_ecommerce_orders (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  external_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  payload LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  payload_sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  fetched_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (platform, external_id)
);

CREATE TABLE IF NOT EXISTS dim_dates (
  date_key INTEGER NOT NULL,
  day DATE NOT NULL,
  year SMALLINT NOT NULL,
  quarter SMALLINT NOT NULL,
  month SMALLINT NOT NULL,
  month_start DATE NOT NULL,
  week_start DATE NOT NULL,
  iso_year SMALLINT NOT NULL,
  iso_week SMALLINT NOT NULL,
  weekday SMALLINT NOT NULL,
  month_index INTEGER NOT NULL,
  is_holiday SMALLINT NOT NULL,
  holiday VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  is_black_friday SMALLINT NOT NULL,
  PRIMARY KEY (date_key)
);
CREATE UNIQUE INDEX ux_dim_dates_day ON dim_dates (day);

CREATE TABLE IF NOT EXISTS dim_channels (
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  name_pt VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  name_en VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  name_es VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  is_paid SMALLINT NOT NULL,
  sort_order SMALLINT NOT NULL,
  PRIMARY KEY (channel)
);

CREATE TABLE IF NOT EXISTS dim_states (
  country VARCHAR(2) COLLATE utf8mb4_bin NOT NULL,
  state VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  region VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (country, state)
);

CREATE TABLE IF NOT EXISTS dim_segments (
  segment VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  behaviour VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  sort_order SMALLINT NOT NULL,
  name_pt VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  name_en VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  name_es VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  action_pt VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  action_en VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  action_es VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (segment)
);

CREATE TABLE IF NOT EXISTS dim_customers (
  customer_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  first_order_date DATE NOT NULL,
  last_order_date DATE NOT NULL,
  first_order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  first_order_channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  total_orders INTEGER NOT NULL,
  total_revenue NUMERIC(18, 2) NOT NULL,
  avg_order_value NUMERIC(18, 2) NOT NULL,
  recency_days INTEGER NOT NULL,
  ltv_to_date NUMERIC(18, 2) NOT NULL,
  ltv_window NUMERIC(18, 2) NOT NULL,
  is_churned SMALLINT NOT NULL,
  rfm_recency SMALLINT,
  rfm_frequency SMALLINT,
  rfm_monetary SMALLINT,
  rfm_segment VARCHAR(32) COLLATE utf8mb4_bin,
  preferred_category VARCHAR(128) COLLATE utf8mb4_bin,
  state VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  as_of DATE NOT NULL,
  PRIMARY KEY (customer_key)
);
CREATE INDEX ix_dim_customers_first ON dim_customers (first_order_date);

CREATE TABLE IF NOT EXISTS dim_products (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  product_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  sku VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  name VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  category VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  category_level_2 VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  category_level_3 VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  brand VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  size VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  color VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  gender VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  product_condition VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  supplier_country VARCHAR(2) COLLATE utf8mb4_bin NOT NULL,
  weight_kg NUMERIC(18, 3),
  launch_date DATE,
  current_price NUMERIC(18, 2),
  original_price NUMERIC(18, 2),
  cost_price NUMERIC(18, 2),
  stock INTEGER,
  abc_class VARCHAR(1) COLLATE utf8mb4_bin,
  updated_at DATETIME(6) NOT NULL,
  PRIMARY KEY (platform, product_id)
);

CREATE TABLE IF NOT EXISTS dim_campaigns (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  account_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  campaign_name VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  adset_name VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  ad_name VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  funnel_stage VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (platform, campaign_id, adset_id, ad_id)
);

CREATE TABLE IF NOT EXISTS fct_orders (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  external_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  number VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  customer_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  payment_status VARCHAR(24) COLLATE utf8mb4_bin NOT NULL,
  status_detail VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  fulfilment_status VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  is_paid SMALLINT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  paid_at DATETIME(6),
  shipped_at DATETIME(6),
  delivered_at DATETIME(6),
  delivery_days SMALLINT,
  closed_at DATETIME(6),
  cancelled_at DATETIME(6),
  cancel_reason VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  order_date DATE NOT NULL,
  paid_date DATE,
  currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  native_currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  native_total NUMERIC(18, 2),
  native_paid NUMERIC(18, 2),
  exchange_rate NUMERIC(18, 10),
  rate_day DATE,
  rate_source VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  subtotal NUMERIC(18, 2) NOT NULL,
  discount NUMERIC(18, 2) NOT NULL,
  shipping NUMERIC(18, 2) NOT NULL,
  shipping_cost NUMERIC(18, 2),
  shipping_mode VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  tax NUMERIC(18, 2) NOT NULL,
  total NUMERIC(18, 2) NOT NULL,
  paid NUMERIC(18, 2) NOT NULL,
  refunded NUMERIC(18, 2) NOT NULL,
  payment_method VARCHAR(24) COLLATE utf8mb4_bin NOT NULL,
  installments SMALLINT NOT NULL,
  coupon VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  items INTEGER NOT NULL,
  city VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  state VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  postal_prefix VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  country VARCHAR(2) COLLATE utf8mb4_bin NOT NULL,
  marketplace VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  device VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  is_test SMALLINT NOT NULL,
  utm_source VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  utm_medium VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  utm_campaign VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  utm_content VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  utm_term VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  gclid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  gbraid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  wbraid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  fbc VARCHAR(512) COLLATE utf8mb4_bin NOT NULL,
  fbp VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  ttclid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  ttp VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ga_client_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  event_url VARCHAR(512) COLLATE utf8mb4_bin NOT NULL,
  consent_state VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  consent_source VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  consent_version VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  consent_at DATETIME(6),
  is_new_customer SMALLINT NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  content VARCHAR(32) COLLATE utf8mb4_bin,
  PRIMARY KEY (order_key)
);
CREATE INDEX ix_fct_orders_customer ON fct_orders (customer_key, paid_date);
CREATE INDEX ix_fct_orders_order_date ON fct_orders (order_date);
CREATE INDEX ix_fct_orders_paid_date ON fct_orders (paid_date);
CREATE UNIQUE INDEX ux_fct_orders_external ON fct_orders (platform, external_id);

CREATE TABLE IF NOT EXISTS fct_order_items (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  line SMALLINT NOT NULL,
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  product_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  variant_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  sku VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  name VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  category VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  seller_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  quantity INTEGER NOT NULL,
  unit_price NUMERIC(18, 2) NOT NULL,
  full_unit_price NUMERIC(18, 2) NOT NULL,
  discount NUMERIC(18, 2) NOT NULL,
  total NUMERIC(18, 2) NOT NULL,
  unit_cost NUMERIC(18, 2),
  sale_fee NUMERIC(18, 2),
  manufacturing_days SMALLINT,
  PRIMARY KEY (order_key, line)
);
CREATE INDEX ix_fct_order_items_product ON fct_order_items (platform, product_id);

CREATE TABLE IF NOT EXISTS fct_payments (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  sequence SMALLINT NOT NULL,
  method VARCHAR(24) COLLATE utf8mb4_bin NOT NULL,
  installments SMALLINT NOT NULL,
  amount NUMERIC(18, 2) NOT NULL,
  status VARCHAR(24) COLLATE utf8mb4_bin NOT NULL,
  paid_at DATETIME(6),
  fee NUMERIC(18, 2),
  PRIMARY KEY (order_key, sequence)
);

CREATE TABLE IF NOT EXISTS fct_refunds (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  refund_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  created_at DATETIME(6) NOT NULL,
  refund_date DATE NOT NULL,
  amount NUMERIC(18, 2) NOT NULL,
  reason VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (order_key, refund_id)
);
CREATE INDEX ix_fct_refunds_date ON fct_refunds (refund_date);

CREATE TABLE IF NOT EXISTS fct_order_status (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  payment_status VARCHAR(24) COLLATE utf8mb4_bin NOT NULL,
  fulfilment_status VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (order_key, updated_at)
);

CREATE TABLE IF NOT EXISTS fct_order_aliases (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  kind VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  alias CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (order_key, kind)
);
CREATE INDEX ix_fct_order_aliases_alias ON fct_order_aliases (alias);

CREATE TABLE IF NOT EXISTS fct_ad_spend (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  account_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  level VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  native_currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  exchange_rate NUMERIC(18, 10),
  rate_day DATE,
  rate_source VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  timezone VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  impressions BIGINT NOT NULL,
  reach BIGINT NOT NULL,
  clicks BIGINT NOT NULL,
  spend NUMERIC(18, 2) NOT NULL,
  native_spend NUMERIC(18, 2) NOT NULL,
  conversions NUMERIC(18, 6) NOT NULL,
  conversion_value NUMERIC(18, 2) NOT NULL,
  native_value NUMERIC(18, 2) NOT NULL,
  pulled_at DATETIME(6) NOT NULL,
  is_provisional SMALLINT NOT NULL,
  PRIMARY KEY (platform, account_id, day, campaign_id, adset_id, ad_id)
);
CREATE INDEX ix_fct_ad_spend_day ON fct_ad_spend (day);

CREATE TABLE IF NOT EXISTS fct_ad_clicks (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  click_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (platform, click_id)
);

CREATE TABLE IF NOT EXISTS fct_sessions (
  property_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  source VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  medium VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  campaign VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  channel_group VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  sessions BIGINT NOT NULL,
  engaged_sessions BIGINT NOT NULL,
  users BIGINT NOT NULL,
  new_users BIGINT NOT NULL,
  revenue NUMERIC(18, 2) NOT NULL,
  native_revenue NUMERIC(18, 2) NOT NULL,
  currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  native_currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  exchange_rate NUMERIC(18, 10),
  rate_day DATE,
  rate_source VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (property_id, day, source, medium, campaign)
);
CREATE INDEX ix_fct_sessions_day ON fct_sessions (day);

CREATE TABLE IF NOT EXISTS fct_funnel (
  origin VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  property_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  device VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  stage VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  sessions BIGINT NOT NULL,
  events BIGINT NOT NULL,
  PRIMARY KEY (origin, property_id, day, channel, device, stage)
);
CREATE INDEX ix_fct_funnel_day ON fct_funnel (day);

CREATE TABLE IF NOT EXISTS fct_product_views (
  origin VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  property_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  item_id VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  viewed BIGINT NOT NULL,
  added BIGINT NOT NULL,
  purchased BIGINT NOT NULL,
  PRIMARY KEY (origin, property_id, day, item_id)
);
CREATE INDEX ix_fct_product_views_day ON fct_product_views (day);

CREATE TABLE IF NOT EXISTS stg_touches (
  touch_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  origin VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  order_ref VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  occurred_at DATETIME(6),
  source VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  medium VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  campaign VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  content VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  term VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  channel_group VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  gclid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  gbraid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  wbraid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  fbclid VARCHAR(512) COLLATE utf8mb4_bin NOT NULL,
  ttclid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  msclkid VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  landing_page VARCHAR(512) COLLATE utf8mb4_bin NOT NULL,
  device VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (touch_key)
);
CREATE INDEX ix_stg_touches_day ON stg_touches (origin, day);
CREATE INDEX ix_stg_touches_order ON stg_touches (order_ref);

CREATE TABLE IF NOT EXISTS fct_touchpoints (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  position SMALLINT NOT NULL,
  occurred_at DATETIME(6),
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  source VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  medium VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  campaign VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  origin VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  is_direct SMALLINT NOT NULL,
  PRIMARY KEY (order_key, position)
);

CREATE TABLE IF NOT EXISTS fct_attribution (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  model VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  position SMALLINT NOT NULL,
  method VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  order_date DATE NOT NULL,
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  weight NUMERIC(18, 8) NOT NULL,
  attributed_revenue NUMERIC(18, 2) NOT NULL,
  is_new_customer SMALLINT NOT NULL,
  window_days SMALLINT NOT NULL,
  PRIMARY KEY (order_key, model, position)
);
CREATE INDEX ix_fct_attribution_day ON fct_attribution (model, order_date);
CREATE INDEX ix_fct_attribution_date ON fct_attribution (order_date);

CREATE TABLE IF NOT EXISTS agg_paths (
  origin VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  path VARCHAR(400) COLLATE utf8mb4_bin NOT NULL,
  journeys BIGINT NOT NULL,
  orders BIGINT NOT NULL,
  PRIMARY KEY (origin, day, path)
);

CREATE TABLE IF NOT EXISTS agg_daily_sales (
  day DATE NOT NULL,
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  orders INTEGER NOT NULL,
  new_customers INTEGER NOT NULL,
  items INTEGER NOT NULL,
  gross_revenue NUMERIC(18, 2) NOT NULL,
  refunds NUMERIC(18, 2) NOT NULL,
  discounts NUMERIC(18, 2) NOT NULL,
  shipping NUMERIC(18, 2) NOT NULL,
  PRIMARY KEY (day, channel)
);

CREATE TABLE IF NOT EXISTS conversion_identifiers (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  destination VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  identifiers LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  PRIMARY KEY (order_key, destination)
);

CREATE TABLE IF NOT EXISTS conversion_diagnostics (
  destination VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  part VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  succeeded BIGINT,
  failed BIGINT,
  pending BIGINT,
  status VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  score NUMERIC(18, 2),
  said VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  read_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (destination, part, day)
);

CREATE TABLE IF NOT EXISTS conversion_outbox (
  outbox_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  destination VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  action VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  revision SMALLINT NOT NULL,
  event_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  order_ref VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  occurred_at DATETIME(6) NOT NULL,
  value NUMERIC(18, 2) NOT NULL,
  value_basis VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  predicted_value NUMERIC(18, 2),
  currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  state VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  reason VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  match_keys VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  consent_state VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  consent_source VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  consent_version VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  consent_at DATETIME(6),
  attempts SMALLINT NOT NULL,
  claim_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  claimed_at DATETIME(6),
  next_attempt_at DATETIME(6),
  sent_at DATETIME(6),
  settled_at DATETIME(6),
  request_id VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  payload_sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  error_class VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  error_code VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  error_message VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  created_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (outbox_key)
);
CREATE INDEX ix_conversion_outbox_order ON conversion_outbox (order_key, destination, action);
CREATE INDEX ix_conversion_outbox_work ON conversion_outbox (destination, state, occurred_at);

CREATE TABLE IF NOT EXISTS raw_meta_ads (
  account_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  payload LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  payload_sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  fetched_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (account_id, day, campaign_id, adset_id, ad_id)
);

CREATE TABLE IF NOT EXISTS raw_google_ads (
  account_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  payload LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  payload_sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  fetched_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (account_id, day, campaign_id, adset_id, ad_id)
);

CREATE TABLE IF NOT EXISTS raw_tiktok_ads (
  account_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  payload LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  payload_sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  fetched_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (account_id, day, campaign_id, adset_id, ad_id)
);

CREATE TABLE IF NOT EXISTS raw_ga4 (
  property_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  source VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  medium VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  campaign VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  payload LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  payload_sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  fetched_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (property_id, day, source, medium, campaign)
);

CREATE TABLE IF NOT EXISTS dim_sellers (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  seller_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  nickname VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  city VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  state VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  reputation VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  is_competitor SMALLINT NOT NULL,
  market_share NUMERIC(18, 6),
  PRIMARY KEY (platform, seller_id)
);

CREATE TABLE IF NOT EXISTS dim_geolocation (
  country VARCHAR(2) COLLATE utf8mb4_bin NOT NULL,
  postal_prefix VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  city VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  state VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  source VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (country, postal_prefix)
);

CREATE TABLE IF NOT EXISTS dim_product_category_translation (
  category VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  name_pt VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  name_en VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  name_es VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (category)
);

CREATE TABLE IF NOT EXISTS channel_products (
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  external_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  product_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  title VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  price NUMERIC(18, 2) NOT NULL,
  currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  is_active SMALLINT NOT NULL,
  PRIMARY KEY (channel, external_id)
);

CREATE TABLE IF NOT EXISTS price_history (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  product_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  price NUMERIC(18, 2) NOT NULL,
  full_price NUMERIC(18, 2) NOT NULL,
  discount NUMERIC(18, 6),
  competitor_rank INTEGER,
  price_position VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (platform, product_id, day)
);

CREATE TABLE IF NOT EXISTS fct_inventory (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  product_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  warehouse VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  stock INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  available INTEGER NOT NULL,
  reorder_point INTEGER NOT NULL,
  fetched_at DATETIME(6) NOT NULL,
  PRIMARY KEY (platform, product_id, warehouse, day)
);
CREATE INDEX ix_fct_inventory_day ON fct_inventory (day);
CREATE INDEX ix_fct_inventory_product ON fct_inventory (platform, product_id, day);

CREATE TABLE IF NOT EXISTS erased_people (
  tombstone CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  placed_until DATETIME(6) NOT NULL,
  PRIMARY KEY (tombstone)
);

CREATE TABLE IF NOT EXISTS erased_orders (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  customer_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  erased_at DATETIME(6) NOT NULL,
  PRIMARY KEY (order_key)
);

CREATE TABLE IF NOT EXISTS fct_reviews (
  order_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  review_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  score SMALLINT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  review_date DATE NOT NULL,
  answered_at DATETIME(6),
  PRIMARY KEY (order_key, review_id)
);
CREATE INDEX ix_fct_reviews_date ON fct_reviews (review_date);

CREATE TABLE IF NOT EXISTS ad_daily_revision (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  account_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  campaign_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  adset_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  ad_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  revision SMALLINT NOT NULL,
  currency VARCHAR(3) COLLATE utf8mb4_bin NOT NULL,
  old_spend NUMERIC(18, 2) NOT NULL,
  new_spend NUMERIC(18, 2) NOT NULL,
  old_conversions NUMERIC(18, 6) NOT NULL,
  new_conversions NUMERIC(18, 6) NOT NULL,
  old_value NUMERIC(18, 2) NOT NULL,
  new_value NUMERIC(18, 2) NOT NULL,
  revised_at DATETIME(6) NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (platform, account_id, day, campaign_id, adset_id, ad_id, revision)
);
CREATE INDEX ix_ad_daily_revision_day ON ad_daily_revision (day);

CREATE TABLE IF NOT EXISTS sales_analytics (
  grain VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  period_start DATE NOT NULL,
  orders INTEGER NOT NULL,
  buyers INTEGER NOT NULL,
  new_customers INTEGER NOT NULL,
  items INTEGER NOT NULL,
  gross_revenue NUMERIC(18, 2) NOT NULL,
  refunds NUMERIC(18, 2) NOT NULL,
  refunded_orders INTEGER NOT NULL,
  spend NUMERIC(18, 2) NOT NULL,
  sessions BIGINT NOT NULL,
  PRIMARY KEY (grain, period_start)
);

CREATE TABLE IF NOT EXISTS customer_cohorts (
  cohort_month DATE NOT NULL,
  customers INTEGER NOT NULL,
  repeat_customers INTEGER NOT NULL,
  total_orders INTEGER NOT NULL,
  revenue NUMERIC(18, 2) NOT NULL,
  ltv NUMERIC(18, 2) NOT NULL,
  spend NUMERIC(18, 2) NOT NULL,
  months SMALLINT NOT NULL,
  as_of DATE NOT NULL,
  PRIMARY KEY (cohort_month)
);

CREATE TABLE IF NOT EXISTS customer_predictions (
  customer_key CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  as_of DATE NOT NULL,
  repeat_days INTEGER NOT NULL,
  p_alive NUMERIC(18, 6) NOT NULL,
  is_probably_gone SMALLINT NOT NULL,
  margin NUMERIC(18, 2),
  order_value NUMERIC(18, 2) NOT NULL,
  orders_30 NUMERIC(18, 6) NOT NULL,
  orders_90 NUMERIC(18, 6) NOT NULL,
  orders_180 NUMERIC(18, 6) NOT NULL,
  orders_365 NUMERIC(18, 6) NOT NULL,
  value_30 NUMERIC(18, 2) NOT NULL,
  value_90 NUMERIC(18, 2) NOT NULL,
  value_180 NUMERIC(18, 2) NOT NULL,
  value_365 NUMERIC(18, 2) NOT NULL,
  clv NUMERIC(18, 2) NOT NULL,
  clv_tier VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  at_stake NUMERIC(18, 2) NOT NULL,
  PRIMARY KEY (customer_key)
);

CREATE TABLE IF NOT EXISTS customer_models (
  model VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  `role` VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  is_used SMALLINT NOT NULL,
  is_converged SMALLINT NOT NULL,
  reason VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  log_likelihood NUMERIC(18, 6),
  buyers INTEGER NOT NULL,
  repeat_buyers INTEGER NOT NULL,
  correlation NUMERIC(18, 6),
  as_of DATE NOT NULL,
  PRIMARY KEY (model, `role`)
);

CREATE TABLE IF NOT EXISTS customer_model_parameters (
  model VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  parameter VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  value NUMERIC(18, 6) NOT NULL,
  error NUMERIC(18, 6),
  PRIMARY KEY (model, parameter)
);

CREATE TABLE IF NOT EXISTS cohort_cells (
  grain VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  cohort DATE NOT NULL,
  period SMALLINT NOT NULL,
  customers INTEGER NOT NULL,
  active INTEGER,
  orders INTEGER,
  revenue NUMERIC(18, 2),
  retention NUMERIC(18, 6),
  ltv NUMERIC(18, 2),
  ltv_margin NUMERIC(18, 2),
  as_of DATE NOT NULL,
  PRIMARY KEY (grain, channel, cohort, period)
);

CREATE TABLE IF NOT EXISTS cohort_payback (
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  cohort DATE NOT NULL,
  customers INTEGER NOT NULL,
  spend NUMERIC(18, 2),
  cac NUMERIC(18, 2),
  ltv NUMERIC(18, 2),
  ltv_to_cac NUMERIC(18, 6),
  payback_month SMALLINT,
  ltv_margin NUMERIC(18, 2),
  margin_payback_month SMALLINT,
  as_of DATE NOT NULL,
  PRIMARY KEY (channel, cohort)
);

CREATE TABLE IF NOT EXISTS customer_value (
  dimension VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  entry VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  label VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  customers INTEGER NOT NULL,
  repeat_customers INTEGER NOT NULL,
  orders INTEGER NOT NULL,
  revenue NUMERIC(18, 2) NOT NULL,
  ltv NUMERIC(18, 2) NOT NULL,
  window_customers INTEGER NOT NULL,
  ltv_window NUMERIC(18, 2),
  margin NUMERIC(18, 2),
  ltv_margin NUMERIC(18, 2),
  uncosted_customers INTEGER NOT NULL,
  value_365 NUMERIC(18, 2),
  clv NUMERIC(18, 2),
  spend NUMERIC(18, 2),
  cac NUMERIC(18, 2),
  ltv_to_cac NUMERIC(18, 6),
  as_of DATE NOT NULL,
  PRIMARY KEY (dimension, entry)
);

CREATE TABLE IF NOT EXISTS insight_figures (
  area VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  figure VARCHAR(48) COLLATE utf8mb4_bin NOT NULL,
  value NUMERIC(18, 6),
  as_of DATE NOT NULL,
  PRIMARY KEY (area, figure)
);

CREATE TABLE IF NOT EXISTS purchase_patterns (
  weekday SMALLINT NOT NULL,
  hour SMALLINT NOT NULL,
  orders INTEGER NOT NULL,
  revenue NUMERIC(18, 2) NOT NULL,
  PRIMARY KEY (weekday, hour)
);

CREATE TABLE IF NOT EXISTS product_classes (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  product_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  units INTEGER NOT NULL,
  revenue NUMERIC(18, 2) NOT NULL,
  margin NUMERIC(18, 2),
  compared_days INTEGER NOT NULL,
  revenue_recent NUMERIC(18, 2),
  revenue_before NUMERIC(18, 2),
  share NUMERIC(18, 6) NOT NULL,
  growth NUMERIC(18, 6),
  bcg_class VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  as_of DATE NOT NULL,
  PRIMARY KEY (platform, product_id)
);

CREATE TABLE IF NOT EXISTS product_effects (
  platform VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  product_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  orders INTEGER NOT NULL,
  units INTEGER NOT NULL,
  reduced_share NUMERIC(18, 6),
  conversion_basis VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  conversion NUMERIC(18, 6),
  expected_conversion NUMERIC(18, 6),
  rating NUMERIC(18, 6),
  changed_on DATE,
  price_before NUMERIC(18, 2),
  price_after NUMERIC(18, 2),
  days_before SMALLINT,
  days_after SMALLINT,
  units_before INTEGER,
  units_after INTEGER,
  lift NUMERIC(18, 6),
  elasticity NUMERIC(18, 6),
  mean_stock NUMERIC(18, 3),
  stock_days SMALLINT,
  available INTEGER,
  turnover NUMERIC(18, 3),
  cover_days NUMERIC(18, 3),
  as_of DATE NOT NULL,
  PRIMARY KEY (platform, product_id)
);

CREATE TABLE IF NOT EXISTS forecasts (
  series VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  day DATE NOT NULL,
  as_of DATE NOT NULL,
  horizon SMALLINT NOT NULL,
  predicted NUMERIC(18, 2) NOT NULL,
  lower_80 NUMERIC(18, 2),
  upper_80 NUMERIC(18, 2),
  lower_95 NUMERIC(18, 2),
  upper_95 NUMERIC(18, 2),
  total NUMERIC(18, 2) NOT NULL,
  total_lower_80 NUMERIC(18, 2),
  total_upper_80 NUMERIC(18, 2),
  total_lower_95 NUMERIC(18, 2),
  total_upper_95 NUMERIC(18, 2),
  model VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  mase NUMERIC(18, 6) NOT NULL,
  wape NUMERIC(18, 6),
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  trained_at DATETIME(6) NOT NULL,
  PRIMARY KEY (series, channel, day)
);

CREATE TABLE IF NOT EXISTS forecast_models (
  series VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  channel VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  model VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  is_used SMALLINT NOT NULL,
  is_intermittent SMALLINT NOT NULL,
  mase NUMERIC(18, 6) NOT NULL,
  rmsse NUMERIC(18, 6) NOT NULL,
  wape NUMERIC(18, 6),
  bias NUMERIC(18, 6),
  mae NUMERIC(18, 6) NOT NULL,
  rmse NUMERIC(18, 6) NOT NULL,
  mape NUMERIC(18, 6),
  r2 NUMERIC(18, 6),
  days INTEGER NOT NULL,
  origins INTEGER NOT NULL,
  coverage_80 NUMERIC(18, 6),
  coverage_95 NUMERIC(18, 6),
  covered_days INTEGER NOT NULL,
  history_since DATE NOT NULL,
  as_of DATE NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  trained_at DATETIME(6) NOT NULL,
  PRIMARY KEY (series, channel, model)
);

CREATE TABLE IF NOT EXISTS dq_results (
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  rule VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  part VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  severity VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  status VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  measured NUMERIC(18, 6),
  allowed NUMERIC(18, 6),
  message VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  checked_at DATETIME(6) NOT NULL,
  PRIMARY KEY (run_id, rule, part)
);

CREATE TABLE IF NOT EXISTS alerts (
  alert_id CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  dedup_key VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  kind VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  severity VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  subject VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  code VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  title VARCHAR(160) COLLATE utf8mb4_bin NOT NULL,
  message VARCHAR(500) COLLATE utf8mb4_bin NOT NULL,
  facts LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  action VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  first_seen_at DATETIME(6) NOT NULL,
  last_seen_at DATETIME(6) NOT NULL,
  times INTEGER NOT NULL,
  resolved_at DATETIME(6),
  read_at DATETIME(6),
  dismissed_at DATETIME(6),
  notified_at DATETIME(6),
  notified_severity VARCHAR(8) COLLATE utf8mb4_bin NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (alert_id)
);

CREATE TABLE IF NOT EXISTS checklist_items (
  item VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  owner VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  due_on DATE,
  done_by VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  done_on DATE,
  changed_at DATETIME(6) NOT NULL,
  PRIMARY KEY (item)
);

CREATE TABLE IF NOT EXISTS checklist_evidence (
  name VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  seen VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  seen_at DATETIME(6) NOT NULL,
  PRIMARY KEY (name)
);
