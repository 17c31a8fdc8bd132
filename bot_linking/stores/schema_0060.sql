-- What the newest link of a chat replaced, so that the account's owner can have it put back for seven days.
-- account_before and what follows are null where the chat was not linked before, or once it was undone.
create table undos (
  page_id text not null,
  psid text not null,
  change_id text not null,
  changed_at {bigint} not null,
  account_id text not null,
  account_before text,
  username text,
  email text,
  phone_number text,
  source text,
  linked_at {bigint},
  updated_at {bigint},
  undone_at {bigint},
  primary key (page_id, psid)
){strict};
create index undos_by_psid on undos (psid);
create index undos_by_age on undos (changed_at);

-- The addresses by which a change can be undone, by digest.
create table undo_tokens (
  digest text not null primary key,
  page_id text not null,
  psid text not null,
  change_id text not null,
  expires_at {bigint} not null
){strict};
create index undo_tokens_by_person on undo_tokens (psid, page_id);
create index undo_tokens_by_age on undo_tokens (expires_at);

-- Pairs of chat and account that may not be linked again for a day, since that was undone.
create table bars (
  page_id text not null,
  psid text not null,
  account_id text not null,
  expires_at {bigint} not null,
  primary key (page_id, psid, account_id)
){strict};
create index bars_by_psid on bars (psid);
create index bars_by_age on bars (expires_at);
alter table links add column barred_until {bigint} not null default 0;

-- The account that the person agreed to replace when they gave their consent.
alter table codes add column replaces text;

-- Meta's requests to delete or to let go, by the digest of whom they name and when. user_id goes when it is done.
create table deletions (
  code text not null primary key,
  digest text not null unique,
  kind text not null,
  user_id text,
  state text not null,
  received_at {bigint} not null,
  finished_at {bigint}
){strict};
create index deletions_by_age on deletions (received_at);
