"""What a person sees: sign in, consent, done; sign up, cancel. It needs no JavaScript and no third party."""
