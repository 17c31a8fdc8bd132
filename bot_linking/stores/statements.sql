-- name: find_link
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where page_id = :page_id and psid = :psid and account_id is not null

-- name: find_links_of_psid
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where psid = :psid and account_id is not null order by page_id limit 2

-- name: find_links_of_account
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where account_id = :account_id order by updated_at, page_id, psid

-- name: find_psids_of_accounts
select psid from links where account_id in (select value from json_each(:accounts))

-- name: find_accounts_of_codes
select distinct account_id from codes where digest in (select value from json_each(:digests))

-- name: list_links
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where account_id is not null and (page_id, psid) > (:after_page, :after_psid)
order by page_id, psid limit :limit

-- name: find_person
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at,
       event_ms, code_tick, changed_tick, unlinked_ms, unlinked_tick, barred_until, locale
from links where page_id = :page_id and psid = :psid

-- name: find_contact
select locale, heard_at from links where page_id = :page_id and psid = :psid

-- name: save_heard
update links set heard_at = :heard_at where page_id = :page_id and psid = :psid and coalesce(heard_at, 0) < :heard_at

-- name: find_pages
select (select min(page_id) from links) as first, (select max(page_id) from links) as last

-- name: find_pages_of_person
select page_id from links where psid = :psid
union select page_id from history where psid = :psid
union select page_id from undos where psid = :psid
union select page_id from codes where psid = :psid
union select page_id from web_links where psid = :psid
union select page_id from questions where psid = :psid

-- name: save_link
-- `heard_at` becomes `now`, except where the site or an operator made the link and the person did nothing.
insert into links (page_id, psid, account_id, username, email, phone_number, locale, source,
                   linked_at, updated_at, event_ms, code_tick, changed_tick, heard_at)
values (:page_id, :psid, :account_id, :username, :email, :phone_number, :locale, :source,
        :now, :now, :event_ms, :code_tick, (select coalesce(max(tick), 0) from codes),
        case when cast(:source as text) in ('api', 'cli', 'python', 'import') then null else cast(:now as bigint) end)
on conflict (page_id, psid) do update set
  account_id = excluded.account_id, named_id = null,
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
  changed_tick = excluded.changed_tick, heard_at = coalesce(excluded.heard_at, links.heard_at)
returning page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at

-- name: change_link
update links set username = :username, email = :email, phone_number = :phone_number, updated_at = :now
where page_id = :page_id and psid = :psid
returning page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at

-- name: find_people
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at,
       event_ms, code_tick, changed_tick, unlinked_ms, unlinked_tick, barred_until, locale
from json_each(:people) as given
join links on page_id = json_extract(given.value, '$.page_id') and psid = json_extract(given.value, '$.psid')

-- name: import_links
insert into links (page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at,
                   code_tick, changed_tick)
select json_extract(value, '$.page_id'), json_extract(value, '$.psid'), json_extract(value, '$.account_id'),
       json_extract(value, '$.username'), json_extract(value, '$.email'), json_extract(value, '$.phone_number'),
       json_extract(value, '$.source'), json_extract(value, '$.linked_at'), json_extract(value, '$.updated_at'),
       0, (select coalesce(max(tick), 0) from codes)
from json_each(:links) where true
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
select json_extract(value, '$.at'), json_extract(value, '$.page_id'), json_extract(value, '$.psid'),
       json_extract(value, '$.source'), json_extract(value, '$.account_before'),
       json_extract(value, '$.account_after'), json_extract(value, '$.identifiers')
from json_each(:changes)

-- name: has_named_ids
select 1 as found from links where named_id is not null limit 1

-- name: restore_named_ids
update links set account_id = named_id, named_id = null
where named_id is not null
  and account_id in ('username:' || named_id, 'email:' || named_id, 'tel:' || named_id)

-- name: save_unlink
insert into links (page_id, psid, source, linked_at, updated_at, code_tick, changed_tick, unlinked_ms,
                   unlinked_tick, heard_at)
