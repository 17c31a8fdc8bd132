-- The links to an account that an undo would put back: they end with the account's own.
create index undos_by_account_before on undos (account_before) where account_before is not null;
