-- Schema of one client: database cortex_<code>.
-- Written from cortex/warehouse/tables.py and sql/views/ by `python -m cortex.warehouse.schema`; do not edit.
-- It says what the schema is. What makes one is sql/migrations/, replayed by `cortex onboard`.

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
CREATE INDEX ix_fct_attribution_date ON fct_attribution (order_date);
CREATE INDEX ix_fct_attribution_day ON fct_attribution (model, order_date);

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

CREATE VIEW rpt_ad_revisions AS
SELECT
    r.day AS day,
    r.platform AS platform,
    r.currency AS currency,
    COUNT(*) AS revisions,
    SUM(r.new_spend - r.old_spend) AS spend_change,
    SUM(r.new_conversions - r.old_conversions) AS conversions_change,
    SUM(r.new_value - r.old_value) AS value_change,
    MAX(r.revised_at) AS last_revised
FROM ad_daily_revision r
GROUP BY r.day, r.platform, r.currency;

CREATE VIEW rpt_campaign_matching AS
SELECT
    o.order_date AS day,
    t.channel AS channel,
    COUNT(*) AS touches,
    SUM(CASE WHEN t.campaign_id <> '' THEN 1 ELSE 0 END) AS matched,
    ROUND(1.0 * SUM(CASE WHEN t.campaign_id <> '' THEN 1 ELSE 0 END) / COUNT(*), 6) AS match_rate
FROM fct_touchpoints t
JOIN fct_orders o ON o.order_key = t.order_key
JOIN dim_channels c ON c.channel = t.channel AND c.is_paid = 1
GROUP BY o.order_date, t.channel;

CREATE VIEW rpt_campaign_performance AS
SELECT
    t.day AS day,
    t.model AS model,
    t.platform AS platform,
    t.campaign_id AS campaign_id,
    n.campaign_name AS campaign_name,
    n.funnel_stage AS funnel_stage,
    SUM(t.impressions) AS impressions,
    SUM(t.clicks) AS clicks,
    SUM(t.spend) AS spend,
    SUM(t.platform_conversions) AS platform_conversions,
    SUM(t.platform_value) AS platform_value,
    SUM(t.orders) AS orders,
    SUM(t.attributed_revenue) AS attributed_revenue,
    SUM(t.new_customers) AS new_customers,
    CASE WHEN SUM(t.clicks) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.clicks), 6) END AS cpc,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.attributed_revenue) / SUM(t.spend), 6) END AS roas,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.platform_value) / SUM(t.spend), 6) END AS platform_roas,
    CASE WHEN SUM(t.new_customers) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.new_customers), 6) END AS cac
FROM (
    SELECT
        a.order_date AS day, a.model AS model, a.platform AS platform, a.campaign_id AS campaign_id,
        0 AS impressions, 0 AS clicks, 0.00 AS spend, 0.0 AS platform_conversions, 0.00 AS platform_value,
        a.weight AS orders, a.attributed_revenue AS attributed_revenue,
        CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END AS new_customers
    FROM fct_attribution a
    WHERE a.platform <> ''
    UNION ALL
    SELECT
        s.day, m.model, s.platform, s.campaign_id, s.impressions, s.clicks, s.spend, s.conversions,
        s.conversion_value, 0.0, 0.00, 0.0
    FROM fct_ad_spend s
    CROSS JOIN (SELECT DISTINCT model FROM fct_attribution) m
) t
LEFT JOIN (
    SELECT platform, campaign_id, MAX(campaign_name) AS campaign_name, MAX(funnel_stage) AS funnel_stage
    FROM dim_campaigns
    GROUP BY platform, campaign_id
) n ON n.platform = t.platform AND n.campaign_id = t.campaign_id
GROUP BY t.day, t.model, t.platform, t.campaign_id, n.campaign_name, n.funnel_stage;

CREATE VIEW rpt_catalogue AS
SELECT
    l.channel AS channel,
    l.external_id AS external_id,
    l.title AS title,
    COALESCE(p.category, '') AS category,
    COALESCE(p.category_level_2, '') AS category_2,
    COALESCE(p.category_level_3, '') AS category_3,
    COALESCE(p.brand, '') AS brand,
    COALESCE(p.size, '') AS size,
    COALESCE(p.color, '') AS color,
    COALESCE(p.gender, '') AS gender,
    COALESCE(p.product_condition, '') AS product_condition,
    COALESCE(p.supplier_country, '') AS supplier_country,
    p.weight_kg AS weight_kg,
    p.launch_date AS launch_date,
    r.rating AS rating,
    COALESCE(r.reviews, 0) AS reviews,
    COALESCE(p.abc_class, '') AS abc_class,
    l.is_active AS is_active,
    l.currency AS currency,
    l.price AS price,
    h.full_price AS full_price,
    CASE WHEN h.full_price > 0 THEN ROUND(1.0 - 1.0 * h.price / h.full_price, 6) END AS discount,
    p.cost_price AS cost_price,
    CASE WHEN l.price > 0 THEN ROUND(1.0 - 1.0 * p.cost_price / l.price, 6) END AS margin,
    h.competitor_rank AS competitor_rank,
    COALESCE(h.price_position, '') AS price_position,
    h.day AS price_since,
    COALESCE(c.prices, 0) AS prices,
    s.stock AS stock,
    s.available AS available,
    s.reserved AS reserved,
    s.reorder_point AS reorder_point,
    CASE WHEN s.available <= s.reorder_point THEN 1 ELSE 0 END AS is_low_stock,
    s.day AS stock_day
FROM channel_products l
LEFT JOIN dim_products p ON p.platform = l.channel AND p.product_id = l.product_id
LEFT JOIN (
    SELECT platform, product_id, COUNT(*) AS prices, MAX(day) AS last_day FROM price_history GROUP BY platform, product_id
) c ON c.platform = l.channel AND c.product_id = l.product_id
LEFT JOIN price_history h ON h.platform = c.platform AND h.product_id = c.product_id AND h.day = c.last_day
LEFT JOIN (
    SELECT
        i.platform, i.product_id, i.day, SUM(i.stock) AS stock, SUM(i.available) AS available,
        SUM(i.reserved) AS reserved, SUM(i.reorder_point) AS reorder_point
    FROM fct_inventory i
    JOIN (
        SELECT platform, product_id, MAX(day) AS last_day FROM fct_inventory GROUP BY platform, product_id
    ) k ON k.platform = i.platform AND k.product_id = i.product_id AND k.last_day = i.day
    GROUP BY i.platform, i.product_id, i.day
) s ON s.platform = l.channel AND s.product_id = l.product_id
LEFT JOIN (
    SELECT t.platform, t.product_id, ROUND(AVG(1.0 * t.score), 6) AS rating, COUNT(*) AS reviews
    FROM (
        SELECT DISTINCT v.order_key, v.review_id, v.score, i.platform, i.product_id
        FROM fct_reviews v
        JOIN fct_order_items i ON i.order_key = v.order_key
    ) t
    GROUP BY t.platform, t.product_id
) r ON r.platform = l.channel AND r.product_id = l.product_id;