values (:page_id, :psid, :source, :now, :now, 0, (select coalesce(max(tick), 0) from codes), :unlinked_ms,
        (select coalesce(max(tick), 0) from codes),
        case when cast(:source as text) = 'messenger' then cast(:now as bigint) else null end)
on conflict (page_id, psid) do update set
  account_id = null, named_id = null, username = null, email = null, phone_number = null,
  source = excluded.source, updated_at = excluded.updated_at, event_ms = null,
  changed_tick = excluded.changed_tick, unlinked_ms = excluded.unlinked_ms,
  unlinked_tick = excluded.unlinked_tick, heard_at = coalesce(excluded.heard_at, links.heard_at)

-- name: save_code
insert into codes (digest, attempt_id, page_id, psid, account_id, username, email, phone_number, locale,
                   replaces, source, proof, typed, minted_at, expires_at)
values (:digest, :attempt_id, :page_id, :psid, :account_id, :username, :email, :phone_number, :locale,
        :replaces, :source, :proof, :typed, :now, :expires_at)

-- name: is_attempt_used
select 1 as used from codes where attempt_id = :attempt_id and (consumed_at is not null or account_id <> :account_id)
limit 1

-- name: is_proof_used
select 1 as used from codes where proof = :proof and consumed_at is not null limit 1

-- name: find_code
select tick, attempt_id, page_id, psid, account_id, username, email, phone_number, locale, replaces,
       source, proof, minted_at, expires_at, consumed_at, consumed_by
from codes where digest = :digest

-- name: consume_code
update codes set consumed_at = :now, consumed_by = :psid
where attempt_id = :attempt_id and consumed_at is null returning tick

-- name: consume_proof
update codes set consumed_at = :now, consumed_by = :psid where proof = :proof and consumed_at is null

-- name: drop_codes_of_account
delete from codes where account_id = :account_id and consumed_at is null

-- name: drop_attempts_of_account
delete from attempts where account_id = :account_id

-- name: save_attempt
insert into attempts (attempt_id, session_digest, stage, way, account_id, username, email, phone_number,
                      display_name, page_id, psid, profile_name, page_hint, linking_token, return_url,
                      second_factor_at, refusal, awaited, proof, opened_at, expires_at)
values (:attempt_id, :session_digest, :stage, :way, :account_id, :username, :email, :phone_number,
        :display_name, :page_id, :psid, :profile_name, :page_hint, :linking_token, :return_url,
        :second_factor_at, :refusal, :awaited, :proof, :opened_at, :expires_at)
on conflict (attempt_id) do nothing

-- name: change_attempt
-- Only where no other request has changed the attempt since the caller read it.
update attempts set
  session_digest = :session_digest, stage = :stage, account_id = :account_id, username = :username,
  email = :email, phone_number = :phone_number, display_name = :display_name, page_id = :page_id,
  psid = :psid, profile_name = :profile_name, second_factor_at = :second_factor_at, refusal = :refusal,
  awaited = :awaited
where attempt_id = :attempt_id and session_digest = :session_before and stage = :stage_before
  and coalesce(awaited, '') = :awaited_before

-- name: approve_attempt
-- After a second press of the button the attempt is approved already.
update attempts set stage = :stage
where attempt_id = :attempt_id and session_digest = :session_digest and account_id = :account_id
  and stage in (:stage_before, :stage) and expires_at > :now

-- name: finish_attempt
update attempts set stage = 'done', refusal = null, awaited = null where attempt_id = :attempt_id

-- name: find_attempt
select attempt_id, account_id, username, email, phone_number, display_name, linking_token, return_url,
       opened_at, page_id, psid, profile_name, stage, page_hint, second_factor_at, refusal, way, proof,
       expires_at, session_digest, awaited
from attempts where attempt_id = :attempt_id

-- name: count_codes
select count(*) as codes from codes where attempt_id = :attempt_id

-- name: drop_codes_of_attempt
delete from codes where attempt_id = :attempt_id and consumed_at is null

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

