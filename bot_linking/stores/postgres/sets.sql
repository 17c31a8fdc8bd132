-- What the events of one POST need to read, for many people at once. Each statement has the name of the one for a
-- single person in `statements.sql`, and takes an array for each of its values.

-- name: find_code
-- Locks the codes, so that no other transaction can consume or delete them meanwhile.
select digest, tick, attempt_id, page_id, psid, account_id, username, email, phone_number, locale, replaces,
       source, proof, minted_at, expires_at, consumed_at, consumed_by, typed is not null as is_typed
from codes where digest = any (cast(:digest as text[])) order by tick for update

-- name: find_person
-- `barred` are the accounts that must not be linked to the chat now.
select links.page_id, links.psid, account_id, username, email, phone_number, source, linked_at, updated_at,
       event_ms, code_tick, changed_tick, unlinked_ms, unlinked_tick, barred_until, locale,
       case when barred_until > :now then array(
         select bars.account_id from bars
         where bars.page_id = links.page_id and bars.psid = links.psid and bars.expires_at > :now) end as barred
from unnest(cast(:page_id as text[]), cast(:psid as text[])) as given (page_id, psid)
join links on links.page_id = given.page_id and links.psid = given.psid

-- name: find_chats
-- The same columns for each chat of these accounts.
select page_id, psid, account_id, username, email, phone_number, source, linked_at, updated_at,
       event_ms, code_tick, changed_tick, unlinked_ms, unlinked_tick, barred_until, locale,
       case when barred_until > :now then array(
         select bars.account_id from bars
         where bars.page_id = links.page_id and bars.psid = links.psid and bars.expires_at > :now) end as barred
from links where account_id = any (cast(:account_id as text[]))

-- name: is_unlink_seen
select unlinks_seen.page_id, unlinks_seen.psid, unlinks_seen.event_ms
from unnest(cast(:page_id as text[]), cast(:psid as text[]), cast(:event_ms as bigint[]))
     as given (page_id, psid, event_ms)
join unlinks_seen on unlinks_seen.page_id = given.page_id and unlinks_seen.psid = given.psid
     and unlinks_seen.event_ms = given.event_ms

-- name: find_limit
select key, hits, expires_at from limits
where key = any (cast(:key as text[])) and expires_at > :now and expires_at <= :now + :window + 120000

-- name: drop_resumes
delete from resumes
using unnest(cast(:page_id as text[]), cast(:psid as text[]), cast(:newest as bigint[])) as given (page_id, psid, newest)
where resumes.psid = given.psid and resumes.page_id in (given.page_id, '') and resumes.created_at <= given.newest

-- name: hit
-- Only for limits that were found without a count: each starts a new window.
insert into limits (key, hits, expires_at)
select given.key, 1, given.expires_at
from unnest(cast(:key as text[]), cast(:expires_at as bigint[])) as given (key, expires_at)
on conflict (key) do update set hits = 1, expires_at = excluded.expires_at

-- name: take_resumes
select page_id, psid, payload, created_at from resumes
where psid = any (cast(:psid as text[])) order by psid, page_id for update
