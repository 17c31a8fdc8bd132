-- One row for each (page, PSID) that was ever linked or unlinked; account_id is null when unlinked.
-- The identifiers of the present link stand beside the times that decide which late event wins.
create table links (
  page_id text not null,
  psid text not null,
  account_id text,
  username text,
  email text,
  phone_number text,
  locale text,
  source text not null,
  linked_at {bigint} not null,
  updated_at {bigint} not null,
  event_ms {bigint},
  code_tick {bigint} not null,
  changed_tick {bigint} not null,
  unlinked_ms {bigint},
  primary key (page_id, psid)
){strict};
create index links_by_account on links (account_id, updated_at);
create index links_by_psid on links (psid);
create index links_by_age on links (updated_at);

-- Authorization codes, by digest. All codes of one attempt are consumed together.
create table codes (
  tick {serial},
  digest text not null unique,
  attempt_id text not null,
  page_id text,
  psid text,
  account_id text,
  username text,
  email text,
  phone_number text,
  locale text,
  minted_at {bigint} not null,
  expires_at {bigint} not null,
  consumed_at {bigint},
  consumed_by text
){strict};
create index codes_by_attempt on codes (attempt_id);
create index codes_by_account on codes (account_id);
create index codes_by_psid on codes (psid);
create index codes_by_consumer on codes (consumed_by);
create index codes_by_age on codes (expires_at);

-- A signed-in pass through the linking pages, from the password to the consent.
create table attempts (
  attempt_id text not null primary key,
  session_digest text not null,
  account_id text not null,
  username text,
  email text,
  phone_number text,
  display_name text,
  page_id text,
  psid text,
  profile_name text,
  linking_token text not null,
  return_url text not null,
  opened_at {bigint} not null,
  expires_at {bigint} not null
){strict};
create index attempts_by_age on attempts (expires_at);
create index attempts_by_account on attempts (account_id);

-- Timestamps of unlinked events that were processed, to know one when it comes again.
create table unlinks_seen (
  page_id text not null,
  psid text not null,
  event_ms {bigint} not null,
  seen_at {bigint} not null,
  primary key (page_id, psid, event_ms)
){strict};
create index unlinks_seen_by_age on unlinks_seen (seen_at);

-- What a person was doing when they were asked to log in. page_id is '' where it was not known.
create table resumes (
  page_id text not null,
  psid text not null,
  payload text not null,
  created_at {bigint} not null,
  primary key (page_id, psid)
){strict};
create index resumes_by_age on resumes (created_at);

-- Messages and calls that must get through, written in the transaction that causes them.
create table outbox (
  id {serial},
  page_id text not null,
  psid text not null,
  kind text not null,
  payload text not null,
  created_at {bigint} not null,
  next_at {bigint} not null,
  claim text,
  claimed_until {bigint} not null default 0,
  attempts {bigint} not null default 0,
  held_for text,
  last_error text,
  dead_at {bigint}
){strict};
create index outbox_due on outbox (next_at, id) where dead_at is null;
create index outbox_by_person on outbox (page_id, psid, id);
create index outbox_dead on outbox (dead_at) where dead_at is not null;

-- Counters of the throttles. Keys hold digests, never an address or a name.
create table limits (
  key text not null primary key,
  hits {bigint} not null,
  expires_at {bigint} not null
){strict};
create index limits_by_age on limits (expires_at);