-- name: claim_of_page
-- First fresh entries that were never tried, then those that have been due longest.
update outbox set claim = :claim, claimed_until = :until, attempts = attempts + 1
where id in (
  select id from (
    select id from (
      select o.id from outbox o
      where o.page_id = :page_id and o.dead_at is null and o.attempts = 0 and o.created_at > :fresh
        and o.next_at <= :now and o.claimed_until <= :now
        and (o.kind in ('unlink_call', 'notice')
             or not exists (select 1 from outbox e where e.page_id = o.page_id and e.psid = o.psid
                            and e.id < o.id and e.dead_at is null and e.held_for is null
                            and e.kind <> 'notice' and (e.kind <> 'unlink_call' or e.claimed_until > :now)))
      order by o.created_at, o.id limit :limit)
    union all
    select id from (
      select o.id from outbox o
      where o.page_id = :page_id and o.dead_at is null and o.next_at <= :now and o.claimed_until <= :now
        and not (o.attempts = 0 and o.created_at > :fresh)
        and (o.kind in ('unlink_call', 'notice')
             or not exists (select 1 from outbox e where e.page_id = o.page_id and e.psid = o.psid
                            and e.id < o.id and e.dead_at is null and e.held_for is null
                            and e.kind <> 'notice' and (e.kind <> 'unlink_call' or e.claimed_until > :now)))
      order by o.next_at, o.id limit :limit))
  limit :limit)
returning id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for, heard_at

-- name: take_waiting
update outbox set claim = :claim, claimed_until = :until, attempts = attempts + 1, heard_at = :now
where psid = :psid and page_id = :page_id and held_for = 'window' and dead_at is null and claimed_until <= :now
returning id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for, heard_at

-- name: finish
delete from outbox where id = :id

-- name: renew
update outbox set claimed_until = :until where id = :id and claim = :claim

-- name: postpone
update outbox set claimed_until = 0, next_at = :next_at, last_error = :reason, held_for = :held_for
where id = :id and claim = :claim

-- name: bury
update outbox set claimed_until = 0, dead_at = :now, last_error = :reason where id = :id and claim = :claim

-- name: give_back
update outbox set claimed_until = 0, attempts = attempts - 1 where id = :id and claim = :claim

-- name: has_due
select 1 as due from outbox where dead_at is null and next_at <= :now and claimed_until <= :now limit 1

-- name: due_pages
-- Jumps from one page to the next by the index, however many entries a page has.
with recursive page (id) as (
  select min(page_id) from outbox where dead_at is null and page_id >= :start
  union all
  select (select min(o.page_id) from outbox o where o.dead_at is null and o.page_id > page.id)
  from page where page.id is not null
)
select page.id as page_id from page
where page.id is not null
  and exists (select 1 from outbox o where o.page_id = page.id and o.dead_at is null
              and o.next_at <= :now and o.claimed_until <= :now)
limit :most

-- name: save_pause
insert into page_pauses (page_id, since, until, cause, keys, reason)
values (:page_id, :now, :until, :cause, :keys, :reason)
on conflict (page_id) do update set
  since = case when page_pauses.cause = excluded.cause and page_pauses.keys = excluded.keys
               then page_pauses.since else excluded.since end,
  until = excluded.until, cause = excluded.cause, keys = excluded.keys, reason = excluded.reason
where excluded.cause is not null
   or page_pauses.until <= :now
   or (page_pauses.cause is null and page_pauses.until < excluded.until)

-- name: find_pauses
select page_id, until, reason, cause, keys, since from page_pauses order by page_id

-- name: drop_pause
delete from page_pauses where page_id = :page_id
  and (until <= :now or (keys <> cast(:keys as text) and since < :now - 600000))

-- name: has_waiting
-- The condition on the PSID selects the index that holds only such entries.
select 1 as waits from outbox where held_for = 'window' and dead_at is null and psid > '' limit 1

-- name: count_waiting
select count(*) as waiting from outbox where held_for = 'window' and dead_at is null and psid > ''

-- name: waiting_among
select distinct page_id, psid from outbox
where held_for = 'window' and dead_at is null and psid in (select value from json_each(:psids))