CREATE VIEW rpt_categories AS
SELECT
    t.day AS day,
    t.category AS category,
    COALESCE(MAX(n.name_pt), t.category) AS category_pt,
    COALESCE(MAX(n.name_en), t.category) AS category_en,
    COALESCE(MAX(n.name_es), t.category) AS category_es,
    COUNT(DISTINCT t.order_key) AS orders,
    SUM(t.quantity) AS units,
    SUM(t.total) AS revenue,
    CASE WHEN COUNT(t.unit_cost) = COUNT(*) THEN SUM(t.total - t.quantity * t.unit_cost) END AS margin
FROM (
    SELECT
        o.paid_date AS day, COALESCE(p.category, i.category) AS category,
        i.order_key, i.quantity, i.total, COALESCE(i.unit_cost, p.cost_price) AS unit_cost
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
    LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
) t
LEFT JOIN dim_product_category_translation n ON n.category = t.category
GROUP BY t.day, t.category;

CREATE VIEW rpt_channel_parts AS
SELECT
    a.order_date AS day,
    a.model AS model,
    a.channel AS channel,
    d.dimension AS dimension,
    CASE d.dimension
        WHEN 'source' THEN COALESCE(p.source, '')
        WHEN 'medium' THEN COALESCE(p.medium, '')
        WHEN 'device' THEN o.device
        ELSE o.payment_method
    END AS part,
    SUM(a.attributed_revenue) AS attributed_revenue,
    SUM(a.weight) AS orders,
    SUM(CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END) AS new_customers
FROM fct_attribution a
JOIN fct_orders o ON o.order_key = a.order_key
LEFT JOIN fct_touchpoints p ON p.order_key = a.order_key AND p.position = a.position
CROSS JOIN (
    SELECT 'source' AS dimension UNION ALL SELECT 'medium' UNION ALL SELECT 'device' UNION ALL SELECT 'payment_method'
) d
GROUP BY
    a.order_date, a.model, a.channel, d.dimension,
    CASE d.dimension
        WHEN 'source' THEN COALESCE(p.source, '')
        WHEN 'medium' THEN COALESCE(p.medium, '')
        WHEN 'device' THEN o.device
        ELSE o.payment_method
    END;

CREATE VIEW rpt_channel_performance AS
SELECT
    t.day AS day,
    t.model AS model,
    t.channel AS channel,
    c.name_pt AS name_pt,
    c.name_en AS name_en,
    c.name_es AS name_es,
    c.is_paid AS is_paid,
    c.sort_order AS sort_order,
    SUM(t.attributed_revenue) AS attributed_revenue,
    SUM(t.orders) AS orders,
    SUM(t.new_customers) AS new_customers,
    SUM(t.impressions) AS impressions,
    SUM(t.clicks) AS clicks,
    SUM(t.spend) AS spend,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.attributed_revenue) / SUM(t.spend), 6) END AS roas,
    CASE WHEN SUM(t.new_customers) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.new_customers), 6) END AS cac
FROM (
    SELECT
        a.order_date AS day, a.model AS model, a.channel AS channel,
        a.attributed_revenue AS attributed_revenue, a.weight AS orders,
        CASE WHEN a.is_new_customer = 1 THEN a.weight ELSE 0.0 END AS new_customers,
        0 AS impressions, 0 AS clicks, 0.00 AS spend
    FROM fct_attribution a
    UNION ALL
    SELECT s.day, m.model, s.platform, 0.00, 0.0, 0.0, s.impressions, s.clicks, s.spend
    FROM fct_ad_spend s
    CROSS JOIN (SELECT DISTINCT model FROM fct_attribution) m
) t
LEFT JOIN dim_channels c ON c.channel = t.channel
GROUP BY t.day, t.model, t.channel, c.name_pt, c.name_en, c.name_es, c.is_paid, c.sort_order;

CREATE VIEW rpt_cohort_cells AS
SELECT
    c.grain AS grain,
    c.channel AS channel,
    c.cohort AS cohort,
    c.period AS period,
    c.customers AS customers,
    c.active AS active,
    c.orders AS orders,
    c.revenue AS revenue,
    c.retention AS retention,
    c.ltv AS ltv,
    c.ltv_margin AS ltv_margin,
    c.as_of AS as_of
FROM cohort_cells c;

CREATE VIEW rpt_cohort_payback AS
SELECT
    c.channel AS channel,
    c.cohort AS cohort,
    c.customers AS customers,
    c.spend AS spend,
    c.cac AS cac,
    c.ltv AS ltv,
    c.ltv_to_cac AS ltv_to_cac,
    c.payback_month AS payback_month,
    c.ltv_margin AS ltv_margin,
    c.margin_payback_month AS margin_payback_month,
    c.as_of AS as_of
FROM cohort_payback c;

CREATE VIEW rpt_conversion_corrections AS
SELECT
    a.destination AS destination,
    COALESCE(o.paid_date, o.order_date) AS day,
    a.action AS action,
    a.state AS state,
    a.reason AS reason,
    a.currency AS currency,
    COUNT(*) AS orders,
    SUM(p.value) AS told_value,
    SUM(a.value) AS true_value,
    SUM(p.value) - SUM(a.value) AS difference
FROM conversion_outbox a
JOIN conversion_outbox p ON p.order_key = a.order_key AND p.destination = a.destination AND p.action = 'purchase'
LEFT JOIN fct_orders o ON o.order_key = a.order_key
WHERE a.action IN ('restate', 'retract') AND a.reason <> 'superseded'
GROUP BY a.destination, COALESCE(o.paid_date, o.order_date), a.action, a.state, a.reason, a.currency;

CREATE VIEW rpt_conversion_delivery AS
SELECT
    x.destination AS destination,
    COALESCE(o.paid_date, o.order_date) AS day,
    x.action AS action,
    x.state AS state,
    x.reason AS reason,
    x.currency AS currency,
    COUNT(*) AS conversions,
    SUM(x.value) AS value,
    SUM(x.attempts) AS attempts
