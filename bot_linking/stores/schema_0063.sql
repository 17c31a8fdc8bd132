-- When something was found to be held under a request: fulfilling it again after a crash finds nothing more.
alter table deletions add column found_at {bigint};