-- name: list_dead
select o.id, o.page_id, o.psid, o.kind, o.payload, o.created_at, o.attempts, o.last_error, o.dead_at, o.held_for,
       o.heard_at, coalesce(p.reason, o.last_error) as reason,
       case when o.dead_at is not null then 'dead' when o.held_for = 'window' then 'waiting' else 'held' end as state
from outbox o left join page_pauses p on p.page_id = o.page_id and p.cause is not null and o.dead_at is null
where o.dead_at is not null or o.held_for in ('window', 'page') or p.page_id is not null order by o.id

-- name: retry_dead
update outbox set dead_at = null, held_for = null, created_at = :now, next_at = :now, claimed_until = 0, attempts = 0
where id = :id and claimed_until <= :now
  and (dead_at is not null or held_for in ('window', 'page')
       or exists (select 1 from page_pauses p where p.page_id = outbox.page_id and p.cause is not null))
returning page_id

-- name: end_pause
delete from page_pauses where page_id = :page_id

-- name: retry_all_dead
-- `attempts = 1`, so that entries which are queued meanwhile go first. What dies again after `now` stays dead.
update outbox set dead_at = null, held_for = null, created_at = :now, next_at = :now, claimed_until = 0, attempts = 1
where id in (select id from outbox where dead_at between :since and :now and kind <> 'event'
             and (:reason = '' or instr(lower(coalesce(last_error, '')), lower(:reason)) > 0) limit :most)

-- name: outbox_depth
-- An entry that is held for the hour is late only after `next_at`; one that waits for its person, or that
-- Messenger refuses for good, never.
select count(*) as depth,
       min(case when o.held_for in ('window', 'refused') then null when o.held_for = 'hour' then o.next_at
                else o.created_at end) as oldest,
       coalesce(sum(case when o.held_for = 'page' or p.page_id is not null then 1 else 0 end), 0) as held
from outbox o left join page_pauses p on p.page_id = o.page_id and p.cause is not null
where o.dead_at is null

-- name: count_dead
select count(*) as dead from outbox where dead_at is not null

-- name: hit
-- An end that is more than two minutes later than the new one was set by a clock that was ahead: start again.
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
-- The same tolerance as in `hit`.
select hits, expires_at from limits
where key = :key and expires_at > :now and expires_at <= :now + :window + 120000

-- name: drop_limit
delete from limits where key = :key

-- name: erase_links
delete from links where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id) returning account_id

-- name: erase_codes
update codes set consumed_at = coalesce(consumed_at, :now), consumed_by = null, psid = null, account_id = null,
  username = null, email = null, phone_number = null, locale = null, replaces = null
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

-- name: count_links
select count(*) as links from links where account_id > ''

-- name: count_changes
select coalesce(sum(case when account_after is not null and (account_before is null or account_before <> account_after)
                         then 1 else 0 end), 0) as linked,
       coalesce(sum(case when account_before = account_after then 1 else 0 end), 0) as changed,
       coalesce(sum(case when account_after is null then 1 else 0 end), 0) as unlinked
from history where at >= :since

-- name: list_changes
select id, at, page_id, psid, door as source, account_before, account_after, identifiers, key_id, request_id, meta
from history where at >= :since order by at, id limit :limit

-- name: list_deaths
select id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for
from outbox where dead_at is not null and dead_at >= :since order by dead_at, id limit :limit

-- name: save_erasure
insert into erasures (erased_at, page_id, psid_digest) values (:erased_at, :page_id, :psid_digest)
on conflict do nothing

-- name: list_erasures
select erased_at, page_id, psid_digest from erasures
where (erased_at, page_id, psid_digest) > (:erased_at, :page_id, :psid_digest)
order by erased_at, page_id, psid_digest limit :limit

-- name: purge_erasures
delete from erasures where (erased_at, page_id, psid_digest) in (
  select erased_at, page_id, psid_digest from erasures where erased_at < :before limit :most)