FROM conversion_outbox x
LEFT JOIN fct_orders o ON o.order_key = x.order_key
GROUP BY x.destination, COALESCE(o.paid_date, o.order_date), x.action, x.state, x.reason, x.currency;

CREATE VIEW rpt_currencies AS
SELECT
    t.room AS room,
    t.platform AS platform,
    t.day AS day,
    t.native_currency AS native_currency,
    t.currency AS currency,
    COUNT(*) AS row_count,
    SUM(t.native_amount) AS native_amount,
    SUM(t.amount) AS amount,
    SUM(t.missing) AS missing,
    SUM(t.missing * t.native_amount) AS missing_amount
FROM (
    SELECT
        'store' AS room, o.platform AS platform, o.order_date AS day, o.native_currency AS native_currency, o.currency AS currency,
        COALESCE(o.native_total, o.total) AS native_amount, o.total AS amount,
        CASE WHEN o.exchange_rate IS NULL THEN 1 ELSE 0 END AS missing
    FROM fct_orders o
    WHERE o.is_test = 0
    UNION ALL
    SELECT
        'ads', s.platform, s.day, s.native_currency, s.currency, s.native_spend, s.spend,
        CASE WHEN s.exchange_rate IS NULL THEN 1 ELSE 0 END
    FROM fct_ad_spend s
    UNION ALL
    SELECT
        'traffic', 'ga4', g.day, g.native_currency, g.currency, g.native_revenue, g.revenue,
        CASE WHEN g.exchange_rate IS NULL THEN 1 ELSE 0 END
    FROM fct_sessions g
) t
WHERE t.native_currency <> t.currency
GROUP BY t.room, t.platform, t.day, t.native_currency, t.currency;

CREATE VIEW rpt_customer_cities AS
WITH latest AS (
    SELECT
        o.customer_key, COALESCE(g.state, o.state) AS state, COALESCE(g.city, o.city) AS city,
        ROW_NUMBER() OVER (PARTITION BY o.customer_key ORDER BY o.paid_date DESC, o.paid_at DESC, o.order_key DESC) AS nth
    FROM fct_orders o
    LEFT JOIN dim_geolocation g ON g.country = o.country AND g.postal_prefix = o.postal_prefix
    WHERE o.is_paid = 1
),
towns AS (
    SELECT
        l.state AS state, l.city AS city, CASE WHEN COUNT(*) < 5 OR l.city = '' THEN 1 ELSE 0 END AS is_small,
        COUNT(*) AS customers, SUM(c.total_orders) AS orders, SUM(c.total_revenue) AS revenue
    FROM latest l
    JOIN dim_customers c ON c.customer_key = l.customer_key
    WHERE l.nth = 1
    GROUP BY l.state, l.city
),
ranked AS (
    SELECT
        t.state, t.city, t.is_small, t.customers, t.orders, t.revenue,
        SUM(CASE WHEN t.is_small = 1 THEN t.customers END) OVER () AS small,
        ROW_NUMBER() OVER (ORDER BY t.is_small, t.customers, t.state, t.city) AS nth
    FROM towns t
),
placed AS (
    SELECT
        CASE WHEN r.is_small = 1 OR (r.small < 5 AND r.nth = 1) THEN 'other' ELSE r.state END AS state,
        CASE WHEN r.is_small = 1 OR (r.small < 5 AND r.nth = 1) THEN 'other' ELSE r.city END AS city,
        r.customers, r.orders, r.revenue
    FROM ranked r
)
SELECT
    p.state AS state,
    p.city AS city,
    SUM(p.customers) AS customers,
    SUM(p.orders) AS total_orders,
    SUM(p.revenue) AS revenue
FROM placed p
GROUP BY p.state, p.city;

CREATE VIEW rpt_customer_cohorts AS
SELECT
    c.cohort_month AS cohort_month,
    c.as_of AS as_of,
    c.months AS months,
    c.customers AS customers,
    c.repeat_customers AS repeat_customers,
    c.total_orders AS total_orders,
    c.revenue AS revenue,
    c.ltv AS ltv,
    c.spend AS spend,
    CASE WHEN c.customers > 0 THEN ROUND(1.0 * c.repeat_customers / c.customers, 6) END AS repeat_rate,
    CASE WHEN c.customers > 0 AND c.spend > 0 THEN ROUND(1.0 * c.spend / c.customers, 6) END AS cac
FROM customer_cohorts c;

CREATE VIEW rpt_customer_models AS
SELECT
    m.model AS model,
    m.role AS role,
    COALESCE(p.parameter, '') AS parameter,
    p.value AS value,
    p.error AS error,
    m.is_used AS is_used,
    m.is_converged AS is_converged,
    m.reason AS reason,
    m.log_likelihood AS log_likelihood,
    m.buyers AS buyers,
    m.repeat_buyers AS repeat_buyers,
    m.correlation AS correlation,
    m.as_of AS as_of
FROM customer_models m
LEFT JOIN customer_model_parameters p ON p.model = m.model;

CREATE VIEW rpt_customer_places AS
WITH states AS (
    SELECT
        c.state AS state, CASE WHEN COUNT(*) < 5 OR c.state = '' THEN 1 ELSE 0 END AS is_small,
        COUNT(*) AS customers, SUM(c.total_orders) AS orders, SUM(c.total_revenue) AS revenue
    FROM dim_customers c
    GROUP BY c.state
),
ranked AS (
    SELECT
        s.state, s.is_small, s.customers, s.orders, s.revenue,
        SUM(CASE WHEN s.is_small = 1 THEN s.customers END) OVER () AS small,
        ROW_NUMBER() OVER (ORDER BY s.is_small, s.customers, s.state) AS nth
    FROM states s
),
placed AS (
    SELECT
        CASE WHEN r.is_small = 1 OR (r.small < 5 AND r.nth = 1) THEN 'other' ELSE r.state END AS state,
        r.customers, r.orders, r.revenue
    FROM ranked r
)
SELECT
    p.state AS state,
    SUM(p.customers) AS customers,
    SUM(p.orders) AS total_orders,
    SUM(p.revenue) AS revenue
FROM placed p
GROUP BY p.state;

