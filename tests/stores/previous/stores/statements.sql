-- name: find_link
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where page_id = :page_id and psid = :psid and account_id is not null

-- name: find_links_of_psid
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where psid = :psid and account_id is not null order by page_id limit 2

-- name: find_links_of_account
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where account_id = :account_id order by updated_at, page_id, psid

-- name: list_links
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where account_id is not null and (page_id, psid) > (:after_page, :after_psid)
order by page_id, psid limit :limit

-- name: find_person
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at,
       event_ms, code_tick, changed_tick, unlinked_ms, unlinked_tick, locale
from links where page_id = :page_id and psid = :psid

-- name: find_pages
select (select min(page_id) from links) as first, (select max(page_id) from links) as last

-- name: save_link
insert into links (page_id, psid, account_id, username, email, phone_number, locale, source,
                   linked_at, updated_at, event_ms, code_tick, changed_tick)
values (:page_id, :psid, :account_id, :username, :email, :phone_number, :locale, :source,
        :now, :now, :event_ms, :code_tick, (select coalesce(max(tick), 0) from codes))
on conflict (page_id, psid) do update set
  account_id = excluded.account_id,
  username = case when links.account_id = excluded.account_id
                  then coalesce(excluded.username, links.username) else excluded.username end,
  email = case when links.account_id = excluded.account_id
               then coalesce(excluded.email, links.email) else excluded.email end,
  phone_number = case when links.account_id = excluded.account_id
                      then coalesce(excluded.phone_number, links.phone_number) else excluded.phone_number end,
  locale = coalesce(excluded.locale, links.locale),
  source = excluded.source,
  linked_at = case when links.account_id = excluded.account_id then links.linked_at else excluded.linked_at end,
  updated_at = excluded.updated_at, event_ms = excluded.event_ms, code_tick = excluded.code_tick,
  changed_tick = excluded.changed_tick
returning page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at

-- name: change_link
update links set username = :username, email = :email, phone_number = :phone_number, updated_at = :now
where page_id = :page_id and psid = :psid
returning page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at

-- name: save_unlink
insert into links (page_id, psid, source, linked_at, updated_at, code_tick, changed_tick, unlinked_ms,
                   unlinked_tick)
values (:page_id, :psid, :source, :now, :now, 0, (select coalesce(max(tick), 0) from codes), :unlinked_ms,
        (select coalesce(max(tick), 0) from codes))
on conflict (page_id, psid) do update set
  account_id = null, username = null, email = null, phone_number = null,
  source = excluded.source, updated_at = excluded.updated_at, event_ms = null,
  changed_tick = excluded.changed_tick, unlinked_ms = excluded.unlinked_ms,
  unlinked_tick = excluded.unlinked_tick

-- name: save_code
insert into codes (digest, attempt_id, page_id, psid, account_id, username, email, phone_number, locale,
                   minted_at, expires_at)
values (:digest, :attempt_id, :page_id, :psid, :account_id, :username, :email, :phone_number, :locale,
        :now, :expires_at)

-- name: is_attempt_used
select 1 as used from codes where attempt_id = :attempt_id and (consumed_at is not null or account_id <> :account_id)
limit 1

-- name: find_code
select tick, attempt_id, page_id, psid, account_id, username, email, phone_number, locale,
       minted_at, expires_at, consumed_at, consumed_by
from codes where digest = :digest

-- name: consume_code
update codes set consumed_at = :now, consumed_by = :psid
where attempt_id = :attempt_id and consumed_at is null returning tick

-- name: drop_codes_of_account
delete from codes where account_id = :account_id and consumed_at is null

-- name: drop_attempts_of_account
delete from attempts where account_id = :account_id

-- name: save_attempt
insert into attempts (attempt_id, session_digest, account_id, username, email, phone_number, display_name,
                      page_id, psid, profile_name, linking_token, return_url, opened_at, expires_at)