-- name: save_history
insert into history (at, page_id, psid, door, account_before, account_after, identifiers, key_id, request_id, meta)
values (:at, :page_id, :psid, :source, :account_before, :account_after, :identifiers, :key_id, :request_id, :meta)

-- name: find_history
select at, page_id, psid, door as source, account_before, account_after, identifiers, key_id, request_id, meta
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

-- name: purge_pauses
delete from page_pauses where page_id in (select page_id from page_pauses where until < :before limit :most)

-- name: purge_history
delete from history where rowid in (select rowid from history where at < :before limit :most)

-- name: purge_api_keys
delete from api_keys where rowid in (select rowid from api_keys where revoked_at < :before limit :most)

-- name: purge_pages
delete from pages where page_id in
  (select page_id from pages where sealed is null and changed_at < :before limit :most)

-- name: save_undo
insert into undos (page_id, psid, change_id, changed_at, account_id, account_before, username, email,
                   phone_number, source, linked_at, updated_at)
values (:page_id, :psid, :change_id, :now, :account_id, :account_before, :username, :email,
        :phone_number, :source, :linked_at, :updated_at)
on conflict (page_id, psid) do update set
  change_id = excluded.change_id, changed_at = excluded.changed_at, account_id = excluded.account_id,
  account_before = excluded.account_before, username = excluded.username, email = excluded.email,
  phone_number = excluded.phone_number, source = excluded.source, linked_at = excluded.linked_at,
  updated_at = excluded.updated_at, undone_at = null

-- name: find_undo
select change_id, changed_at, account_id, account_before, username, email, phone_number, source, linked_at,
       updated_at, undone_at
from undos where page_id = :page_id and psid = :psid

-- name: drop_undo
delete from undos where page_id = :page_id and psid = :psid

-- name: drop_undos_of_account
delete from undos where account_before = :account_id

-- name: mark_undone
update undos set undone_at = :now, account_before = null, username = null, email = null, phone_number = null,
  source = null, linked_at = null, updated_at = null
where page_id = :page_id and psid = :psid

-- name: save_undo_token
insert into undo_tokens (digest, page_id, psid, change_id, expires_at)
values (:digest, :page_id, :psid, :change_id, :expires_at)

-- name: find_undo_token
select page_id, psid, change_id from undo_tokens where digest = :digest and expires_at > :now

-- name: restore_link
-- The former link as it was. For late events the change counts as an unlink that was processed now.
update links set account_id = :account_id, username = :username, email = :email, phone_number = :phone_number,
  source = :source, linked_at = :linked_at, updated_at = :updated_at, event_ms = null, code_tick = 0,
  changed_tick = (select coalesce(max(tick), 0) from codes), unlinked_ms = :now,
  unlinked_tick = (select coalesce(max(tick), 0) from codes)
where page_id = :page_id and psid = :psid
returning page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at

-- name: bar
insert into bars (page_id, psid, account_id, expires_at) values (:page_id, :psid, :account_id, :until)
on conflict (page_id, psid, account_id) do update set expires_at = excluded.expires_at

-- name: bar_person
update links set barred_until = :until where page_id = :page_id and psid = :psid

-- name: is_barred
select 1 as barred from bars
where page_id = :page_id and psid = :psid and account_id = :account_id and expires_at > :now

-- name: drop_codes_of_person
delete from codes where psid = :psid and page_id = :page_id and consumed_at is null

-- name: drop_attempts_of_person
delete from attempts where psid = :psid and page_id = :page_id

-- name: save_deletion
insert into deletions (code, digest, kind, user_id, state, received_at)
values (:code, :digest, :kind, :user_id, 'received', :now)
on conflict (digest) do nothing returning code

-- name: find_deletion_of_digest
select code from deletions where digest = :digest

-- name: find_deletion
select code, kind, user_id, state, received_at, finished_at, found_at from deletions where code = :code

-- name: list_deletions
select code, kind, user_id, state, received_at, finished_at, found_at from deletions order by received_at, code

-- name: find_for_deletion
update deletions set found_at = :now where code = :code

-- name: finish_deletion
update deletions set state = :state, finished_at = :now, user_id = null where code = :code