CREATE VIEW rpt_customer_predictions AS
SELECT
    p.customer_key AS customer_key,
    COALESCE(c.rfm_segment, '') AS rfm_segment,
    COALESCE(s.behaviour, '') AS behaviour,
    p.clv_tier AS clv_tier,
    c.first_order_date AS first_order_date,
    c.last_order_date AS last_order_date,
    c.recency_days AS recency_days,
    c.is_churned AS is_churned,
    p.p_alive AS p_alive,
    1.0 - p.p_alive AS churn_probability,
    p.is_probably_gone AS is_probably_gone,
    COALESCE(c.preferred_category, '') AS preferred_category,
    c.total_orders AS total_orders,
    c.ltv_to_date AS ltv_to_date,
    p.margin AS margin,
    p.orders_30 AS orders_30,
    p.orders_90 AS orders_90,
    p.orders_180 AS orders_180,
    p.orders_365 AS orders_365,
    p.value_30 AS value_30,
    p.value_90 AS value_90,
    p.value_180 AS value_180,
    p.value_365 AS value_365,
    p.clv AS clv,
    p.at_stake AS at_stake,
    COALESCE(s.action_pt, '') AS action_pt,
    COALESCE(s.action_en, '') AS action_en,
    COALESCE(s.action_es, '') AS action_es,
    p.as_of AS as_of
FROM customer_predictions p
JOIN dim_customers c ON c.customer_key = p.customer_key
LEFT JOIN dim_segments s ON s.segment = c.rfm_segment;

CREATE VIEW rpt_customer_segments AS
SELECT
    COALESCE(c.rfm_segment, '') AS rfm_segment,
    c.first_order_channel AS first_order_channel,
    MAX(c.as_of) AS as_of,
    COUNT(*) AS customers,
    SUM(c.is_churned) AS churned,
    SUM(c.total_orders) AS total_orders,
    SUM(c.total_revenue) AS total_revenue,
    SUM(c.ltv_window) AS ltv_window,
    ROUND(1.0 * SUM(c.total_revenue) / COUNT(*), 6) AS revenue_per_customer,
    ROUND(1.0 * SUM(c.total_orders) / COUNT(*), 6) AS orders_per_customer
FROM dim_customers c
GROUP BY COALESCE(c.rfm_segment, ''), c.first_order_channel;

CREATE VIEW rpt_customer_value AS
SELECT
    c.dimension AS dimension,
    c.entry AS entry,
    c.label AS label,
    c.customers AS customers,
    c.repeat_customers AS repeat_customers,
    c.orders AS orders,
    c.revenue AS revenue,
    c.ltv AS ltv,
    c.window_customers AS window_customers,
    c.ltv_window AS ltv_window,
    c.margin AS margin,
    c.ltv_margin AS ltv_margin,
    c.uncosted_customers AS uncosted_customers,
    c.value_365 AS value_365,
    c.clv AS clv,
    c.spend AS spend,
    c.cac AS cac,
    c.ltv_to_cac AS ltv_to_cac,
    c.as_of AS as_of
FROM customer_value c;

CREATE VIEW rpt_daily_performance AS
SELECT
    t.day AS day,
    d.week_start AS week_start,
    d.month_start AS month_start,
    d.is_holiday AS is_holiday,
    d.is_black_friday AS is_black_friday,
    SUM(t.gross_revenue) AS gross_revenue,
    SUM(t.refunds) AS refunds,
    SUM(t.gross_revenue) - SUM(t.refunds) AS net_revenue,
    SUM(t.orders) AS orders,
    SUM(t.new_customers) AS new_customers,
    SUM(t.items) AS items,
    SUM(t.discounts) AS discounts,
    SUM(t.shipping) AS shipping,
    SUM(t.paid_revenue) AS paid_revenue,
    SUM(t.impressions) AS impressions,
    SUM(t.clicks) AS clicks,
    SUM(t.spend) AS spend,
    CASE WHEN SUM(t.orders) > 0 THEN ROUND(1.0 * SUM(t.gross_revenue) / SUM(t.orders), 6) END AS aov,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.paid_revenue) / SUM(t.spend), 6) END AS roas,
    CASE WHEN SUM(t.spend) > 0 THEN ROUND(1.0 * SUM(t.gross_revenue) / SUM(t.spend), 6) END AS mer,
    CASE WHEN SUM(t.new_customers) > 0 THEN ROUND(1.0 * SUM(t.spend) / SUM(t.new_customers), 6) END AS cac
FROM (
    SELECT
        o.paid_date AS day, o.paid AS gross_revenue, 0.00 AS refunds, 1 AS orders,
        o.is_new_customer AS new_customers, o.items AS items, o.discount AS discounts, o.shipping AS shipping,
        0.00 AS paid_revenue,
        0 AS impressions, 0 AS clicks, 0.00 AS spend
    FROM fct_orders o
    WHERE o.is_paid = 1 AND o.paid_date IS NOT NULL
    UNION ALL
    SELECT r.refund_date, 0.00, r.amount, 0, 0, 0, 0.00, 0.00, 0.00, 0, 0, 0.00
    FROM fct_refunds r
    JOIN fct_orders o ON o.order_key = r.order_key AND o.is_paid = 1
    UNION ALL
    SELECT a.order_date, 0.00, 0.00, 0, 0, 0, 0.00, 0.00, a.attributed_revenue, 0, 0, 0.00
    FROM fct_attribution a
    JOIN (SELECT DISTINCT platform FROM fct_ad_spend) b ON b.platform = a.channel
    WHERE a.model = 'last_click'
    UNION ALL
    SELECT s.day, 0.00, 0.00, 0, 0, 0, 0.00, 0.00, 0.00, s.impressions, s.clicks, s.spend
    FROM fct_ad_spend s
) t
LEFT JOIN dim_dates d ON d.day = t.day
GROUP BY t.day, d.week_start, d.month_start, d.is_holiday, d.is_black_friday;

CREATE VIEW rpt_daily_sales_summary AS
SELECT
    o.paid_date AS day,
    COALESCE(a.channel, 'unattributed') AS channel,
    i.platform AS platform,
    i.product_id AS product_id,
    COALESCE(MAX(p.name), MAX(i.name)) AS name,
    COUNT(DISTINCT i.order_key) AS orders,
    SUM(i.quantity) AS units,
    SUM(i.total) AS revenue,
    SUM(i.discount) AS discounts,
    SUM(i.sale_fee) AS fees,
    CASE WHEN COUNT(i.unit_cost) = COUNT(*) THEN SUM(i.quantity * i.unit_cost) END AS cost
