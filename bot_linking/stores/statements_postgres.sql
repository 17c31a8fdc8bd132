-- Statements that PostgreSQL needs in other words than `statements.sql`, under the same names.

-- name: hold
-- There are so many numbers that a batch of a thousand events locks out one other person in thirty. They are locked
-- in one order, so that two transactions never wait for each other. Those of accounts are below all others: who holds
-- an account may still hold its chats. When the server's lock table is full, the transaction is tried again.
with held as (
  select hashtextextended(psid, 1) & 65535 as number from unnest(cast(:psids as text[])) as psid
  union all select hashtextextended(attempt_id, 2) & 65535 from unnest(cast(:attempts as text[])) as attempt_id
  union all select hashtextextended(attempt_id, 2) & 65535 from codes where digest = any (cast(:codes as text[]))
  union all select hashtextextended(attempt_id, 2) & 65535 from codes
            where account_id = cast(:account_id as text) and consumed_at is null
  union all select (hashtextextended(account, 3) & 65535) - 131072 from unnest(cast(:accounts as text[])) as account
)
select pg_advisory_xact_lock(25196, number)
from (select distinct cast(number as integer) as number from held order by 1) as in_order

-- name: find_psids_of_accounts
select psid from links where account_id = any (array(select json_array_elements_text(cast(:accounts as json))))

-- name: find_accounts_of_codes
select distinct account_id from codes
where digest = any (array(select json_array_elements_text(cast(:digests as json))))

-- name: save_person
-- A person's row as `save_link` and `save_unlink` leave it. A tick that is greater than all stands for the newest.
insert into links (page_id, psid, account_id, username, email, phone_number, locale, source, linked_at, updated_at,
                   event_ms, code_tick, changed_tick, unlinked_ms, unlinked_tick, heard_at)
values (:page_id, :psid, :account_id, :username, :email, :phone_number, :locale, :source, :linked_at, :updated_at,
        :event_ms, :code_tick, (select coalesce(max(tick), 0) from codes), :unlinked_ms,
        least(:unlinked_tick, (select coalesce(max(tick), 0) from codes)), :heard_at)
on conflict (page_id, psid) do update set
  account_id = excluded.account_id, named_id = null, username = excluded.username, email = excluded.email,
  phone_number = excluded.phone_number, locale = excluded.locale, source = excluded.source,
  linked_at = excluded.linked_at, updated_at = excluded.updated_at, event_ms = excluded.event_ms,
  code_tick = excluded.code_tick, changed_tick = excluded.changed_tick, unlinked_ms = excluded.unlinked_ms,
  unlinked_tick = excluded.unlinked_tick, heard_at = coalesce(excluded.heard_at, links.heard_at)

-- name: find_people
select links.page_id, links.psid, account_id, username, email, phone_number, source, linked_at, updated_at,
       event_ms, code_tick, changed_tick, unlinked_ms, unlinked_tick, barred_until, locale
from json_to_recordset(cast(:people as json)) as given (page_id text, psid text)
join links on links.page_id = given.page_id and links.psid = given.psid

-- name: import_links
insert into links (page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at,
                   code_tick, changed_tick)
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at,
       0, (select coalesce(max(tick), 0) from codes)
from json_to_recordset(cast(:links as json)) as given (
  page_id text, psid text, account_id text, username text, email text, phone_number text, source text,
  linked_at bigint, updated_at bigint)
on conflict (page_id, psid) do update set
  account_id = excluded.account_id, named_id = null, username = excluded.username, email = excluded.email,
  phone_number = excluded.phone_number, source = excluded.source, linked_at = excluded.linked_at,
  updated_at = excluded.updated_at,
  event_ms = case when links.account_id = excluded.account_id then links.event_ms end,
  code_tick = case when links.account_id = excluded.account_id then links.code_tick else 0 end,
  changed_tick = case when links.account_id = excluded.account_id then links.changed_tick
                      else excluded.changed_tick end

-- name: import_history
insert into history (at, page_id, psid, door, account_before, account_after, identifiers)
select at, page_id, psid, source, account_before, account_after, identifiers
from json_to_recordset(cast(:changes as json)) as given (
  at bigint, page_id text, psid text, source text, account_before text, account_after text, identifiers text)

-- name: claim_of_page
with fresh as materialized (
  select o.id from outbox o
  where o.page_id = :page_id and o.dead_at is null and o.attempts = 0 and o.created_at > :fresh
    and o.next_at <= :now and o.claimed_until <= :now
    and (o.kind in ('unlink_call', 'notice')
         or not exists (select 1 from outbox e where e.page_id = o.page_id and e.psid = o.psid
                        and e.id < o.id and e.dead_at is null and e.held_for is null
                        and e.kind <> 'notice' and (e.kind <> 'unlink_call' or e.claimed_until > :now)))
  order by o.created_at, o.id limit :limit
  for update of o skip locked),
old as materialized (
  select o.id from outbox o
  where o.page_id = :page_id and o.dead_at is null and o.next_at <= :now and o.claimed_until <= :now
    and not (o.attempts = 0 and o.created_at > :fresh)
    and (o.kind in ('unlink_call', 'notice')
         or not exists (select 1 from outbox e where e.page_id = o.page_id and e.psid = o.psid
                        and e.id < o.id and e.dead_at is null and e.held_for is null
                        and e.kind <> 'notice' and (e.kind <> 'unlink_call' or e.claimed_until > :now)))
  order by o.next_at, o.id limit greatest(0, :limit - (select count(*) from fresh))
  for update of o skip locked)