-- name: erase_undos
delete from undos where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: erase_undo_tokens
delete from undo_tokens where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: erase_bars
delete from bars where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: purge_undos
delete from undos where (page_id, psid) in (select page_id, psid from undos where changed_at < :before limit :most)

-- name: purge_undo_tokens
delete from undo_tokens where (digest) in (select digest from undo_tokens where expires_at < :before limit :most)

-- name: purge_bars
delete from bars where (page_id, psid, account_id) in (select page_id, psid, account_id from bars where expires_at < :before limit :most)

-- name: purge_deletions
delete from deletions where (code) in (select code from deletions where received_at < :before limit :most)

-- name: export_links
select page_id, psid, account_id, username, email, phone_number, named_id, locale, source, linked_at, updated_at,
       event_ms, unlinked_ms, barred_until, heard_at
from links where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: export_history
select at, page_id, psid, door as source, account_before, account_after, identifiers, key_id, request_id, meta
from history where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id) order by id

-- name: export_history_of_account
select at, page_id, psid, door as source, account_before, account_after, identifiers, key_id, request_id, meta
from history where account_before = :account_id or account_after = :account_id order by id

-- name: export_outbox
select page_id, psid, kind, payload, created_at, next_at, attempts, held_for, last_error, dead_at
from outbox where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id) order by id

-- name: export_attempts
select page_id, psid, account_id, username, email, phone_number, display_name, profile_name, stage, way,
       second_factor_at, refusal, opened_at, expires_at
from attempts where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: export_attempts_of_account
select page_id, psid, account_id, username, email, phone_number, display_name, profile_name, stage, way,
       second_factor_at, refusal, opened_at, expires_at
from attempts where account_id = :account_id

-- name: export_codes
select page_id, psid, account_id, username, email, phone_number, locale, replaces, source, minted_at, expires_at,
       consumed_at, consumed_by
from codes where (psid = :psid or consumed_by = :psid)
  and (cast(:page_id as text) is null or page_id = :page_id or page_id is null) order by tick

-- name: export_codes_of_account
select page_id, psid, account_id, username, email, phone_number, locale, replaces, source, minted_at, expires_at,
       consumed_at, consumed_by
from codes where account_id = :account_id order by tick

-- name: export_resumes
select page_id, psid, payload, created_at
from resumes where psid = :psid and (cast(:page_id as text) is null or page_id in (:page_id, ''))

-- name: export_unlinks_seen
select page_id, psid, event_ms, seen_at
from unlinks_seen where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: export_undos
select page_id, psid, changed_at, account_id, account_before, username, email, phone_number, source, linked_at,
       updated_at, undone_at
from undos where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: export_undos_of_account
select page_id, psid, changed_at, account_id, account_before, username, email, phone_number, source, linked_at,
       updated_at, undone_at
from undos where account_before = :account_id

-- name: export_bars
select page_id, psid, account_id, expires_at
from bars where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: find_pages_revision
select revision from page_changes where id = 1

-- name: next_pages_revision
insert into page_changes (id, revision) values (1, 1)
on conflict (id) do update set revision = page_changes.revision + 1 returning revision

-- name: find_pages_since
select page_id, sealed, revision, added_at, changed_at from pages where revision > :revision order by revision

-- name: add_page
insert into pages (page_id, sealed, revision, added_at, changed_at)
values (:page_id, :sealed, :revision, :now, :now)
on conflict (page_id) do update set
  sealed = excluded.sealed, revision = excluded.revision, added_at = excluded.added_at,
  changed_at = excluded.changed_at
where pages.sealed is null

-- name: replace_page
update pages set sealed = :sealed, revision = :revision, changed_at = :now
where page_id = :page_id and sealed = :before

-- name: remove_page
update pages set sealed = null, revision = :revision, changed_at = :now
where page_id = :page_id and sealed is not null

