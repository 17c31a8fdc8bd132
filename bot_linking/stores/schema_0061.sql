-- Further ways to link. source is the way that a code came by; proof is the digest of what proved the chat (a
-- web link, a signed_request), good for one link; typed is the digest of the digits that the chat has to type.
alter table codes add column source text not null default 'login';
alter table codes add column proof text;
alter table codes add column typed text;
create index codes_by_proof on codes (proof) where proof is not null;
create index codes_by_typed on codes (psid, page_id) where typed is not null;
alter table attempts add column proof text;

-- Addresses that prove a chat in any browser, by digest.
create table web_links (
  digest text not null primary key,
  page_id text not null,
  psid text not null,
  expires_at {bigint} not null
){strict};
create index web_links_by_psid on web_links (psid);
create index web_links_by_age on web_links (expires_at);

-- Addresses and codes that prove an account in a chat, by digest. page_id is null for any page.
create table chat_links (
  digest text not null primary key,
  code_digest text not null unique,
  page_id text,
  account_id text not null,
  username text,
  email text,
  phone_number text,
  display_name text,
  resume text,
  expires_at {bigint} not null,
  used_at {bigint}
){strict};
create index chat_links_by_account on chat_links (account_id);
create index chat_links_by_age on chat_links (expires_at);

-- The question that a chat was asked last: shall it be connected with this account? id is a digest.
create table questions (
  page_id text not null,
  psid text not null,
  id text not null,
  link_digest text not null,
  replaces text,
  asked_at {bigint} not null,
  settled_at {bigint},
  primary key (page_id, psid)
){strict};
create index questions_by_psid on questions (psid);
create index questions_by_age on questions (asked_at);