FROM fct_order_items i
JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
LEFT JOIN fct_attribution a ON a.order_key = i.order_key AND a.model = 'last_click'
LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
GROUP BY o.paid_date, COALESCE(a.channel, 'unattributed'), i.platform, i.product_id;

CREATE VIEW rpt_data_freshness AS
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
) n ON n.stream = x.stream;

CREATE VIEW rpt_data_quality AS
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
FROM dq_results q;

CREATE VIEW rpt_forecast AS
SELECT
    f.series AS series,
    f.channel AS channel,
    f.day AS day,
    f.horizon AS horizon,
    f.predicted AS predicted,
    f.lower_80 AS lower_80,
    f.upper_80 AS upper_80,
    f.lower_95 AS lower_95,
    f.upper_95 AS upper_95,
    f.total AS total,
    f.total_lower_80 AS total_lower_80,
    f.total_upper_80 AS total_upper_80,
    f.total_lower_95 AS total_lower_95,
    f.total_upper_95 AS total_upper_95,
    CASE WHEN f.day < s.complete_until THEN
        COALESCE(CASE WHEN f.series = 'orders' THEN 1.00 * a.orders ELSE a.net_revenue END, 0.00)
    END AS actual,
    COALESCE(d.is_holiday, 0) AS is_holiday,
    COALESCE(d.is_black_friday, 0) AS is_black_friday,
    f.model AS model,
    f.mase AS mase,
    f.wape AS wape,
    f.as_of AS as_of,
    f.run_id AS run_id,
    f.trained_at AS trained_at
FROM forecasts f
LEFT JOIN sync_state s ON s.stream = 'store.orders'
LEFT JOIN dim_dates d ON d.day = f.day
LEFT JOIN (
    SELECT x.day AS day, x.channel AS channel, x.orders AS orders, x.gross_revenue - x.refunds AS net_revenue
    FROM agg_daily_sales x
    UNION ALL
    SELECT y.day, 'all', SUM(y.orders), SUM(y.gross_revenue) - SUM(y.refunds) FROM agg_daily_sales y GROUP BY y.day
) a ON a.day = f.day AND a.channel = f.channel;

CREATE VIEW rpt_forecast_models AS
SELECT
    m.series AS series,
    m.channel AS channel,
    m.model AS model,
    m.is_used AS is_used,
    m.is_intermittent AS is_intermittent,
    m.mase AS mase,
    n.mase AS naive_mase,
    CASE WHEN n.mase > 0 THEN 1 - ROUND(1.0 * m.mase / n.mase, 6) END AS gain,
    m.rmsse AS rmsse,
    m.wape AS wape,
    n.wape AS naive_wape,
    m.bias AS bias,
    m.mae AS mae,
    m.rmse AS rmse,
    m.mape AS mape,
    m.r2 AS r2,
    m.days AS days,
    m.origins AS origins,
    m.coverage_80 AS coverage_80,
    m.coverage_95 AS coverage_95,
    m.covered_days AS covered_days,
    m.history_since AS history_since,
    m.as_of AS as_of,
    m.run_id AS run_id,
    m.trained_at AS trained_at
FROM forecast_models m
LEFT JOIN forecast_models n ON n.series = m.series AND n.channel = m.channel AND n.model = 'seasonal_naive';

CREATE VIEW rpt_funnel AS
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
) t;

CREATE VIEW rpt_insight_figures AS
SELECT
    f.area AS area,
    f.figure AS figure,
    f.value AS value,
    f.as_of AS as_of
FROM insight_figures f;

CREATE VIEW rpt_ltv_cohort AS
WITH paid AS (
    SELECT
        o.customer_key, o.paid, d.month_index, d.month_start,
        ROW_NUMBER() OVER (PARTITION BY o.customer_key ORDER BY o.paid_date, o.paid_at, o.order_key) AS nth
    FROM fct_orders o
    JOIN dim_dates d ON d.day = o.paid_date
    WHERE o.is_paid = 1
),
cohorts AS (
    SELECT customer_key, month_index AS cohort_index, month_start AS cohort_month FROM paid WHERE nth = 1
),
sizes AS (
    SELECT cohort_index, cohort_month, COUNT(*) AS customers FROM cohorts GROUP BY cohort_index, cohort_month
),
events AS (
    SELECT customer_key, month_index, paid AS amount, 1 AS orders, CASE WHEN nth = 2 THEN 1 ELSE 0 END AS seconds
    FROM paid
    UNION ALL
    SELECT o.customer_key, d.month_index, 0.00 - r.amount, 0, 0
    FROM fct_refunds r
    JOIN fct_orders o ON o.order_key = r.order_key AND o.is_paid = 1
    JOIN dim_dates d ON d.day = r.refund_date
),
months AS (
    SELECT
        c.cohort_index, e.month_index, SUM(e.amount) AS revenue, SUM(e.orders) AS orders, SUM(e.seconds) AS seconds,
        COUNT(DISTINCT CASE WHEN e.orders = 1 THEN e.customer_key END) AS active_customers
    FROM events e
    JOIN cohorts c ON c.customer_key = e.customer_key
    GROUP BY c.cohort_index, e.month_index
),
cells AS (
    SELECT
        s.cohort_month, s.cohort_index, s.customers, calendar.month_index,
        CASE WHEN calendar.month_index < bounds.last_index THEN 1 ELSE 0 END AS is_complete,
        COALESCE(m.active_customers, 0) AS active_customers,
        COALESCE(m.orders, 0) AS orders,
        COALESCE(m.revenue, 0.00) AS revenue,
        SUM(COALESCE(m.revenue, 0.00)) OVER (PARTITION BY s.cohort_index ORDER BY calendar.month_index) AS cumulative,
        SUM(COALESCE(m.seconds, 0)) OVER (PARTITION BY s.cohort_index ORDER BY calendar.month_index) AS repeated
    FROM sizes s
    CROSS JOIN (SELECT MAX(month_index) AS last_index FROM events) bounds
    JOIN (SELECT DISTINCT month_index FROM dim_dates) calendar
        ON calendar.month_index >= s.cohort_index AND calendar.month_index <= bounds.last_index
    LEFT JOIN months m ON m.cohort_index = s.cohort_index AND m.month_index = calendar.month_index
),
spent AS (
    SELECT d.month_index, SUM(a.spend) AS spend
    FROM fct_ad_spend a
    JOIN dim_dates d ON d.day = a.day
    GROUP BY d.month_index
)
SELECT
    x.cohort_month AS cohort_month,
    x.month_index - x.cohort_index AS month,
    x.is_complete AS is_complete,
    x.customers AS customers,
    x.active_customers AS active_customers,
    x.orders AS orders,
    x.revenue AS revenue,
    x.cumulative AS cumulative_revenue,
    x.repeated AS repeat_customers,
    COALESCE(p.spend, 0.00) AS spend,
    ROUND(1.0 * x.active_customers / x.customers, 6) AS retention,
    ROUND(1.0 * x.repeated / x.customers, 6) AS repeat_rate,
    ROUND(1.0 * x.cumulative / x.customers, 6) AS cumulative_revenue_per_customer,
    CASE WHEN p.spend > 0 THEN ROUND(1.0 * p.spend / x.customers, 6) END AS cac,
    CASE WHEN p.spend > 0 THEN CASE WHEN x.cumulative >= p.spend THEN 1 ELSE 0 END END AS paid_back
