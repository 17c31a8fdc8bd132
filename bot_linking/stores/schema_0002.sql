-- Every change of a link, by whichever door, written with the change. Ids, not secrets; of the identifiers
-- only the names of those that changed.
create table history (
  id {serial},
  at {bigint} not null,
  page_id text not null,
  psid text not null,
  door text not null,
  account_before text,
  account_after text,
  identifiers text not null,
  key_id text,
  request_id text,
  meta text
){strict};
create index history_by_person on history (psid, id);
create index history_by_age on history (at);

-- Keys of the account_link API, by digest; pages is a JSON array, empty for every page.
create table api_keys (
  id text not null primary key,
  name text not null,
  digest text not null unique,
  pages text not null,
  created_at {bigint} not null,
  last_used_at {bigint},
  revoked_at {bigint}
){strict};
create unique index api_keys_by_name on api_keys (name) where revoked_at is null;
create index api_keys_by_age on api_keys (revoked_at) where revoked_at is not null;
