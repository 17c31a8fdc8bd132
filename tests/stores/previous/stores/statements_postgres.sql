-- Where PostgreSQL needs other words than the statements that both engines share. The names are the same.

-- name: hold
-- Buckets, so that a batch of a thousand events cannot use up the server's table of locks; in one order, so
-- that no two transactions wait for each other.
with held as (
  select hashtextextended(psid, 1) as hash from unnest(cast(:psids as text[])) as psid
  union all select hashtextextended(attempt_id, 2) from unnest(cast(:attempts as text[])) as attempt_id
  union all select hashtextextended(attempt_id, 2) from codes where digest = any (cast(:codes as text[]))
  union all select hashtextextended(attempt_id, 2) from codes
            where account_id = cast(:account_id as text) and consumed_at is null
)
select pg_advisory_xact_lock(25196, bucket)
from (select distinct cast(hash & 2047 as integer) as bucket from held order by 1) as in_order

-- name: claim_due
with due as materialized (
  select o.id from outbox o
  where o.dead_at is null and o.next_at <= :now and o.claimed_until <= :now
    and (o.held_for is null
         or o.held_for <> all (array(select json_array_elements_text(cast(:tokens as json)))))
    and o.page_id <> all (array(select json_array_elements_text(cast(:busy as json))))
    and (o.kind = 'unlink_call'
         or not exists (select 1 from outbox e where e.page_id = o.page_id and e.psid = o.psid
                        and e.id < o.id and e.dead_at is null and e.held_for is null))
  order by o.next_at, o.id limit :limit
  for update of o skip locked)
update outbox set claim = :claim, claimed_until = :until, attempts = attempts + 1
from due where outbox.id = due.id
returning outbox.id, page_id, psid, kind, payload, created_at, attempts, last_error, dead_at, held_for

-- name: has_due
select 1 as due from outbox
where dead_at is null and next_at <= :now and claimed_until <= :now
  and (held_for is null or held_for <> all (array(select json_array_elements_text(cast(:tokens as json)))))
  and page_id <> all (array(select json_array_elements_text(cast(:busy as json))))
limit 1

-- name: postpone_page
-- What is locked is being claimed or postponed just now, and will find out by itself.
update outbox set next_at = :next_at, held_for = :held_for, last_error = :reason
where id = any (array(
  select id from outbox
  where page_id = :page_id and dead_at is null and claimed_until <= :now and next_at < :next_at
  for update skip locked))

-- name: purge_codes
delete from codes where ctid = any (array(
  select ctid from codes where expires_at < :before limit :most for update skip locked))

-- name: purge_attempts
delete from attempts where ctid = any (array(
  select ctid from attempts where expires_at < :before limit :most for update skip locked))

-- name: purge_unlinks_seen
delete from unlinks_seen where ctid = any (array(
  select ctid from unlinks_seen where seen_at < :before limit :most for update skip locked))

-- name: purge_resumes
delete from resumes where ctid = any (array(
  select ctid from resumes where created_at < :before limit :most for update skip locked))

-- name: purge_limits
delete from limits where ctid = any (array(
  select ctid from limits where expires_at < :before limit :most for update skip locked))

-- name: purge_unlinked
delete from links where ctid = any (array(
  select ctid from links where account_id is null and updated_at < :before limit :most for update skip locked))

-- name: purge_dead
delete from outbox where ctid = any (array(
  select ctid from outbox where dead_at < :before limit :most for update skip locked))

-- name: purge_history
delete from history where ctid = any (array(
  select ctid from history where at < :before limit :most for update skip locked))

-- name: purge_api_keys
delete from api_keys where ctid = any (array(
  select ctid from api_keys where revoked_at < :before limit :most for update skip locked))
