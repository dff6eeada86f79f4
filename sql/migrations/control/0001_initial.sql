-- The first shape of the control schema: runs, their steps, who may write where, and who may ask over the API.

CREATE TABLE IF NOT EXISTS schema_migrations (
  version VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  name VARCHAR(128) COLLATE utf8mb4_bin NOT NULL,
  sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  applied_at DATETIME(6) NOT NULL,
  PRIMARY KEY (version)
);

CREATE TABLE IF NOT EXISTS runs (
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  tenant VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  pipeline VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  since DATE NOT NULL,
  until DATE NOT NULL,
  status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  queued_at DATETIME(6),
  started_at DATETIME(6) NOT NULL,
  ended_at DATETIME(6),
  exit_code SMALLINT NOT NULL,
  config_sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  version VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  host VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (run_id)
);
CREATE INDEX ix_runs_tenant ON runs (tenant, started_at);

CREATE TABLE IF NOT EXISTS run_steps (
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  step VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  position SMALLINT NOT NULL,
  status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  attempt SMALLINT NOT NULL,
  started_at DATETIME(6),
  ended_at DATETIME(6),
  row_count BIGINT NOT NULL,
  summary VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
  facts LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  error_code VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  error_message VARCHAR(500) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (run_id, step)
);

CREATE TABLE IF NOT EXISTS leases (
  name VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  owner VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  host VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  acquired_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  epoch BIGINT NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE IF NOT EXISTS limit_slots (
  name VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  slot SMALLINT NOT NULL,
  owner VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  host VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  PRIMARY KEY (name, slot)
);
CREATE INDEX ix_limit_slots_owner ON limit_slots (owner);

CREATE TABLE IF NOT EXISTS limit_calls (
  name VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  paused_until DATETIME(6) NOT NULL,
  spent_until DATETIME(6) NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE IF NOT EXISTS api_keys (
  key_id VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  sha256 CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  role VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  client VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  created_at DATETIME(6) NOT NULL,
  used_at DATETIME(6),
  revoked_at DATETIME(6),
  PRIMARY KEY (key_id)
);

CREATE TABLE IF NOT EXISTS api_posts (
  key_id VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  post CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  asked CHAR(64) COLLATE utf8mb4_bin NOT NULL,
  run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  posted_at DATETIME(6) NOT NULL,
  PRIMARY KEY (key_id, post)
);

CREATE TABLE IF NOT EXISTS audit_log (
  entry_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  noted_at DATETIME(6) NOT NULL,
  actor VARCHAR(96) COLLATE utf8mb4_bin NOT NULL,
  action VARCHAR(48) COLLATE utf8mb4_bin NOT NULL,
  client VARCHAR(32) COLLATE utf8mb4_bin NOT NULL,
  subject VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
  refusal VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  facts LONGTEXT COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (entry_id)
);