update outbox set claim = :claim, claimed_until = :until, attempts = attempts + 1
from (select id from fresh union all select id from old) as due where outbox.id = due.id
returning outbox.id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for, heard_at

-- name: take_waiting
update outbox set claim = :claim, claimed_until = :until, attempts = attempts + 1, heard_at = :now
where id = any (array(
  select id from outbox
  where psid = :psid and page_id = :page_id and held_for = 'window' and dead_at is null and claimed_until <= :now
  for update skip locked))
returning id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for, heard_at

-- name: waiting_among
select distinct page_id, psid from outbox
where held_for = 'window' and dead_at is null
  and psid = any (array(select json_array_elements_text(cast(:psids as json))))

-- name: retry_all_dead
update outbox set dead_at = null, held_for = null, created_at = :now, next_at = :now, claimed_until = 0, attempts = 1
where id = any (array(
  select id from outbox where dead_at between :since and :now and kind <> 'event'
  and (cast(:reason as text) = '' or position(lower(cast(:reason as text)) in lower(coalesce(last_error, ''))) > 0)
  limit :most for update skip locked))

-- name: purge_codes
delete from codes where tick = any (array(
  select tick from codes where expires_at < :before limit :most for update skip locked))

-- name: purge_attempts
delete from attempts where attempt_id = any (array(
  select attempt_id from attempts where expires_at < :before limit :most for update skip locked))

-- name: purge_unlinks_seen
with old as materialized (
  select page_id, psid, event_ms from unlinks_seen where seen_at < :before limit :most for update skip locked)
delete from unlinks_seen using old where unlinks_seen.page_id = old.page_id and unlinks_seen.psid = old.psid and unlinks_seen.event_ms = old.event_ms

-- name: purge_resumes
with old as materialized (
  select page_id, psid from resumes where created_at < :before limit :most for update skip locked)
delete from resumes using old where resumes.page_id = old.page_id and resumes.psid = old.psid

-- name: purge_limits
delete from limits where key = any (array(
  select key from limits where expires_at < :before limit :most for update skip locked))

-- name: purge_unlinked
with old as materialized (
  select page_id, psid from links where account_id is null and updated_at < :before limit :most for update skip locked)
delete from links using old where links.page_id = old.page_id and links.psid = old.psid

-- name: purge_dead
delete from outbox where id = any (array(
  select id from outbox where dead_at < :before limit :most for update skip locked))

-- name: purge_history
delete from history where id = any (array(
  select id from history where at < :before limit :most for update skip locked))

-- name: purge_api_keys
delete from api_keys where id = any (array(
  select id from api_keys where revoked_at < :before limit :most for update skip locked))

-- name: purge_undos
with old as materialized (
  select page_id, psid from undos where changed_at < :before limit :most for update skip locked)
delete from undos using old where undos.page_id = old.page_id and undos.psid = old.psid

-- name: purge_undo_tokens
delete from undo_tokens where digest = any (array(
  select digest from undo_tokens where expires_at < :before limit :most for update skip locked))

-- name: purge_bars
with old as materialized (
  select page_id, psid, account_id from bars where expires_at < :before limit :most for update skip locked)
delete from bars using old where bars.page_id = old.page_id and bars.psid = old.psid and bars.account_id = old.account_id

-- name: purge_deletions
delete from deletions where code = any (array(
  select code from deletions where received_at < :before limit :most for update skip locked))

-- name: purge_web_links
delete from web_links where digest = any (array(
  select digest from web_links where expires_at < :before limit :most for update skip locked))

-- name: purge_chat_links
delete from chat_links where digest = any (array(
  select digest from chat_links where expires_at < :before limit :most for update skip locked))

-- name: purge_questions
with old as materialized (
  select page_id, psid from questions where asked_at < :before limit :most for update skip locked)
delete from questions using old where questions.page_id = old.page_id and questions.psid = old.psid

-- name: add_to_funnel
insert into funnel (day, page_id, way, stage, bucket, hits)
select day, page_id, way, stage, bucket, hits
from json_to_recordset(cast(:counts as json)) as given (
  day bigint, page_id text, way text, stage text, bucket bigint, hits bigint)
on conflict (day, page_id, way, stage, bucket) do update set hits = funnel.hits + excluded.hits

-- name: add_to_traffic
insert into traffic (minute, kind, result, hits)
select minute, kind, result, hits
from json_to_recordset(cast(:counts as json)) as given (minute bigint, kind text, result text, hits bigint)
on conflict (minute, kind, result) do update set hits = traffic.hits + excluded.hits

-- name: purge_funnel
with old as materialized (
  select day, page_id, way, stage, bucket from funnel where day < :before limit :most for update skip locked)
delete from funnel using old where funnel.day = old.day and funnel.page_id = old.page_id and funnel.way = old.way
  and funnel.stage = old.stage and funnel.bucket = old.bucket

-- name: purge_traffic
with old as materialized (
  select minute, kind, result from traffic where minute < :before limit :most for update skip locked)
delete from traffic using old where traffic.minute = old.minute and traffic.kind = old.kind
  and traffic.result = old.result

-- name: purge_acts
delete from acts where id = any (array(
  select id from acts where at < :before limit :most for update skip locked))