FROM cells x
LEFT JOIN spent p ON p.month_index = x.cohort_index;

CREATE VIEW rpt_notices AS
SELECT
    n.noticed_at AS noticed_at,
    n.run_id AS run_id,
    n.stream AS stream,
    n.code AS code,
    n.message AS message,
    n.row_count AS row_count,
    n.amount AS amount,
    n.facts AS facts
FROM data_notices n;

CREATE VIEW rpt_open_alerts AS
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
WHERE a.resolved_at IS NULL AND a.dismissed_at IS NULL;

CREATE VIEW rpt_order_history AS
SELECT
    o.platform AS platform,
    o.external_id AS external_id,
    s.updated_at AS updated_at,
    s.status AS status,
    s.payment_status AS payment_status,
    s.fulfilment_status AS fulfilment_status
FROM fct_order_status s
JOIN fct_orders o ON o.order_key = s.order_key;

CREATE VIEW rpt_orders_by_status AS
SELECT
    o.order_date AS day,
    o.status AS status,
    o.payment_status AS payment_status,
    o.is_test AS is_test,
    COUNT(*) AS orders,
    SUM(o.total) AS total,
    SUM(o.paid) AS paid,
    SUM(o.refunded) AS refunded
FROM fct_orders o
GROUP BY o.order_date, o.status, o.payment_status, o.is_test;

CREATE VIEW rpt_payments AS
SELECT
    o.order_date AS day,
    p.method AS method,
    p.installments AS installments,
    p.status AS status,
    COUNT(*) AS payments,
    COUNT(DISTINCT p.order_key) AS orders,
    SUM(p.amount) AS amount,
    SUM(p.fee) AS fees
FROM fct_payments p
JOIN fct_orders o ON o.order_key = p.order_key
WHERE o.is_test = 0
GROUP BY o.order_date, p.method, p.installments, p.status;

CREATE VIEW rpt_places AS
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
GROUP BY o.paid_date, o.country, COALESCE(g.state, o.state), COALESCE(g.city, o.city);

CREATE VIEW rpt_price_ranges AS
SELECT
    t.day AS day,
    t.price_range AS price_range,
    t.sort_order AS sort_order,
    COUNT(DISTINCT t.order_key) AS orders,
    SUM(t.quantity) AS units,
    SUM(t.total) AS revenue
FROM (
    SELECT
        o.paid_date AS day, i.order_key, i.quantity, i.total,
        CASE WHEN i.unit_price < 50 THEN '0-50' WHEN i.unit_price < 100 THEN '50-100'
             WHEN i.unit_price < 200 THEN '100-200' WHEN i.unit_price < 500 THEN '200-500' ELSE '500+' END AS price_range,
        CASE WHEN i.unit_price < 50 THEN 1 WHEN i.unit_price < 100 THEN 2
             WHEN i.unit_price < 200 THEN 3 WHEN i.unit_price < 500 THEN 4 ELSE 5 END AS sort_order
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
) t
GROUP BY t.day, t.price_range, t.sort_order;

CREATE VIEW rpt_product_classes AS
SELECT
    k.platform AS platform,
    k.product_id AS product_id,
    COALESCE(p.name, '') AS name,
    COALESCE(p.category, '') AS category,
    COALESCE(p.abc_class, '') AS abc_class,
    k.bcg_class AS bcg_class,
    k.units AS units,
    ROUND(1.0 * k.units / 90, 6) AS units_per_day,
    k.revenue AS revenue,
    k.margin AS margin,
    k.compared_days AS compared_days,
    k.revenue_recent AS revenue_recent,
    k.revenue_before AS revenue_before,
    k.share AS share,
    k.growth AS growth,
    k.as_of AS as_of
FROM product_classes k
LEFT JOIN dim_products p ON p.platform = k.platform AND p.product_id = k.product_id;

CREATE VIEW rpt_product_conversion AS
SELECT
    t.origin AS origin,
    t.day AS day,
    t.platform AS platform,
    t.product_id AS product_id,
    MAX(t.name) AS name,
    MAX(t.category) AS category,
    MAX(t.is_known) AS is_known,
    SUM(t.viewed) AS views,
    SUM(t.added) AS carts,
    SUM(t.purchased) AS purchases,
    CASE WHEN SUM(t.viewed) > 0 THEN ROUND(1.0 * SUM(t.added) / SUM(t.viewed), 6) END AS cart_rate,
    CASE WHEN SUM(t.viewed) > 0 THEN ROUND(1.0 * SUM(t.purchased) / SUM(t.viewed), 6) END AS conversion_rate
FROM (
    SELECT
        v.origin AS origin,
        v.day AS day,
        v.platform AS platform,
        COALESCE(p.product_id, s.product_id, v.item_id) AS product_id,
        COALESCE(p.name, s.name, '') AS name,
        COALESCE(p.category, s.category, '') AS category,
        CASE WHEN p.product_id IS NULL AND s.product_id IS NULL THEN 0 ELSE 1 END AS is_known,
        v.viewed AS viewed,
        v.added AS added,
        v.purchased AS purchased
    FROM fct_product_views v
    LEFT JOIN dim_products p ON p.platform = v.platform AND p.product_id = v.item_id
    LEFT JOIN (
        SELECT platform, sku, MIN(product_id) AS product_id, MIN(name) AS name, MIN(category) AS category
        FROM dim_products
        WHERE sku <> ''
        GROUP BY platform, sku
        HAVING COUNT(*) = 1
    ) s ON s.platform = v.platform AND s.sku = v.item_id
) t
GROUP BY t.origin, t.day, t.platform, t.product_id;

