-- The applications that may call. Each has users, accounts and tokens of its own.
create table external_apps (
  app_key text not null primary key,
  created_at {bigint} not null
){strict};

-- Third-party accounts bound to an application's users. page_id names the page whose link made the row; it is
-- null for one that was bound by a call.
create table external_accounts (
  id {serial},
  app_key text not null references external_apps (app_key),
  user_id {bigint} not null,
  platform text not null,
  union_id text not null,
  platform_name text not null,
  avatar text not null,
  data text not null,
  enabled {bigint} not null,
  page_id text,
  created_at {bigint} not null,
  updated_at {bigint} not null,
  unique (app_key, platform, union_id)
){strict};
create index external_accounts_by_user on external_accounts (app_key, user_id, id);
create index external_accounts_by_union on external_accounts (union_id);

-- Bearer tokens, by digest. account_id is the account that a token came from by signing in: the database ends
-- the token with it.
create table external_tokens (
  id text not null primary key,
  digest text not null unique,
  app_key text not null references external_apps (app_key),
  user_id {bigint},
  account_id {bigint} references external_accounts (id) on delete cascade,
  scopes text not null,
  created_at {bigint} not null,
  expires_at {bigint} not null
){strict};
create index external_tokens_by_account on external_tokens (account_id);
create index external_tokens_by_user on external_tokens (app_key, user_id);
create index external_tokens_by_age on external_tokens (expires_at);

-- Second factors: the secret encrypted, the last step that was accepted, failures in a row, and the times of
-- the latest ones as JSON.
create table external_second_factors (
  app_key text not null references external_apps (app_key),
  user_id {bigint} not null,
  secret text not null,
  last_step {bigint} not null,
  failures {bigint} not null,
  failed_at text not null,
  enrolled_at {bigint} not null,
  primary key (app_key, user_id)
){strict};
create index external_second_factors_by_user on external_second_factors (user_id);

-- Recovery codes that were not used yet, by digest.
create table external_recovery_codes (
  app_key text not null,
  user_id {bigint} not null,
  digest text not null,
  primary key (app_key, user_id, digest),
  foreign key (app_key, user_id) references external_second_factors (app_key, user_id) on delete cascade
){strict};