-- name: find_typed
-- At least one row, with the number of wrong tries; one for each code that the person may type.
select limited.hits, codes.digest, codes.typed, codes.consumed_at
from (select (select hits from limits where key = :key and limits.expires_at > :now) as hits) as limited
left join codes on codes.psid = :psid and codes.page_id = :page_id and codes.typed is not null
  and codes.expires_at > :now

-- name: save_web_link
insert into web_links (digest, page_id, psid, expires_at) values (:digest, :page_id, :psid, :expires_at)

-- name: find_web_link
select page_id, psid, expires_at from web_links where digest = :digest and expires_at > :now

-- name: is_web_link_kept
-- Whatever its age, as a page that was opened in time may be finished later; an unlink, an erasure or an undo
-- has deleted it.
select 1 as kept from web_links where digest = :digest

-- name: save_chat_link
insert into chat_links (digest, code_digest, page_id, account_id, username, email, phone_number, display_name,
                        resume, expires_at)
values (:digest, :code_digest, :page_id, :account_id, :username, :email, :phone_number, :display_name,
        :resume, :expires_at)

-- name: find_chat_link
select digest, page_id, account_id, username, email, phone_number, display_name, resume, expires_at, used_at
from chat_links where digest = :digest

-- name: find_chat_link_of_code
select digest, page_id, account_id, username, email, phone_number, display_name, resume, expires_at, used_at
from chat_links where code_digest = :code_digest

-- name: use_chat_link
update chat_links set used_at = :now where digest = :digest and used_at is null returning digest

-- name: save_question
insert into questions (page_id, psid, id, link_digest, replaces, asked_at)
values (:page_id, :psid, :id, :link_digest, :replaces, :now)
on conflict (page_id, psid) do update set id = excluded.id, link_digest = excluded.link_digest,
  replaces = excluded.replaces, asked_at = excluded.asked_at, settled_at = null

-- name: find_question
select id, link_digest, replaces, asked_at, settled_at from questions where page_id = :page_id and psid = :psid

-- name: settle_question
update questions set settled_at = :now where page_id = :page_id and psid = :psid

-- name: drop_web_links_of_person
delete from web_links where psid = :psid and page_id = :page_id

-- name: drop_question_of_person
delete from questions where psid = :psid and page_id = :page_id

-- name: drop_typed_of_person
delete from codes where psid = :psid and page_id = :page_id and typed is not null and consumed_at is null

-- name: drop_chat_links_of_account
delete from chat_links where account_id = :account_id and used_at is null

-- name: erase_web_links
delete from web_links where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: erase_questions
delete from questions where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: erase_codes_of_account
update codes set consumed_at = coalesce(consumed_at, :now), consumed_by = null, psid = null, account_id = null,
  username = null, email = null, phone_number = null, locale = null, replaces = null
where account_id = :account_id

-- name: erase_history_of_account
delete from history where account_before = :account_id or account_after = :account_id

-- name: erase_bars_of_account
delete from bars where account_id = :account_id

-- name: erase_chat_links_of_account
delete from chat_links where account_id = :account_id

-- name: purge_web_links
delete from web_links where (digest) in (select digest from web_links where expires_at < :before limit :most)

-- name: purge_chat_links
delete from chat_links where (digest) in (select digest from chat_links where expires_at < :before limit :most)

-- name: purge_questions
delete from questions where (page_id, psid) in (
  select page_id, psid from questions where asked_at < :before limit :most)

-- name: export_web_links
select page_id, psid, expires_at
from web_links where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: export_questions
select page_id, psid, replaces, asked_at, settled_at
from questions where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: export_chat_links_of_account
select page_id, account_id, username, email, phone_number, display_name, resume as payload, expires_at, used_at
from chat_links where account_id = :account_id

-- name: add_to_funnel
insert into funnel (day, page_id, way, stage, bucket, hits)
select json_extract(value, '$.day'), json_extract(value, '$.page_id'), json_extract(value, '$.way'),
       json_extract(value, '$.stage'), json_extract(value, '$.bucket'), json_extract(value, '$.hits')
from json_each(:counts) where true
on conflict (day, page_id, way, stage, bucket) do update set hits = funnel.hits + excluded.hits