CREATE VIEW rpt_product_effects AS
SELECT
    e.platform AS platform,
    e.product_id AS product_id,
    COALESCE(p.name, e.product_id) AS name,
    COALESCE(p.category, '') AS category,
    COALESCE(p.abc_class, '') AS abc_class,
    e.orders AS orders,
    e.units AS units,
    e.reduced_share AS reduced_share,
    e.conversion_basis AS conversion_basis,
    e.conversion AS conversion,
    e.expected_conversion AS expected_conversion,
    CASE
        WHEN e.expected_conversion > 0 THEN ROUND(1.0 * e.conversion / e.expected_conversion, 6) - 1
    END AS conversion_gap,
    e.rating AS rating,
    e.changed_on AS changed_on,
    e.price_before AS price_before,
    e.price_after AS price_after,
    e.days_before AS days_before,
    e.days_after AS days_after,
    e.units_before AS units_before,
    e.units_after AS units_after,
    e.lift AS lift,
    e.elasticity AS elasticity,
    e.mean_stock AS mean_stock,
    e.stock_days AS stock_days,
    e.available AS available,
    e.turnover AS turnover,
    e.cover_days AS cover_days,
    e.as_of AS as_of
FROM product_effects e
LEFT JOIN dim_products p ON p.platform = e.platform AND p.product_id = e.product_id;

CREATE VIEW rpt_product_performance AS
SELECT
    o.paid_date AS day,
    i.platform AS platform,
    i.product_id AS product_id,
    COALESCE(MAX(p.sku), MAX(i.sku)) AS sku,
    COALESCE(MAX(p.name), MAX(i.name)) AS name,
    COALESCE(MAX(p.category), MAX(i.category)) AS category,
    COALESCE(MAX(n.name_pt), MAX(p.category), MAX(i.category)) AS category_pt,
    COALESCE(MAX(n.name_en), MAX(p.category), MAX(i.category)) AS category_en,
    COALESCE(MAX(n.name_es), MAX(p.category), MAX(i.category)) AS category_es,
    COALESCE(MAX(p.abc_class), '') AS abc_class,
    COUNT(DISTINCT i.order_key) AS orders,
    SUM(i.quantity) AS units,
    SUM(i.total) AS revenue,
    SUM(i.sale_fee) AS fees,
    CASE WHEN COUNT(COALESCE(i.unit_cost, p.cost_price)) = COUNT(*)
         THEN SUM(i.quantity * COALESCE(i.unit_cost, p.cost_price)) END AS cost
FROM fct_order_items i
JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
LEFT JOIN dim_product_category_translation n ON n.category = COALESCE(p.category, i.category)
GROUP BY o.paid_date, i.platform, i.product_id;

CREATE VIEW rpt_purchase_patterns AS
SELECT
    p.weekday AS weekday,
    p.hour AS hour,
    p.orders AS orders,
    p.revenue AS revenue
FROM purchase_patterns p;

CREATE VIEW rpt_raw_payloads AS
SELECT 'raw_ecommerce_orders' AS source, COUNT(*) AS payloads, MIN(r.fetched_at) AS first_fetched, MAX(r.fetched_at) AS last_fetched
FROM raw_ecommerce_orders r
UNION ALL
SELECT 'raw_ga4', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_ga4 r
UNION ALL
SELECT 'raw_google_ads', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_google_ads r
UNION ALL
SELECT 'raw_meta_ads', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_meta_ads r
UNION ALL
SELECT 'raw_tiktok_ads', COUNT(*), MIN(r.fetched_at), MAX(r.fetched_at) FROM raw_tiktok_ads r;

CREATE VIEW rpt_reconciliation AS
SELECT
    t.day AS day,
    SUM(t.placed_orders) AS placed_orders,
    SUM(t.placed_value) AS placed_value,
    SUM(t.store_orders) AS store_orders,
    SUM(t.store_revenue) AS store_revenue,
    SUM(t.ga4_orders) AS ga4_orders,
    SUM(t.ga4_revenue) AS ga4_revenue,
    SUM(CASE WHEN t.platform = 'meta' THEN t.conversions ELSE 0.0 END) AS meta_conversions,
    SUM(CASE WHEN t.platform = 'meta' THEN t.value ELSE 0.00 END) AS meta_value,
    SUM(CASE WHEN t.platform = 'google' THEN t.conversions ELSE 0.0 END) AS google_conversions,
    SUM(CASE WHEN t.platform = 'google' THEN t.value ELSE 0.00 END) AS google_value,
    SUM(CASE WHEN t.platform = 'tiktok' THEN t.conversions ELSE 0.0 END) AS tiktok_conversions,
    SUM(CASE WHEN t.platform = 'tiktok' THEN t.value ELSE 0.00 END) AS tiktok_value,
    CASE WHEN SUM(t.placed_orders) > 0 THEN ROUND(1.0 * SUM(t.ga4_orders) / SUM(t.placed_orders), 6) END AS ga4_coverage,
    CASE WHEN SUM(t.store_revenue) > 0 THEN ROUND(1.0 * SUM(t.value) / SUM(t.store_revenue), 6) END AS platform_claims
FROM (
    SELECT
        o.order_date AS day, 1 AS placed_orders, o.total AS placed_value, 0 AS store_orders, 0.00 AS store_revenue,
        0 AS ga4_orders, 0.00 AS ga4_revenue, '' AS platform, 0.0 AS conversions, 0.00 AS value
    FROM fct_orders o
    WHERE o.is_test = 0
    UNION ALL
    SELECT o.paid_date, 0, 0.00, 1, o.paid, 0, 0.00, '', 0.0, 0.00
    FROM fct_orders o
    WHERE o.is_paid = 1 AND o.paid_date IS NOT NULL
    UNION ALL
    SELECT g.day, 0, 0.00, 0, 0.00, COUNT(DISTINCT g.order_ref), 0.00, '', 0.0, 0.00
    FROM stg_touches g
    WHERE g.origin = 'ga4' AND g.order_ref <> ''
    GROUP BY g.day
    UNION ALL
    SELECT s.day, 0, 0.00, 0, 0.00, 0, s.revenue, '', 0.0, 0.00
    FROM fct_sessions s
    UNION ALL
    SELECT a.day, 0, 0.00, 0, 0.00, 0, 0.00, a.platform, a.conversions, a.conversion_value
    FROM fct_ad_spend a
) t
GROUP BY t.day;

