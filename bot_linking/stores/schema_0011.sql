-- The answer from outside that an attempt waits for, as JSON: a code that was sent to an e-mail address. Of its
-- secret there is a digest.
alter table attempts add column awaited text;