-- name: add_to_traffic
insert into traffic (minute, kind, result, hits)
select json_extract(value, '$.minute'), json_extract(value, '$.kind'), json_extract(value, '$.result'),
       json_extract(value, '$.hits')
from json_each(:counts) where true
on conflict (minute, kind, result) do update set hits = traffic.hits + excluded.hits

-- name: read_funnel
-- Days are added up, except for the stage `open`: its days and minutes say what was abandoned.
select way, stage, bucket, case when stage = 'open' then day else 0 end as day, sum(hits) as hits
from funnel
where day >= :since and (cast(:page_id as text) is null or page_id = :page_id or page_id = :unnamed)
group by way, stage, bucket, case when stage = 'open' then day else 0 end

-- name: read_traffic
select minute, kind, result, hits from traffic where minute >= :since order by minute, kind, result

-- name: take_open
delete from funnel where stage = 'open' and day <= :before and day + bucket * 60000 <= :before
returning day, page_id, way, hits

-- name: purge_funnel
delete from funnel where (day, page_id, way, stage, bucket) in (
  select day, page_id, way, stage, bucket from funnel where day < :before limit :most)

-- name: purge_traffic
delete from traffic where (minute, kind, result) in (
  select minute, kind, result from traffic where minute < :before limit :most)

-- name: find_by_psid
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where psid = :value and account_id is not null order by page_id limit :limit

-- name: find_by_account_id
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where account_id = :value order by page_id, psid limit :limit

-- name: find_by_username
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where username = :value and account_id is not null order by page_id, psid limit :limit

-- name: find_by_email
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where email = :value and account_id is not null order by page_id, psid limit :limit

-- name: find_by_phone_number
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at
from links where phone_number = :value and account_id is not null order by page_id, psid limit :limit

-- name: pages_of_psid
select page_id from links where psid = :psid union select page_id from history where psid = :psid limit :limit

-- name: list_history
select id, at, page_id, psid, door as source, account_before, account_after, identifiers, key_id, request_id, meta
from history where psid = :psid and page_id = :page_id and id < :before order by id desc limit :limit

-- name: list_messages
select id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for
from outbox where page_id = :page_id and psid = :psid order by id desc limit :limit

-- name: list_letters
select id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for
from outbox where dead_at is not null and (dead_at, id) < (:before_at, :before_id)
order by dead_at desc, id desc limit :limit

-- name: count_reasons
select last_error as reason, count(*) as letters
from (select last_error from outbox where dead_at is not null and dead_at > 0
      order by dead_at desc limit :limit) as newest
group by last_error order by count(*) desc, last_error

-- name: find_letter
select id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for
from outbox where id = :id and dead_at is not null

-- name: save_act
insert into acts (at, operator, act, page_id, psid, about)
values (:at, :operator, :act, :page_id, :psid, :about)

-- name: list_acts
select id, at, operator, act, page_id, psid, about from acts where id < :before order by id desc limit :limit

-- name: erase_acts
update acts set psid = null, page_id = null, about = null
where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id)

-- name: export_acts
select at, act, page_id, psid from acts
where psid = :psid and (cast(:page_id as text) is null or page_id = :page_id) order by id

-- name: purge_acts
delete from acts where id in (select id from acts where at < :before limit :most)

-- name: look_at_outbox
-- The same as `outbox_depth`, by indexes alone; `oldest` is of the first hundred entries.
select
  (select count(*) from outbox where dead_at is null) as depth,
  (select min(due) from (select case held_for when 'hour' then next_at else created_at end as due from outbox
     where dead_at is null and (held_for is null or held_for not in ('window', 'refused'))
     order by id limit 100) as first) as oldest,
  (select count(*) from outbox o join page_pauses p on p.page_id = o.page_id
     where o.dead_at is null and p.cause is not null)
  + (select count(*) from outbox where held_for = 'page' and dead_at is null
     and page_id not in (select page_id from page_pauses where cause is not null)) as held,
  (select count(*) from outbox where dead_at is not null) as dead