values (:attempt_id, :session_digest, :account_id, :username, :email, :phone_number, :display_name,
        :page_id, :psid, :profile_name, :linking_token, :return_url, :opened_at, :expires_at)
on conflict (attempt_id) do update set
  session_digest = excluded.session_digest, account_id = excluded.account_id, username = excluded.username,
  email = excluded.email, phone_number = excluded.phone_number, display_name = excluded.display_name,
  page_id = excluded.page_id, psid = excluded.psid, profile_name = excluded.profile_name,
  expires_at = excluded.expires_at

-- name: find_attempt
select attempt_id, account_id, username, email, phone_number, display_name, page_id, psid, profile_name,
       linking_token, return_url, opened_at
from attempts where attempt_id = :attempt_id and session_digest = :session_digest and expires_at > :now

-- name: drop_attempt
delete from attempts where attempt_id = :attempt_id and session_digest = :session_digest

-- name: is_unlink_seen
select 1 as seen from unlinks_seen where page_id = :page_id and psid = :psid and event_ms = :event_ms

-- name: save_unlink_seen
insert into unlinks_seen (page_id, psid, event_ms, seen_at) values (:page_id, :psid, :event_ms, :now)
on conflict do nothing

-- name: save_resume
insert into resumes (page_id, psid, payload, created_at) values (:page_id, :psid, :payload, :now)
on conflict (page_id, psid) do update set payload = excluded.payload, created_at = excluded.created_at

-- name: take_resumes
delete from resumes where psid = :psid and page_id in (:page_id, '') returning payload, created_at

-- name: queue
insert into outbox (page_id, psid, kind, payload, created_at, next_at)
values (:page_id, :psid, :kind, :payload, :now, :now)

-- name: queue_dead
insert into outbox (page_id, psid, kind, payload, created_at, next_at, last_error, dead_at)
values (:page_id, :psid, :kind, :payload, :now, :now, :reason, :now)

-- name: supersede
delete from outbox where page_id = :page_id and psid = :psid and dead_at is null and claimed_until <= :now
  and kind in ('linked', 'unlinked', 'unlink_call', 'refused')

-- name: claim_due
update outbox set claim = :claim, claimed_until = :until, attempts = attempts + 1
where id in (
  select o.id from outbox o
  where o.dead_at is null and o.next_at <= :now and o.claimed_until <= :now
    and (o.held_for is null or o.held_for not in (select value from json_each(:tokens)))
    and o.page_id not in (select value from json_each(:busy))
    and (o.kind = 'unlink_call'
         or not exists (select 1 from outbox e where e.page_id = o.page_id and e.psid = o.psid
                        and e.id < o.id and e.dead_at is null and e.held_for is null))
  order by o.next_at, o.id limit :limit)
returning id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for

-- name: finish
delete from outbox where id = :id

-- name: renew
update outbox set claimed_until = :until where id = :id and claim = :claim

-- name: postpone
update outbox set claimed_until = 0, next_at = :next_at, last_error = :reason, held_for = :held_for
where id = :id and claim = :claim

-- name: postpone_page
update outbox set next_at = :next_at, held_for = :held_for, last_error = :reason
where page_id = :page_id and dead_at is null and claimed_until <= :now and next_at < :next_at

-- name: bury
update outbox set claimed_until = 0, dead_at = :now, last_error = :reason where id = :id and claim = :claim

-- name: has_due
select 1 as due from outbox
where dead_at is null and next_at <= :now and claimed_until <= :now
  and (held_for is null or held_for not in (select value from json_each(:tokens)))
  and page_id not in (select value from json_each(:busy)) limit 1

-- name: list_dead
select id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for
from outbox where dead_at is not null or (held_for is not null and held_for <> 'hour') order by id

-- name: retry_dead
update outbox set dead_at = null, held_for = null, next_at = :now, claimed_until = 0, attempts = 0
where id = :id and claimed_until <= :now and (dead_at is not null or held_for is not null) returning id