CREATE VIEW rpt_reviews AS
SELECT
    r.review_date AS day,
    r.platform AS platform,
    r.score AS score,
    COUNT(DISTINCT r.review_id) AS reviews,
    COUNT(DISTINCT r.order_key) AS orders,
    COUNT(DISTINCT CASE WHEN r.answered_at IS NOT NULL THEN r.review_id END) AS answered
FROM fct_reviews r
GROUP BY r.review_date, r.platform, r.score;

CREATE VIEW rpt_rfm_segments AS
SELECT
    s.segment AS segment,
    s.behaviour AS behaviour,
    s.sort_order AS sort_order,
    s.name_pt AS name_pt,
    s.name_en AS name_en,
    s.name_es AS name_es,
    COUNT(c.customer_key) AS customers,
    COALESCE(SUM(c.total_orders), 0) AS total_orders,
    COALESCE(SUM(c.total_revenue), 0.00) AS revenue,
    COALESCE(SUM(p.p_alive), 0.0) AS expected_alive,
    COALESCE(SUM(p.value_365), 0.00) AS value_365,
    s.action_pt AS action_pt,
    s.action_en AS action_en,
    s.action_es AS action_es
FROM dim_segments s
LEFT JOIN dim_customers c ON c.rfm_segment = s.segment
LEFT JOIN customer_predictions p ON p.customer_key = c.customer_key
GROUP BY s.segment, s.behaviour, s.sort_order, s.name_pt, s.name_en, s.name_es, s.action_pt, s.action_en, s.action_es;

CREATE VIEW rpt_sales_analytics AS
SELECT
    s.grain AS grain,
    s.period_start AS period_start,
    s.orders AS orders,
    s.buyers AS buyers,
    s.new_customers AS new_customers,
    s.items AS items,
    s.gross_revenue AS gross_revenue,
    s.refunds AS refunds,
    s.gross_revenue - s.refunds AS net_revenue,
    s.spend AS spend,
    s.sessions AS sessions,
    CASE WHEN s.orders > 0 THEN ROUND(1.0 * s.gross_revenue / s.orders, 6) END AS aov,
    CASE WHEN s.buyers > 0 THEN ROUND(1.0 * s.orders / s.buyers, 6) END AS frequency,
    CASE WHEN s.sessions > 0 THEN ROUND(1.0 * s.orders / s.sessions, 6) END AS conversion_rate,
    CASE WHEN s.orders > 0 THEN ROUND(1.0 * s.refunded_orders / s.orders, 6) END AS return_rate,
    CASE WHEN s.new_customers > 0 THEN ROUND(1.0 * s.spend / s.new_customers, 6) END AS cac,
    CASE WHEN b.gross_revenue > 0 THEN ROUND(1.0 * s.gross_revenue / b.gross_revenue, 6) - 1 END AS growth,
    CASE
        WHEN s.buyers > 0 AND b.orders > 0
        THEN ROUND(1.0 * s.orders * b.buyers / (1.0 * s.buyers * b.orders), 6) - 1
    END AS frequency_growth
FROM sales_analytics s
LEFT JOIN (
    SELECT 'day' AS grain, x.day AS period_start, LAG(x.day) OVER (ORDER BY x.day) AS before_start FROM dim_dates x
    UNION ALL
    SELECT 'week', w.week_start, LAG(w.week_start) OVER (ORDER BY w.week_start)
    FROM (SELECT DISTINCT week_start FROM dim_dates) w
    UNION ALL
    SELECT 'month', m.month_start, LAG(m.month_start) OVER (ORDER BY m.month_start)
    FROM (SELECT DISTINCT month_start FROM dim_dates) m
) y ON y.grain = s.grain AND y.period_start = s.period_start
LEFT JOIN sales_analytics b ON b.grain = s.grain AND b.period_start = y.before_start;

CREATE VIEW rpt_seller_ranking AS
SELECT
    s.platform AS platform,
    s.seller_id AS seller_id,
    s.nickname AS nickname,
    s.city AS city,
    s.state AS state,
    s.reputation AS reputation,
    s.is_competitor AS is_competitor,
    s.market_share AS market_share,
    COALESCE(t.orders, 0) AS orders,
    COALESCE(t.units, 0) AS units,
    COALESCE(t.revenue, 0) AS revenue,
    t.last_sold AS last_sold
FROM dim_sellers s
LEFT JOIN (
    SELECT
        i.platform, i.seller_id, COUNT(DISTINCT i.order_key) AS orders, SUM(i.quantity) AS units, SUM(i.total) AS revenue,
        MAX(o.paid_date) AS last_sold
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
    WHERE i.seller_id <> ''
    GROUP BY i.platform, i.seller_id
) t ON t.platform = s.platform AND t.seller_id = s.seller_id;

CREATE VIEW rpt_sellers AS
SELECT
    o.paid_date AS day,
    i.platform AS platform,
    i.seller_id AS seller_id,
    COALESCE(s.city, '') AS city,
    COALESCE(s.state, '') AS state,
    COUNT(DISTINCT i.order_key) AS orders,
    SUM(i.quantity) AS units,
    SUM(i.total) AS revenue,
    COALESCE(MAX(r.reviews), 0) AS reviews,
    COALESCE(MAX(r.scores), 0) AS scores
FROM fct_order_items i
JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 AND o.paid_date IS NOT NULL
LEFT JOIN dim_sellers s ON s.platform = i.platform AND s.seller_id = i.seller_id
LEFT JOIN (
    SELECT t.day, t.platform, t.seller_id, COUNT(*) AS reviews, SUM(t.score) AS scores
    FROM (
        SELECT DISTINCT b.paid_date AS day, k.platform, k.seller_id, v.review_id, v.order_key, v.score
        FROM fct_reviews v
        JOIN fct_orders b ON b.order_key = v.order_key AND b.is_paid = 1 AND b.paid_date IS NOT NULL
        JOIN fct_order_items k ON k.order_key = v.order_key
        WHERE k.seller_id <> ''
    ) t
    GROUP BY t.day, t.platform, t.seller_id
) r ON r.day = o.paid_date AND r.platform = i.platform AND r.seller_id = i.seller_id
WHERE i.seller_id <> ''
GROUP BY o.paid_date, i.platform, i.seller_id, COALESCE(s.city, ''), COALESCE(s.state, '');

CREATE VIEW rpt_traffic AS
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
GROUP BY s.day, s.source, s.medium, s.campaign;

CREATE VIEW rpt_transactions AS
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
);