-- name: outbox_depth
select count(*) as depth, min(created_at) as oldest, coalesce(sum(case when held_for <> 'hour' then 1 else 0 end), 0) as held
from outbox where dead_at is null

-- name: count_dead
select count(*) as dead from outbox where dead_at is not null

-- name: hit
-- An end later than any that could be set now is of a clock that was ahead: it would never come.
insert into limits (key, hits, expires_at) values (:key, 1, :expires_at)
on conflict (key) do update set
  hits = case when limits.expires_at <= :now or limits.expires_at > :expires_at + 120000
              then 1 else limits.hits + 1 end,
  expires_at = case when limits.expires_at <= :now or limits.expires_at > :expires_at + 120000
                    then excluded.expires_at else limits.expires_at end
returning hits

-- name: refund
update limits set hits = hits - 1 where key = :key and expires_at > :now and hits > 0

-- name: find_limit
-- The same holds for whoever only looks.
select hits, expires_at from limits
where key = :key and expires_at > :now and expires_at <= :now + :window + 120000

-- name: drop_limit
delete from limits where key = :key

-- name: erase_links
delete from links where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id) returning account_id

-- name: erase_codes
update codes set consumed_at = coalesce(consumed_at, :now), consumed_by = null, psid = null, account_id = null,
  username = null, email = null, phone_number = null, locale = null
where (psid = :psid or consumed_by = :psid) and (cast(:page_id as text) is null or page_id = :page_id or page_id is null)

-- name: erase_unbound_codes
delete from codes where account_id = :account_id and psid is null and consumed_at is null

-- name: erase_unbound_attempts
delete from attempts where account_id = :account_id and psid is null

-- name: erase_attempts
delete from attempts where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: erase_unlinks_seen
delete from unlinks_seen where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: erase_resumes
delete from resumes where psid = :psid and (cast(:page_id as text) is null or page_id in (:page_id, ''))

-- name: erase_outbox
delete from outbox where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: erase_history
delete from history where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: save_history
insert into history (at, page_id, psid, door, account_before, account_after, identifiers, key_id, request_id, meta)
values (:at, :page_id, :psid, :door, :account_before, :account_after, :identifiers, :key_id, :request_id, :meta)

-- name: find_history
select at, page_id, psid, door, account_before, account_after, identifiers, key_id, request_id, meta
from history where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id) order by id

-- name: save_api_key
insert into api_keys (id, name, digest, pages, created_at) values (:id, :called, :digest, :pages, :now)
on conflict do nothing

-- name: find_api_key
select id, name, digest, pages, created_at, last_used_at, revoked_at
from api_keys where digest = :digest and revoked_at is null

-- name: list_api_keys
select id, name, digest, pages, created_at, last_used_at, revoked_at from api_keys order by created_at, id

-- name: touch_api_key
update api_keys set last_used_at = :now where id = :id and coalesce(last_used_at, 0) < :now

-- name: revoke_api_key
update api_keys set revoked_at = :now where name = :called and revoked_at is null

-- name: purge_codes
delete from codes where rowid in (select rowid from codes where expires_at < :before limit :most)

-- name: purge_attempts
delete from attempts where rowid in (select rowid from attempts where expires_at < :before limit :most)

-- name: purge_unlinks_seen
delete from unlinks_seen where rowid in (select rowid from unlinks_seen where seen_at < :before limit :most)

-- name: purge_resumes
delete from resumes where rowid in (select rowid from resumes where created_at < :before limit :most)

-- name: purge_limits
delete from limits where rowid in (select rowid from limits where expires_at < :before limit :most)

-- name: purge_unlinked
delete from links where rowid in (select rowid from links where account_id is null and updated_at < :before limit :most)

-- name: purge_dead
delete from outbox where rowid in (select rowid from outbox where dead_at < :before limit :most)

-- name: purge_history
delete from history where rowid in (select rowid from history where at < :before limit :most)

-- name: purge_api_keys
delete from api_keys where rowid in (select rowid from api_keys where revoked_at < :before limit :most)
